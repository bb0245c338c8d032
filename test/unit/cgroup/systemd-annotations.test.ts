/** Annotations org.systemd.property.*: the text of values, and which properties there may be (V20). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { annotatedProperties } from "../../../src/cgroup/systemd/annotations.ts";
import { parseVariant } from "../../../src/cgroup/systemd/variant-text.ts";

describe("values", () => {
  test.each([
    ["true", "b", true],
    ["5", "i", 5n],
    ["-0x10", "i", -16n],
    ["1.5e3", "d", 1500],
    ["uint64 18446744073709551615", "t", (1n << 64n) - 1n],
    ["@t 7", "t", 7n],
    ["byte 0xff", "y", 255n],
    ["double 2", "d", 2],
    ["'it\\'s'", "s", "it's"],
    ['"a\\u00e9\\n"', "s", "aé\n"],
    ["objectpath '/a'", "o", "/a"],
    ["['a', 'b']", "as", ["a", "b"]],
    ["@as []", "as", []],
    ["uint32 3", "u", 3n],
    ["[uint32 1, 2]", "au", [1n, 2n]],
    ["('a', 1)", "(si)", ["a", 1n]],
    ["(1,)", "(i)", [1n]],
    ["[('/dev/x', 'rw')]", "a(ss)", [["/dev/x", "rw"]]],
    [
      "{'a': <1>, 'b': <'x'>}",
      "a{sv}",
      [
        ["a", { signature: "i", value: 1n }],
        ["b", { signature: "s", value: "x" }],
      ],
    ],
    ["@a{sv} {}", "a{sv}", []],
    ["  [ 1 ,2 ]  ", "ai", [1n, 2n]],
  ])("%s", (text, signature, value) => {
    expect(parseVariant(text)).toEqual({ signature, value });
  });

  test.each([
    "",
    " ",
    "'",
    "'a",
    "[1",
    "[1,",
    "[1 2]",
    "(",
    "()",
    "{",
    "{1}",
    "{1:}",
    "<",
    "<1",
    "[]",
    "{}",
    "1 2",
    "true false",
    "trueish",
    "uint64",
    "uint64 -1",
    "byte 256",
    "@",
    "@zz 1",
    "@as",
    "@t 'a'",
    "[1, 'a']",
    "nothing",
    "uint8 1",
    "1.5.5",
    "0x",
    "--1",
    "{[1]: 2}",
    "'\\ud800'",
    "'\\u12'",
    "'\\u0000'",
    "2147483648",
    "@b 1",
    "string 5",
    "@(ss) ('a')",
    "__proto__",
    "[".repeat(100),
    `'${"a".repeat(1 << 20)}'`,
    "constructor 1",
  ])("%j is refused", (text) => {
    expect(() => parseVariant(text)).toThrow(/expected|longer|D-Bus/);
  });

  test("any text is read or refused, never worse", () => {
    const pieces = fc.constantFrom(
      "[",
      "]",
      "(",
      ")",
      "{",
      "}",
      "<",
      ">",
      "@",
      "as",
      "'",
      '"',
      ",",
      ":",
      "1",
      "-",
      ".",
      "true",
      " ",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (list) => {
        try {
          expect(parseVariant(list.join("")).signature).not.toBe("");
        } catch (error) {
          expect((error as Error).name).toBe("UserError");
        }
      }),
    );
  });
});

describe("properties", () => {
  test("those of a scope are taken, anything else is not about systemd", () => {
    const properties = annotatedProperties({
      "org.systemd.property.TimeoutStopUSec": "uint64 1000",
      "org.systemd.property.CollectMode": "'inactive-or-failed'",
      "org.systemd.property.RuntimeMaxSec": "1.5",
      "io.example": "'x'",
    });
    expect(properties).toEqual([
      ["TimeoutStopUSec", { signature: "t", value: 1000n }],
      ["CollectMode", { signature: "s", value: "inactive-or-failed" }],
      ["RuntimeMaxUSec", { signature: "t", value: 1_500_000n }],
    ]);
  });

  test.each([
    ["ExecStart", "[('/bin/sh', ['sh'], false)]", "may not have"],
    ["FailureAction", "'reboot'", "may not have"],
    ["OnFailure", "['rescue.target']", "may not have"],
    ["PIDs", "[uint32 1]", "may not have"],
    ["Slice", "'system.slice'", "may not have"],
    ["", "1", "no name"],
    ["A b", "1", "no name"],
    ["constructor", "1", "may not have"],
    ["KillMode", "mixed", "can't be read: at character 1"],
    ["RuntimeMaxSec", "'long'", "number of seconds"],
    ["RuntimeMaxSec", "-1", "number of seconds"],
  ])("%s %s is refused", (name, text, message) => {
    expect(() => annotatedProperties({ [`org.systemd.property.${name}`]: text })).toThrow(message);
  });
});
