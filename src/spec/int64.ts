// 64-bit integers of JSON: a number while a double holds it exactly, else a BigInt. The two kinds compare correctly
// with < and >, but not with ===, and not with + or -; these are the operations the rest of the code needs.

import type { Int64 } from "./config.ts";

/** The exact value as a BigInt. */
export function big(value: Int64): bigint {
  return BigInt(value);
}

/** Decimal digits, never in exponent form. */
export function digits(value: Int64): string {
  return BigInt(value).toString();
}

/** Whether two integers are the same number, of whatever kind. */
export function same(left: Int64, right: Int64): boolean {
  return left === right || BigInt(left) === BigInt(right);
}
