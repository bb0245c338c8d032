// System call names and numbers, decoded from the generated tables when they are first asked for.
import { names, numbers } from "./tables.generated.ts";

/** "No such call on this architecture", as the tables write it. */
export const absent = 0xffff;

/** Codes from here up stand for ARM's private calls. */
const privateCode = 768;
const privateNumber = 0xf0000;

/** A code is below this. */
export const codeLimit = privateCode + 16;

let index: Map<string, number> | undefined;
let list: string[] | undefined;

/** The names of the tables, in their order. */
export function syscallNames(): readonly string[] {
  list ??= names.split(" ");
  return list;
}

/** Where a name stands in the tables' order. */
export function nameIndex(): ReadonlyMap<string, number> {
  if (index === undefined) {
    index = new Map();
    const all = syscallNames();
    for (let i = 0; i < all.length; i++) index.set(all[i] as string, i);
  }
  return index;
}

/**
 * An architecture's numbers as codes: the code unit at a name's index is its code, `absent` if it has none.
 * Codes are numbers without the architecture's base, with ARM's far private numbers folded down.
 */
export function codesOf(table: string): string {
  return numbers[table as keyof typeof numbers];
}

/** The number a code stands for, without the architecture's base. */
export function numberOf(code: number): number {
  return code < privateCode ? code : privateNumber + code - privateCode;
}
