// Reading JSON strictly (security cases B2).

import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/errors.ts";
import { InexactNumber, readJson, removeNulls } from "../../../src/spec/json.ts";
import { checkJson } from "./strict-json.ts";

const read = (text: string): unknown => readJson(text, "config.json", checkJson);

describe("integers", () => {
  test.each([
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["18446744073709551615", 18446744073709551615n],
    ["-9223372036854775808", -9223372036854775808n],
  ])("%s stays exact", (digits, value) => {
    expect(read(`{"a":{"b":[1,${digits}]}}`)).toEqual({ a: { b: [1, value] } });
  });

  test("large ones are found below keys that need escaping in a pointer, and below __proto__", () => {
    expect(read('{"a/b":{"c~d":9007199254740993}}')).toEqual({ "a/b": { "c~d": 9007199254740993n } });
    const value = read('{"__proto__":9007199254740993}') as object;
    expect(Object.entries(value)).toEqual([["__proto__", 9007199254740993n]]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test.each(["1.0", "1e3", "0.5", "-0", "1E-2", "9".repeat(1_000_000)])("%.20s is no integer", (digits) => {
    expect(read(`{"a":${digits}}`)).toEqual({ a: new InexactNumber(digits) });
  });
});

describe("null", () => {
  const removed = (text: string): unknown => {
    const value = read(text);
    removeNulls(value);
    return value;
  };
  test("a null member is as if absent", () => {
    expect(removed('{"a":null,"b":{"c":null,"d":[{"e":null,"f":1}]}}')).toEqual({ b: { d: [{ f: 1 }] } });
    expect(removed('{"a":null}')).not.toHaveProperty("a");
  });
  test("a null element stays, for the schema to refuse", () => {
    expect(removed('{"a":[null,"x"]}')).toEqual({ a: [null, "x"] });
  });
  test("a null value of a free key stays too: it means something else than no such key", () => {
    const text = '{"annotations":{"a":null},"linux":{"netDevices":{"eth0":null,"eth1":{"name":null}}}}';
    expect(removed(text)).toEqual({ annotations: { a: null }, linux: { netDevices: { eth0: null, eth1: {} } } });
  });
});

describe("free keys", () => {
  test.each(["__proto__", "constructor", "toString"])("%s is plain data", (key) => {
    const { annotations } = read(`{"annotations":{"${key}":"x"},"a":null}`) as { annotations: object };
    expect(Object.entries(annotations)).toEqual([[key, "x"]]);
    expect(Object.getPrototypeOf(annotations)).toBe(Object.prototype);
  });
});

test.each([
  ["", "line 1, column 1: object or array expected"],
  ["null", "line 1, column 1: object or array expected"],
  ["[] x", "line 1, column 4: text after the value"],
  ["\ufeff{}", "line 1, column 1: byte order mark"],
  ['{\n  "a": 1,\n  "a": 2\n}', 'line 3, column 3: duplicate key "a"'],
  ['{"a": 1, "\\u0061": 2}', 'line 1, column 10: duplicate key "a"'],
  ['{"a": 1} x', "line 1, column 10: text after the value"],
  ['{"a": "x\\u0000y"}', "line 1, column 7: U+0000 in a string"],
  ['{"a": "\\ud800"}', "line 1, column 7: lone surrogate in a string"],
  ['{"a": NaN}', "line 1, column 7: value expected"],
  ["{'a': 1}", "line 1, column 2: string expected"],
  ['{"a": 01}', 'line 1, column 8: "," or "}" expected'],
  ['{"a": 1', 'line 1, column 8: "," or "}" expected'],
  [`{"a": ${"[".repeat(64)}${"]".repeat(64)}}`, "line 1, column 70: more than 64 levels"],
])("%j is refused", (text, message) => {
  const error = expect.objectContaining({ message: `config.json is not valid JSON: ${message}`, code: "config" });
  expect(() => read(text)).toThrow(UserError);
  expect(() => read(text)).toThrow(error);
});
