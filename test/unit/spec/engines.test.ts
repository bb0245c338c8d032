// Configs as the engines write them (test/fixtures/configs) are accepted as they are, by us and by the official schema's
// standards: an engine's everyday config that we refuse is a bug of ours.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseConfig } from "../../../src/spec/load.ts";
import { jsonText, reader, root, rootless } from "./samples.ts";

const folder = fileURLToPath(new URL("../../fixtures/configs/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there are fixtures", () => expect(names.length).toBeGreaterThan(5));

test.each(names)("%s is read without an error or a warning", (name) => {
  const text = readFileSync(folder + name, "utf8");
  const { config, warnings } = parseConfig(text, reader({ ...root, capabilities: (1n << 41n) - 1n }));
  expect(warnings).toEqual([]);
  // Nothing got lost on the way: what is read is what a plain reader of exact integers would see, less the nulls.
  const withoutNulls = JSON.parse(text, (_, value) => (value === null ? undefined : value));
  expect(JSON.parse(jsonText(config))).toEqual(withoutNulls);
  expect(config.linux?.seccomp?.syscalls?.length ?? 0).toBe(withoutNulls.linux.seccomp?.syscalls?.length ?? 0);
});

test("the same rules apply when root is given up", () => {
  const text = readFileSync(`${folder}podman-default.json`, "utf8");
  expect(() => parseConfig(text, reader(rootless))).toThrow("cannot specify gid=5 mount option for rootless container");
});
