// The schemas against themselves, against src/spec/config.ts, and against the official ones where those are at hand.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { fitsConfig } from "../../../build/generated/fits.js";
import { explain } from "../../../src/spec/explain.ts";
import { complete, type Draft, jsonText } from "./samples.ts";

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const config = readJson(join(repository, "schema/config.schema.json"));
const state = readJson(join(repository, "schema/state.schema.json"));
const features = readJson(join(repository, "schema/features.schema.json"));

const official = process.env["OCI_SCHEMA_DIR"] ?? join(repository, "../shared/reference/oci-schema");
const why = existsSync(official) ? "" : " (skipped: no official schemas; OCI_SCHEMA_DIR names their folder)";

function readJson(path: string): Draft {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Every property of a schema, as a path like linux.devices.type; arrays and free keys add nothing to a path. */
function properties(
  file: string,
  schema: Draft,
  load: (ref: string, from: string) => readonly [string, Draft],
): string[] {
  const found = new Set<string>();
  const walk = (from: string, part: Draft, path: string): void => {
    if (typeof part !== "object" || part === null) return;
    if (part.$ref !== undefined) walk(...load(part.$ref, from), path);
    for (const name of Object.keys(part.properties ?? {})) {
      const here = path === "" ? name : `${path}.${name}`;
      found.add(here);
      walk(from, part.properties[name], here);
    }
    for (const inner of [part.items, part.additionalProperties, ...(part.anyOf ?? []), ...(part.allOf ?? [])]) {
      walk(from, inner, path);
    }
  };
  walk(file, schema, "");
  return [...found].sort();
}

function ownProperties(schema: Draft): string[] {
  return properties("", schema, (ref) => ["", schema.$defs[ref.replace("#/$defs/", "")]]);
}

describe("the schemas", () => {
  test.each([
    ["config", config],
    ["state", state],
    ["features", features],
  ])("%s is a valid JSON Schema, each property with a description and a section of the spec", (_, schema) => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    expect(ajv.validateSchema(schema)).toBe(true);
    const bare: string[] = [];
    const walk = (part: Draft, path: string): void => {
      for (const [name, property] of Object.entries<Draft>(part.properties ?? {})) {
        const target = property.$ref === undefined ? {} : schema.$defs[property.$ref.replace("#/$defs/", "")];
        const described = property.description ?? target.description;
        const section = property.$comment ?? target.$comment;
        if (!described || !/^(config|config-linux|features|features-linux|runtime)\.md(#|$)/.test(section)) {
          bare.push(`${path}/${name}`);
        }
        walk(property, `${path}/${name}`);
      }
      if (part.items) walk(part.items, `${path}/*`);
      if (typeof part.additionalProperties === "object") walk(part.additionalProperties, `${path}/*`);
    };
    walk(schema, "");
    for (const [name, part] of Object.entries(schema.$defs ?? {})) walk(part, name);
    expect(bare).toEqual([]);
  });

  test("the complete sample has every property of the config schema, and fits it", () => {
    const unused = new Set(ownProperties(config));
    const walk = (part: Draft, value: Draft, path: string): void => {
      const whole = part.$ref === undefined ? part : config.$defs[part.$ref.replace("#/$defs/", "")];
      if (Array.isArray(value)) for (const item of value) walk(whole.items, item, path);
      else if (typeof value === "object") {
        for (const [key, member] of Object.entries(value)) {
          const here = whole.properties === undefined ? path : path === "" ? key : `${path}.${key}`;
          unused.delete(here);
          walk(whole.properties?.[key] ?? whole.additionalProperties, member, here);
        }
      }
    };
    walk(config, complete, "");
    expect([...unused]).toEqual(["linux.intelRdt.enableCMT", "linux.intelRdt.enableMBM", "process.user.username"]);
    expect(explain("Config", complete)).toEqual([]);
    expect(fitsConfig(complete)).toBe(true);
  });
});

describe.skipIf(why !== "")(`the official schemas${why}`, () => {
  const officialSchema = (name: string): Draft => readJson(join(official, name));
  const load = (ref: string, from: string): readonly [string, Draft] => {
    const [file, pointer = ""] = ref.split("#");
    const name = file || from;
    const part = pointer
      .split("/")
      .slice(1)
      .reduce((at: Draft, step) => at[step], officialSchema(name));
    return [name, part];
  };
  const officialProperties = (file: string): string[] => properties(file, officialSchema(file), load);
  const otherPlatforms = /^(windows|solaris|vm|zos|freebsd)\b|^process\.commandLine$/;

  test.each([
    ["config-schema.json", config],
    ["state-schema.json", state],
    ["features-schema.json", features],
  ])("every Linux property of %s is in ours", (file, ours) => {
    const names = officialProperties(file).filter((path) => !otherPlatforms.test(path));
    expect(names.length).toBeGreaterThan(5);
    const known = ownProperties(ours);
    expect(names.filter((path) => !known.includes(path))).toEqual([]);
  });

  const examples = (kind: string, folder: string): string[] => {
    const path = join(official, "test", kind, folder);
    return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
  };
  const others = /(windows|solaris|vm|zos|freebsd)-/;
  const name = (path: string): string => path.slice(official.length + 1);

  test.each(
    examples("config", "good")
      .filter((path) => !others.test(path))
      .map((path) => [name(path), path]),
  )("accepts %s", (_, path) => {
    const document = readJson(path);
    expect(explain("Config", document)).toEqual([]);
    expect(fitsConfig(document)).toBe(true);
  });

  test.each(
    examples("config", "bad")
      .filter((path) => !others.test(path))
      .map((path) => [name(path), path]),
  )("refuses %s", (_, path) => {
    const judge = (): boolean => fitsConfig(readJson(path));
    if (path.includes("invalid-json")) expect(judge).toThrow(SyntaxError);
    else expect(judge()).toBe(false);
  });

  test.each([
    ["state", state],
    ["features", features],
  ])("the examples of %s are judged alike", (kind, schema) => {
    const fits = new Ajv2020({ strict: false }).compile(schema);
    for (const path of examples(kind, "good")) expect([name(path), fits(readJson(path))]).toEqual([name(path), true]);
    for (const path of examples(kind, "bad")) {
      const judge = (): boolean => fits(readJson(path));
      if (path.includes("invalid-json")) expect(judge).toThrow(SyntaxError);
      else expect([name(path), judge()]).toEqual([name(path), false]);
    }
  });

  test("the official schema accepts our complete sample", () => {
    const ajv = new Ajv({ strict: false });
    const files = readdirSync(official).filter((file) => file.endsWith(".json") && file !== "config-schema.json");
    for (const file of files) {
      const { $schema: _, ...schema } = officialSchema(file);
      ajv.addSchema(schema, file);
    }
    const { $schema: _, ...schema } = officialSchema("config-schema.json");
    const fits = ajv.compile({ ...schema, $id: "config-schema.json" });
    fits(JSON.parse(jsonText(complete)));
    expect(fits.errors).toBeNull();
  });
});
