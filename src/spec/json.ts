// JSON text to a value, without the surprises of JSON.parse. What is refused or kept, and by whom:
//
//   duplicate keys, U+0000 and lone surrogates in strings, a byte order mark, more than 64 levels, anything but one
//   object or array: the strict scan of the native host (`checkJson`), with line and column; invalid UTF-8: its file reader
//   integers that a double can't hold: reported by the scan, put in as BigInt here
//   numbers that are no plain integer (1.0, 1e3, -0), should the scan report them too: put in as InexactNumber, which
//   fits no schema
//   null members: removed (removeNulls), as Go programs write null for "not set", so that the schema needn't allow it
//   "__proto__" and the like as keys of free maps: JSON.parse makes plain own members of them, and so it stays as long
//   as nobody copies members with `target[key] = value` or Object.assign, which would set target's prototype. We read
//   such maps with Object.entries only, and where a copy is needed it is a Map.

import { KernelError, UserError } from "../errors.ts";

/**
 * The strict scan of a JSON text; `host.checkJson`. spec/ is pure and doesn't import the host, so it is handed in.
 * Returns the integers that JSON.parse would round, each as JSON pointer and digits; throws KernelError for bad text.
 */
export type CheckJson = (text: string) => readonly (readonly [pointer: string, digits: string])[];

/** A number that isn't written as an integer. No document we read has one, so it only ever becomes an error. */
export class InexactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Reads a JSON text strictly.
 *
 * @param name what to call the text in an error, e.g. config.json
 * @returns the object or array, with BigInts for large integers
 * @throws UserError with line and column
 */
export function readJson(text: string, name: string, check: CheckJson): unknown {
  try {
    const numbers = check(text);
    const document: unknown = JSON.parse(text);
    for (const [pointer, digits] of numbers) replace(document, pointer, digits);
    return document;
  } catch (error) {
    if (error instanceof KernelError && error.call === "json") {
      throw new UserError(`${name} is not valid JSON: ${error.subject}`, { at: "", cause: error });
    }
    if (error instanceof SyntaxError) throw new UserError(`${name} is not valid JSON`, { at: "", cause: error });
    throw error;
  }
}

// No 64-bit integer has more digits, and BigInt would spend minutes on a megabyte of them.
const exactInteger = /^-?[1-9][0-9]{0,19}$/;

type Branch = Record<string, unknown>;

function replace(document: unknown, pointer: string, digits: string): void {
  const steps = pointer.split("/").slice(1).map(unescapePointer);
  const last = steps.pop();
  let parent = document as Branch;
  for (const step of steps) parent = parent[step] as Branch;
  // Defined, not assigned: the last step may be "__proto__".
  Object.defineProperty(parent, last as string, {
    value: exactInteger.test(digits) ? BigInt(digits) : new InexactNumber(digits),
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

// In these maps each key is data: "no value" for a key is not the same as "no such key", so null stays and is refused.
const freeMaps: ReadonlySet<string> = new Set(["annotations", "sysctl", "unified", "rdma", "netDevices"]);

/**
 * Removes the null members of all objects within a value, in place.
 *
 * @param keep whether those of the value itself stay
 */
export function removeNulls(value: unknown, keep = false): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) removeNulls(item);
    return;
  }
  const members = value as Branch;
  for (const key of Object.keys(members)) {
    if (members[key] === null && !keep) delete members[key];
    else removeNulls(members[key], freeMaps.has(key));
  }
}

/** One step of a JSON pointer (RFC 6901) for a key. */
export function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescapePointer(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}
