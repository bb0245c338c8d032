// The fast check and the complete one come from one schema by different ways: they must say the same of every document.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitsConfig, fitsMounts, fitsProcess, fitsResources } from "../../../build/generated/fits.js";
import { explain } from "../../../src/spec/explain.ts";
import type { DocumentKind } from "../../../src/spec/problem.ts";
import { complete, type Draft } from "./samples.ts";

const fits = { Config: fitsConfig, Process: fitsProcess, Resources: fitsResources, Mounts: fitsMounts } as const;
const documents: readonly (readonly [DocumentKind, unknown])[] = [
  ["Config", complete],
  ["Process", complete.process],
  ["Resources", complete.linux.resources],
  ["Mounts", complete.mounts],
];

/** Every place in a document, as the list of keys that leads there. */
function places(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, member]) => places(member, [...path, key]))];
}

function copy(value: Draft): Draft {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)]));
}

/** What is done to a place: another value, removal, or another name. */
type Change = { readonly value: unknown } | { readonly remove: true } | { readonly rename: string };

function apply(document: unknown, path: readonly string[], change: Change): unknown {
  const changed = copy(document);
  const last = path.at(-1);
  if (last === undefined) return "value" in change ? change.value : changed;
  const parent = path.slice(0, -1).reduce((at, key) => at[key], changed);
  if ("value" in change) parent[last] = change.value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else {
    const value = parent[last];
    delete parent[last];
    // Defined, as JSON.parse does it: assigning to "__proto__" would set the prototype.
    if ("rename" in change)
      Object.defineProperty(parent, change.rename, { value, enumerable: true, configurable: true });
  }
  return changed;
}

const values = fc.oneof(
  fc.constantFrom<unknown>(null, true, "", "x", 0, -0, 1, -1, 1.5, Number.NaN, 511, 512, 1000, 1001, 65535, 65536),
  fc.constantFrom<unknown>(4294967294, 4294967295, 4294967296, 2 ** 53, 2 ** 63, 2 ** 64, -(2 ** 63), -(2 ** 31) - 1),
  fc.constantFrom<unknown>(2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 63n) - 1n, 5n),
  fc.constantFrom<unknown>([], {}, [1], ["a"], { type: "pid" }, [{}], [null], { a: 1 }, { a: "b" }),
  fc.constantFrom<unknown>("SCMP_ACT_LOG", "mount", "c", "a", "4KB", "0KB", "MPOL_LOCAL", "shared", "LINUX32"),
);
const changes = fc.oneof(
  values.map((value): Change => ({ value })),
  fc.constant<Change>({ remove: true }),
  fc
    .constantFrom("TYPE", "Process", "ARGS", "unknown", "__proto__", "Linux", "proce\u017f\u017f")
    .map((rename): Change => ({ rename })),
);

describe.each(documents)("%s", (kind, document) => {
  test("the two agree on the unchanged document", () => {
    expect(fits[kind](document)).toBe(true);
    expect(explain(kind, document)).toEqual([]);
  });

  test("the two agree on changed ones, and the complete one names the place", () => {
    const anywhere = fc.constantFrom(...places(document));
    fc.assert(
      fc.property(fc.array(fc.tuple(anywhere, changes), { minLength: 1, maxLength: 2 }), (edits) => {
        let changed = document;
        for (const [path, change] of edits) {
          try {
            changed = apply(changed, path, change);
          } catch {
            return; // an earlier edit has removed the place
          }
        }
        const problems = explain(kind, changed);
        expect([problems, fits[kind](changed)]).toEqual([problems, problems.length === 0]);
        for (const { at, message, section } of problems) {
          expect(at).toMatch(/^(\/|$)/);
          expect(message).toMatch(/^(is|must) \S/);
          expect(section).toMatch(/^config(-linux)?\.md/);
        }
      }),
      { numRuns: 2000 },
    );
  }, 60_000);
});

describe("numbers", () => {
  const limit = (value: unknown): boolean => fitsResources({ memory: { limit: value } });
  const swappiness = (value: unknown): boolean => fitsResources({ memory: { swappiness: value } });

  test.each([0, -1, 2 ** 53, 2n ** 63n - 1n, -(2n ** 63n), -(2 ** 63)])("%s is an int64", (value) => {
    expect(limit(value)).toBe(true);
  });
  test.each([2n ** 63n, 2 ** 63, -(2n ** 63n) - 1n, 1.5, -0, Number.NaN, "1"])("%s is no int64", (value) => {
    expect(limit(value)).toBe(false);
  });
  test.each([0, 2 ** 53, 2n ** 64n - 1n, 2 ** 63])("%s is a uint64", (value) => expect(swappiness(value)).toBe(true));
  test.each([-1, -1n, 2n ** 64n, 2 ** 64, -0])("%s is no uint64", (value) => expect(swappiness(value)).toBe(false));
});
