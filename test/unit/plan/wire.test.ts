// Plans as bytes: what goes in comes out, and broken bytes are refused. (The decoder's fuzzer is test/fuzz/plan.c.)

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { host } from "#host";
import { isErrno } from "../../../src/errors.ts";
import { fromWire, toWire } from "../../../src/plan/encode.ts";
import { type FieldKind, type Op, opShapes } from "../../../src/plan/ops.generated.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((value) => value.replaceAll("\0", ""));
const u32 = fc.nat({ max: 0xffffffff });

const arbitraries: Readonly<Record<FieldKind, fc.Arbitrary<unknown>>> = {
  u32,
  u64: fc
    .bigInt({ min: 0n, max: (1n << 64n) - 1n })
    .map((value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value)),
  str: text,
  bytes: fc.uint8Array({ maxLength: 64 }),
  strs: fc.array(text, { maxLength: 5 }),
  u32s: fc.array(u32, { maxLength: 5 }),
};

/** Slots are indexes into the descriptors handed over, of which there are at most 65536. */
const slot = fc.nat({ max: 30000 });
const slotFields: readonly string[] = ["slot", "statusSlot", "first", "count"];

const operation = fc.oneof(
  ...Object.entries(opShapes).map(([op, [, fields]]) =>
    fc
      .record(
        Object.fromEntries(fields.map(([name, kind]) => [name, slotFields.includes(name) ? slot : arbitraries[kind]])),
      )
      .map((values) => ({ op, ...values }) as Op),
  ),
);

describe("encode and decode", () => {
  test("give back any plan", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (ops) => {
        const bytes = host.encodePlan(ops.map(toWire));
        expect(host.decodePlan(bytes).map(fromWire)).toEqual(ops);
      }),
      { numRuns: 300, seed: 20 },
    );
  });

  test("refuse every truncation, and every byte too many", () => {
    const bytes = host.encodePlan([toWire({ op: "env", vars: ["A=b", "C=d"] }), toWire({ op: "exec" })]);
    for (let length = 0; length < bytes.length; length++)
      expect(() => host.decodePlan(bytes.slice(0, length))).toThrow();
    expect(() => host.decodePlan(new Uint8Array([...bytes, 0]))).toThrow();
  });

  test("refuse another magic number and another format", () => {
    const bytes = host.encodePlan([toWire({ op: "exec" })]);
    for (const at of [0, 4]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      expect(() => host.decodePlan(changed)).toThrow();
    }
  });

  test("refuse NUL in text", () => {
    let error: unknown;
    try {
      host.encodePlan([toWire({ op: "hostname", name: "a\0b" })]);
    } catch (caught) {
      error = caught;
    }
    expect(isErrno(error, 22)).toBe(true);
  });
});
