// Writes what src/cli/documents.ts makes of the command table: man/*.8 and docs/commands.md.
//
//   node tools/gen-documents.mjs            writes them, and removes pages of commands that are gone
//   node tools/gen-documents.mjs --check    only says which are out of date (status 1)

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const check = process.argv.includes("--check");

/** The module's functions. Commands are never called here, so their code stays outside. */
async function load() {
  const { outputFiles } = await build({
    entryPoints: ["src/cli/documents.ts"],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    external: ["./commands/*"],
  });
  const text = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}

/** @param {string} path */
function present(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** @type {readonly (readonly [path: string, text: string])[]} */
const documents = (await load()).documents();
const wanted = new Map(documents);
mkdirSync("man", { recursive: true });
const stale = [
  ...documents.filter(([path, text]) => present(path) !== text).map(([path]) => path),
  ...readdirSync("man")
    .map((name) => `man/${name}`)
    .filter((path) => path.endsWith(".8") && !wanted.has(path)),
];
for (const path of stale) {
  const text = wanted.get(path);
  if (check) console.error(`${path} is out of date: run "npm run generate"`);
  else if (text === undefined) rmSync(path);
  else writeFileSync(path, text);
}
if (check && stale.length > 0) process.exit(1);
