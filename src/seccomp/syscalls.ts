// System call names and numbers, from the generated tables.
import { calls, places } from "./tables.generated.ts";

/** Part of an architecture's calls: the places of their names, at their numbers less `base`; place 0 is no call. */
export interface CallTable {
  readonly base: number;
  readonly places: Uint16Array;
}

// Made once, so that the heap image of the static binary has it.
const known: Readonly<Record<string, number | undefined>> = places();

/** The place of each name in the tables, counted from 1; has no prototype. */
export function namePlaces(): Readonly<Record<string, number | undefined>> {
  return known;
}

// From strings, which are the shortest in a file, to arrays, which an interpreting engine reads faster; made once, too.
const unpacked = Object.fromEntries(
  Object.entries(calls).map(([table, text]) => [table, Uint16Array.from(text, (unit) => unit.charCodeAt(0))]),
) as Readonly<Record<keyof typeof calls, Uint16Array>>;

/** An architecture's tables, lowest numbers first; ARM has a second one, far up. */
export function callTables(table: string): readonly CallTable[] {
  const main = { base: 0, places: unpacked[table as keyof typeof calls] };
  return table === "arm" ? [main, { base: 0xf0000, places: unpacked.armPrivate }] : [main];
}
