// System call names and numbers, from the generated tables.
import { calls, places } from "./tables.generated.ts";

/** Part of an architecture's calls: the places of their names, at their numbers less `base`; place 0 is no call. */
export interface CallTable {
  readonly base: number;
  readonly places: string;
}

// Made once, so that the heap image of the static binary has it.
const known: Readonly<Record<string, number | undefined>> = places();

/** The place of each name in the tables, counted from 1; has no prototype. */
export function namePlaces(): Readonly<Record<string, number | undefined>> {
  return known;
}

/** An architecture's tables, lowest numbers first; ARM has a second one, far up. */
export function callTables(table: string): readonly CallTable[] {
  const main = { base: 0, places: calls[table as keyof typeof calls] };
  return table === "arm" ? [main, { base: 0xf0000, places: calls.armPrivate }] : [main];
}
