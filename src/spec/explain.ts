// Why a document breaks the schema, in sentences. Loaded only when the fast check has said no (load.ts).

import type { ErrorObject } from "ajv";
import { explainConfig, explainMounts, explainProcess, explainResources } from "../../build/generated/explain.js";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { escapePointer, InexactNumber } from "./json.ts";
import { type DocumentKind, type Problem, quote, type Section } from "./problem.ts";
import { misspelt, object } from "./shapes.ts";

/** A part of the schema, as far as this file looks at it. */
interface Part {
  readonly $ref?: string;
  readonly $comment?: string;
  readonly properties?: { readonly [name: string]: Part };
  readonly items?: Part;
  readonly additionalProperties?: Part;
}

const definitions = schema.$defs as { readonly [name: string]: Part };

const kinds = {
  Config: { explain: explainConfig, part: schema as Part },
  Process: { explain: explainProcess, part: definitions["process"] as Part },
  Resources: { explain: explainResources, part: definitions["resources"] as Part },
  Mounts: { explain: explainMounts, part: schema.properties.mounts as Part },
} as const;

/**
 * All breaches of the schema, in the order of the document.
 *
 * @param document what fits{Config,Process,Resources,Mounts} refused
 */
export function explain(kind: DocumentKind, document: unknown): readonly Problem[] {
  const { explain: complete, part } = kinds[kind];
  const breaches = complete(document).map((error) => describe(error, part));
  return [...breaches, ...misspeltNames(document, part, "")];
}

function describe(error: ErrorObject, root: Part): Problem {
  const { instancePath, keyword, params, data } = error;
  const at = keyword === "required" ? `${instancePath}/${escapePointer(params["missingProperty"])}` : instancePath;
  return { at, message: sentence(error, data), rule: "schema", section: sectionOf(root, at) };
}

function sentence({ keyword, params, schema: allowed, parentSchema }: ErrorObject, found: unknown): string {
  switch (keyword) {
    case "required":
      return "is missing";
    case "type":
      return `is ${show(found)}, must be ${article(params["type"])}`;
    case "integer":
      return `is ${show(found)}, must be an integer from ${bounds(allowed as readonly [number, number])}`;
    case "enum":
      return `is ${show(found)}, must be ${oneOf(allowed as readonly string[])}`;
    case "pattern":
      return `is ${show(found)}, must match ${params["pattern"]} (${parentSchema?.["description"]})`;
    case "minItems":
      return "is an empty array, must have at least one element";
    default:
      return `is ${show(found)}, which the schema refuses (${keyword})`;
  }
}

/** What was found, short: scalars as they are, the rest by its type. */
function show(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value instanceof InexactNumber) return value.text;
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return Object.is(value, -0) ? "-0" : String(value);
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function bounds([low, high]: readonly [number, number]): string {
  if (Number.isSafeInteger(high)) return `${low} to ${high}`;
  return low < 0 ? `${-(2n ** 63n)} to ${2n ** 63n - 1n}` : `0 to ${2n ** 64n - 1n}`;
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? String(words[0]) : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

// ---- names ----------------------------------------------------------------------------------------------------------

// Unknown members are allowed, but not one that a reader which ignores case would take for a known one (shapes.ts).
function misspeltNames(value: unknown, whole: Part, at: string): Problem[] {
  const part = resolve(whole);
  if (Array.isArray(value)) {
    const { items } = part;
    return items === undefined ? [] : value.flatMap((item, index) => misspeltNames(item, items, `${at}/${index}`));
  }
  if (!object(value)) return [];
  const { properties, additionalProperties: rest } = part;
  const names = ` ${Object.keys(properties ?? {}).join(" ")} `;
  return Object.entries(value).flatMap(([key, member]) => {
    const here = `${at}/${escapePointer(key)}`;
    const known = (properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined) ?? rest;
    if (known !== undefined) return misspeltNames(member, known, here);
    const meant = misspelt(key, names);
    if (meant === undefined) return [];
    const message = `is not known, and only upper and lower case make it differ from ${meant}`;
    return [{ at: here, message, rule: "schema", section: sectionOf(whole, `/${meant}`) }];
  });
}

/** The spec section of a member: that of the innermost part of the schema on the way to it that names one. */
function sectionOf(root: Part, pointer: string): Section {
  let part: Part | undefined = resolve(root);
  let section = part.$comment ?? "config.md";
  for (const step of pointer.split("/").slice(1)) {
    const next: Part | undefined = part?.items ?? part?.properties?.[step] ?? part?.additionalProperties;
    if (next === undefined) break;
    part = resolve(next);
    section = next.$comment ?? part.$comment ?? section;
  }
  return section as Section;
}

function resolve(part: Part): Part {
  return part.$ref === undefined ? part : (definitions[part.$ref.slice("#/$defs/".length)] as Part);
}
