// Rules with different actions on the same arguments: the order is libseccomp's, not the profile's.
import { describe, expect, test } from "vitest";
import { decide } from "../../../src/seccomp/order.ts";
import { readRules } from "../../../src/seccomp/rules.ts";

type Arg = readonly [index: number, op: string, value: number, valueTwo?: number];

/** The errnos of rules, in the order they are asked. Each rule's errno is its place in the profile. */
function order(bits: 32 | 64, ...rules: readonly (readonly Arg[])[]): unknown {
  const syscalls = rules.map((args, i) => ({
    names: ["read"],
    action: "SCMP_ACT_ERRNO",
    errnoRet: i,
    args: args.map(([index, op, value, valueTwo = 0]) => ({ index, op: `SCMP_CMP_${op}`, value, valueTwo })),
  }));
  const decision = decide(readRules({ defaultAction: "SCMP_ACT_ALLOW", syscalls }).rules, bits);
  return typeof decision === "number" ? decision & 0xffff : decision.map(({ action }) => action & 0xffff);
}

const far = 0x100000000;

describe("rules with different actions are asked", () => {
  test.each([64, 32] as const)("by argument, operator and value, with %i bits", (bits) => {
    expect(order(bits, [[0, "EQ", 1]], [[3, "EQ", 1]], [[1, "EQ", 1]])).toEqual([1, 2, 0]);
    expect(order(bits, [[0, "GT", 1]], [[0, "LT", 9]], [[0, "EQ", 5]])).toEqual([2, 1, 0]);
    expect(order(bits, [[0, "EQ", 1]], [[0, "NE", 3]], [[0, "EQ", 2]])).toEqual([1, 2, 0]);
    expect(order(bits, [[0, "GE", 3]], [[0, "GT", 9]], [[0, "GE", 5]])).toEqual([1, 2, 0]);
    expect(order(bits, [[0, "LE", 9]], [[0, "LT", 3]], [[0, "LE", 5]])).toEqual([1, 2, 0]);
  });

  test("by the high word first where there is one", () => {
    expect(order(64, [[0, "EQ", 5]], [[0, "EQ", far]])).toEqual([1, 0]);
    expect(order(32, [[0, "EQ", 5]], [[0, "EQ", far]])).toEqual([0, 1]);
  });

  test("branch by branch: a rule goes to those it shares the first comparison with", () => {
    expect(order(64, [[0, "EQ", 5]], [[0, "MASKED_EQ", 0xff, 6]], [[0, "EQ", 4]])).toEqual([0, 2, 1]);
  });

  test("together when they are opposites, in the place of the first", () => {
    expect(order(32, [[0, "LE", 1]], [[0, "GT", 1]], [[0, "GT", 9]])).toEqual([0, 1, 2]);
    expect(order(32, [[0, "GT", 1]], [[0, "LE", 1]], [[0, "GT", 9]])).toEqual([2, 0, 1]);
  });

  test("not at all when an earlier one always answers", () => {
    expect(
      order(
        64,
        [[0, "EQ", 5]],
        [
          [0, "EQ", 5],
          [1, "EQ", 1],
        ],
      ),
    ).toEqual([0]);
    expect(
      order(
        64,
        [[1, "EQ", 1]],
        [
          [0, "EQ", 5],
          [1, "EQ", 1],
        ],
      ),
    ).toEqual([0]);
  });

  test("in one only, if it compares nothing", () => {
    expect(order(64, [[0, "EQ", 5]], [[0, "MASKED_EQ", 0]])).toBe(1);
    expect(order(32, [[0, "EQ", 5]], [[0, "MASKED_EQ", far, far]])).toBe(1);
    expect(order(64, [[0, "EQ", 5]], [[0, "MASKED_EQ", far, far]])).toEqual([1, 0]);
  });

  test("are refused when they contradict each other", () => {
    expect(() =>
      order(
        64,
        [
          [0, "EQ", 5],
          [1, "EQ", 1],
        ],
        [[0, "EQ", 5]],
      ),
    ).toThrow("contradicts rule 0");
    expect(() => order(32, [[2, "LE", 5]], [[2, "LE", 5]])).toThrow("contradicts rule 0");
  });
});
