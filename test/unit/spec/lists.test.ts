// Lists of CPUs and nodes, and lengths in bytes.

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseList } from "../../../src/spec/lists.ts";
import { utf8Length } from "../../../src/spec/utf8.ts";

test.each([
  ["0", [0]],
  ["0-3,7", [0, 1, 2, 3, 7]],
  ["7, 1 ,1-2", [1, 2, 7]],
  ["65535", [65535]],
])("%j is a list", (text, numbers) => expect(parseList(text)).toEqual(numbers));

test.each(["", ",", "0,", "3-1", "-1", "0-", "a", "0x1", "1.5", "65536", "0-99999", "1\n2", "1\n", "0--3", "1 2"])(
  "%j is none",
  (text) => expect(parseList(text)).toBeUndefined(),
);

test("utf8Length counts what an encoder writes", () => {
  const agrees = (text: string): boolean => utf8Length(text) === Buffer.byteLength(text);
  fc.assert(fc.property(fc.string({ unit: "binary" }), agrees));
  expect(utf8Length("aä€😀")).toBe(1 + 2 + 3 + 4);
});
