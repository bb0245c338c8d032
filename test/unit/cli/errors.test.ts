/** The catalogue of failures: each code is documented and used. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../../harness/paths.ts";

/** All files below a folder that end in .ts, as one text. */
function sources(folder: string, without: string): string {
  return readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(without))
    .map((name) => readFileSync(join(repository, folder, name), "utf8"))
    .join("\n");
}

const declared = /export type ErrorCode =([^;]*);/.exec(readFileSync(join(repository, "src/errors.ts"), "utf8"))?.[1];
const codes = [...(declared ?? "").matchAll(/"([a-z-]+)"/g)].map(([, code = ""]) => code);
const documented = [
  ...readFileSync(join(repository, "docs/errors.md"), "utf8").matchAll(/^\| `([a-z-]+)` \| [^|]+ \|[^|]*\|$/gm),
].map(([, code = ""]) => code);

test("docs/errors.md has every code, and none that is gone", () => {
  expect(codes.length).toBeGreaterThan(10);
  expect(documented.sort()).toEqual([...codes, "bug"].sort());
});

test.each(codes)("%s is used", (code) => {
  const use = new RegExp(`\\bcode: [^,\\n]*"${code}"|\\bErrorCode \\{[^}]*"${code}"`);
  expect(use.test(sources("src", "errors.ts"))).toBe(true);
});
