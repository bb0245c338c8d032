// From schema/config.schema.json to code, at build time: `node tools/build-validators.mjs` writes to build/generated
//
//   fits.js      the fast check of the hot path: yes or no, nothing else. Every `create` loads it, and loading costs
//                6 us per KB, so it is emitted here from the schema in the smallest form we know: one expression per
//                definition, over the primitives in src/spec/shapes.ts. (ajv's standalone code for the same schema is
//                four times its size even without messages, as it prepares an error object at each check.)
//   explain.js   ajv's standalone code with all errors, loaded only when the fast check said no.
//
// test/unit/spec/validators.test.ts holds the two against each other on mutated documents.
// The schema subset that is understood: type, properties, required, items, additionalProperties as a schema, enum,
// minimum and maximum, minItems, pattern, local $ref. Anything else stops the build.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import { _, Name } from "ajv/dist/compile/codegen/index.js";
import standalone from "ajv/dist/standalone/index.js";

const schema = JSON.parse(readFileSync(new URL("../schema/config.schema.json", import.meta.url), "utf8"));
const shapes = "../../src/spec/shapes.ts";
const folder = fileURLToPath(new URL("../build/generated/", import.meta.url));

/** The documents that are checked, and where the schema describes them. */
const documents = {
  Config: "#",
  Process: "#/$defs/process",
  Resources: "#/$defs/resources",
  Mounts: "#/properties/mounts",
};

/** What check() below understands or may skip. */
const keywords = new Set(
  (
    "$ref type enum items properties required additionalProperties minimum maximum minItems pattern " +
    "$schema $id $defs title description $comment deprecated"
  ).split(" "),
);

mkdirSync(folder, { recursive: true });
const files = {
  "fits.js": emitFits(),
  "fits.d.ts": declare("fits", "boolean"),
  "explain.js": emitExplain(),
  "explain.d.ts": declare("explain", 'readonly import("ajv").ErrorObject[]'),
};
for (const [name, text] of Object.entries(files)) {
  writeFileSync(folder + name, text);
  console.log(`build/generated/${name}: ${(text.length / 1024).toFixed(1)} KiB`);
}

function declare(prefix, result) {
  const lines = Object.keys(documents).map((name) => `export function ${prefix}${name}(value: unknown): ${result};\n`);
  return lines.join("");
}

// ---- the fast check --------------------------------------------------------------------------------------------------

function emitFits() {
  const lines = [
    `import { int, int64, list, map, object, spelt, strings, uint64 } from "${shapes}";`,
    ...Object.entries(schema.$defs).map(([name, part]) => `const is_${name} = (v) => ${check(part, "v")};`),
    `export const fitsConfig = (v) => ${check(schema, "v")};`,
    "export { is_process as fitsProcess, is_resources as fitsResources };",
    `export const fitsMounts = (v) => ${check(schema.properties.mounts, "v")};`,
  ];
  return `${lines.join("\n")}\n`;
}

/** A JavaScript expression that is true when the value of expression `v` fits this part of the schema. */
function check(part, v) {
  const { $ref, type, enum: words, items, properties, additionalProperties: rest } = understood(part);
  if ($ref !== undefined) return `is_${$ref.slice("#/$defs/".length)}(${v})`;
  if (words !== undefined) return `(${words.map((word) => `${v} === ${JSON.stringify(word)}`).join(" || ")})`;
  if (type === "integer") return integer(part, v);
  if (type === "boolean") return `typeof ${v} === "boolean"`;
  if (type === "string") {
    return `typeof ${v} === "string"${part.pattern === undefined ? "" : ` && ${new RegExp(part.pattern)}.test(${v})`}`;
  }
  if (type === "array") {
    const each = items.type === "string" ? `strings(${v})` : `list(${v}, (e) => ${check(items, "e")})`;
    return part.minItems === undefined ? each : `${each} && ${v}.length >= ${part.minItems}`;
  }
  return properties === undefined ? `map(${v}, (e) => ${check(rest, "e")})` : members(part, v);
}

function integer({ minimum, maximum }, v) {
  if (Number.isSafeInteger(maximum)) return `int(${v}, ${minimum}, ${maximum})`;
  return `${minimum < 0 ? "int64" : "uint64"}(${v})`;
}

// The number of known members that are there is counted, so that objects without unknown ones - nearly all - are
// recognised by their number of keys, and only the others are searched for misspelt names.
function members({ properties, required = [] }, v) {
  const names = Object.keys(properties);
  const optional = names.filter((name) => !required.includes(name));
  const checks = names.map((name) => {
    const fits = check(properties[name], `${v}.${name}`);
    return required.includes(name) ? fits : `(${v}.${name} === undefined || ${fits})`;
  });
  const count = [required.length, ...optional.map((name) => `(${v}.${name} !== undefined)`)].join(" + ");
  return `object(${v}) && ${checks.join(" && ")} && spelt(${v}, ${count}, ${JSON.stringify(` ${names.join(" ")} `)})`;
}

function understood(part) {
  const unknown = Object.keys(part).filter((keyword) => !keywords.has(keyword));
  if (unknown.length > 0) throw new Error(`build-validators does not understand ${unknown} in ${JSON.stringify(part)}`);
  return part;
}

// ---- the complete check ------------------------------------------------------------------------------------------------

function emitExplain() {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true, // the value found and the part of the schema travel in the error
    messages: false, // src/spec/explain.ts makes the sentences
    strict: false,
    inlineRefs: false,
    code: { source: true, esm: true },
  });
  // An integer may be a BigInt (src/spec/json.ts), of which JSON Schema's own `type` knows nothing.
  ajv.addKeyword({
    keyword: "integer",
    schemaType: "array",
    code(context) {
      const [minimum, maximum] = context.schema;
      const { data } = context;
      if (Number.isSafeInteger(maximum)) context.fail(_`!int(${data}, ${minimum}, ${maximum})`);
      else context.fail(_`!${new Name(minimum < 0 ? "int64" : "uint64")}(${data})`);
    },
  });
  const { $id } = schema;
  ajv.addSchema(withIntegers(schema));
  const names = Object.keys(documents);
  const code = standalone(ajv, Object.fromEntries(names.map((name) => [`is${name}`, $id + documents[name]])));
  const exported = names.map((name) => `export const explain${name} = (v) => (is${name}(v) ? [] : is${name}.errors);`);
  return [`import { int, int64, uint64 } from "${shapes}";`, code, ...exported, ""].join("\n");
}

/** The schema with our own keyword in the place of `type: integer` and its bounds. */
function withIntegers(part) {
  if (Array.isArray(part)) return part.map(withIntegers);
  if (typeof part !== "object" || part === null) return part;
  const entries = Object.entries(part).map(([key, value]) => [key, withIntegers(value)]);
  if (part.type !== "integer") return Object.fromEntries(entries);
  const others = entries.filter(([key]) => !["type", "minimum", "maximum"].includes(key));
  return { ...Object.fromEntries(others), integer: [part.minimum, part.maximum] };
}
