// The text forms in which cgroup files tell their numbers. All counters have 64 bits, so they become BigInts where a
// number isn't exact.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";

export type Count = number | bigint;

/** What "max" stands for: the largest 64-bit number. */
export const unlimited = 0xffff_ffff_ffff_ffffn;

/** A number or "max". Anything else counts as 0. */
export function parseCount(text: string): Count {
  const word = text.trim();
  if (word === "max") return unlimited;
  if (!/^-?[0-9]{1,20}$/.test(word)) return 0;
  const number = Number(word);
  return Number.isSafeInteger(number) ? number : BigInt(word);
}

/** The exact sum; unlimited when one of the two is. */
export function add(a: Count, b: Count): Count {
  const sum = BigInt(a) + BigInt(b);
  if (sum >= unlimited) return unlimited;
  return exact(sum);
}

/** The exact product, e.g. of microseconds to nanoseconds. */
export function times(count: Count, factor: number): Count {
  return exact(BigInt(count) * BigInt(factor));
}

function exact(value: bigint): Count {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** undefined in place of 0: what runc's JSON leaves out. */
export function unlessZero(count: Count): Count | undefined {
  return count === 0 ? undefined : count;
}

/** Lines "KEY VALUE". */
export function parseKeyed(text: string): ReadonlyMap<string, Count> {
  const values = new Map<string, Count>();
  for (const line of text.split("\n")) {
    const [key, value] = line.split(/[ =]/);
    if (key !== undefined && value !== undefined) values.set(key, parseCount(value));
  }
  return values;
}

/** Numbers between spaces. */
export function parseRow(text: string): readonly Count[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(parseCount);
}

/** A list of CPUs or memory nodes, "0-2,7", as its numbers. */
export function parseRanges(text: string): readonly number[] {
  return text
    .trim()
    .split(",")
    .filter((range) => range !== "")
    .flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** Reads a file of a cgroup; undefined where the kernel doesn't have it, or the cgroup is gone. */
export function readIfThere(path: string): string | undefined {
  try {
    return host.readText(path, 1 << 20);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENODEV, Errno.EOPNOTSUPP)) return undefined;
    throw error;
  }
}

/** A file with one number; 0 where it isn't there. */
export function readCount(path: string): Count {
  return parseCount(readIfThere(path) ?? "");
}
