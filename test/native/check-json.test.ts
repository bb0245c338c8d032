// host.checkJson against the same scanner written in TypeScript: they must accept the same texts and list the same
// numbers, for good texts and for damaged ones.

import fc from "fast-check";
import { expect, test } from "vitest";
import { host } from "#host";
import { isErrno } from "../../src/errors.ts";
import { checkJson } from "../unit/spec/strict-json.ts";

type Numbers = readonly (readonly [pointer: string, digits: string])[];
type Verdict = Numbers | "refused";

function judge(check: (text: string) => Numbers, text: string): Verdict {
  try {
    return check(text);
  } catch (error) {
    if (isErrno(error)) return "refused";
    throw error;
  }
}

const agree = (text: string): void => {
  const expected = judge(checkJson, text);
  expect([text, judge(host.checkJson, text)]).toEqual([text, expected]);
  // What is accepted here is JSON for the engine too.
  if (expected !== "refused") JSON.parse(text);
};

const number = fc.oneof(
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.double().map((value) => JSON.stringify(value)),
  fc.constantFrom("0", "-0", "1.0", "1e3", "01", "-", "1.", ".5", "+1", "0x1", "9007199254740991", "9007199254740992"),
);
const key = fc.oneof(
  fc.constantFrom("a", "b", "a/b", "a~b", "__proto__", "é", "😀", ""),
  fc.string({ unit: "grapheme", maxLength: 3 }),
);
const escaped = key.map((text) => [...text].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`));
const quoted = fc.oneof(
  { weight: 6, arbitrary: key.map((text) => JSON.stringify(text)) },
  escaped.map((units) => `"${units.join("")}"`),
  fc.constantFrom('"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\t"', '"\\x"', '"'),
);
const space = fc.constantFrom("", "", "", " ", "\n", "\r\n\t", "\f");

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    number,
    quoted,
    fc.constantFrom("true", "false", "null", "nul", "NaN"),
    fc
      .array(fc.tuple(space, tie("value")), { maxLength: 3 })
      .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
    fc
      .array(fc.tuple(quoted, space, tie("value")), { maxLength: 4 })
      .map((members) => `{${members.map(([name, gap, member]) => `${name}${gap}:${gap}${member}`).join(",")}}`),
  ),
}));
const object = fc
  .tuple(space, fc.array(fc.tuple(quoted, value), { maxLength: 4 }), space)
  .map(
    ([before, members, after]) =>
      `${before}{${members.map(([name, member]) => `${name}:${member}`).join(",")}}${after}`,
  );

test("they agree on texts that are nearly JSON", () => {
  fc.assert(fc.property(object, agree), { numRuns: 3000 });
});

test("they agree on texts with one character cut out or put in", () => {
  const edit = fc.tuple(
    object,
    fc.nat(),
    fc.constantFrom("", ",", ":", "{", "}", "[", "]", '"', "\\", "\0", "\ufeff", "-", "0"),
  );
  fc.assert(
    fc.property(edit, ([text, at, put]) => {
      // By code points: half a character can't come out of a file read as UTF-8.
      const points = [...text];
      const place = at % (points.length + 1);
      agree([...points.slice(0, place), put, ...points.slice(place + (put === "" ? 1 : 0))].join(""));
    }),
    { numRuns: 3000 },
  );
});

test.each([63, 64, 65])("they agree on %d levels", (levels) => {
  agree(`{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`);
  agree(`${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`);
});

test("a million members are scanned in no time worth waiting for", { timeout: 10_000 }, () => {
  const members = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"key${i}":${i}`).join(",")}}`;
  expect(host.checkJson(members(1_000_000))).toEqual([]);
});
