// System call names and numbers, decoded from the generated tables when they are first asked for.
import { aliases, calls, names } from "./tables.generated.ts";

/** Part of an architecture's calls: the places of their names, at their numbers less `base`; place 0 is no call. */
export interface CallTable {
  readonly base: number;
  readonly places: string;
}

let index: Map<string, number> | undefined;

/** The place of each name in the tables' list, counted from 1. */
export function namePlaces(): ReadonlyMap<string, number> {
  if (index !== undefined) return index;
  index = new Map();
  const list = names.split(" ");
  for (let i = 0; i < list.length; i++) index.set(list[i] as string, i + 1);
  for (const [alias, name] of Object.entries(aliases)) index.set(alias, index.get(name) as number);
  return index;
}

/** An architecture's tables, lowest numbers first; ARM has a second one, far up. */
export function callTables(table: string): readonly CallTable[] {
  const main = { base: 0, places: calls[table as keyof typeof calls] };
  return table === "arm" ? [main, { base: 0xf0000, places: calls.armPrivate }] : [main];
}
