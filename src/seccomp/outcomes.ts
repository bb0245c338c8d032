// What a profile says of each system call by name, before any architecture comes in.
import { Leaves } from "./leaves.ts";
import type { Rule, RuleSet } from "./rules.ts";
import { namePlaces } from "./syscalls.ts";

// Places are below this; the tables have some 500.
const placeLimit = 1024;

/** Outcome of a name: not in the profile; or in it without consequence, that is, the default action. */
export const unnamed = 0;
export const named = 1;
// Above: 1 + an action's index. Below zero: -1 - the number of a list of conditional rules.

export interface Outcomes {
  /** By the name's place in the tables */
  readonly byPlace: Int32Array;
  /** Names that no table has */
  readonly skipped: readonly string[];
  readonly leaves: Leaves;
}

/**
 * Merges the rules of each name, all architectures alike. The first rule without conditions wins over every other,
 * before or after it; rules that repeat the default action don't count.
 */
export function mergeRules({ rules, defaultAction }: RuleSet): Outcomes {
  const leaves = new Leaves(defaultAction);
  const places = namePlaces();
  const byPlace = new Int32Array(placeLimit);
  const skipped: string[] = [];
  const narrowable = rules.some(isNarrowable);
  for (let r = 0; r < rules.length; r++) {
    const rule = rules[r] as Rule;
    const names = rule.names;
    const redundant = rule.action === defaultAction;
    const plain = redundant ? named : rule.conditions.length === 0 ? named + leaves.action(rule.action) : 0;
    // Whether a plain rule replaces those with conditions before it.
    const replaces = plain > named && !narrowable;
    for (let n = 0; n < names.length; n++) {
      const place = places[names[n] as string];
      if (place === undefined) {
        skipped.push(names[n] as string);
        continue;
      }
      const before = byPlace[place] as number;
      if (before > named) continue;
      if (plain > 0 && (before >= 0 || replaces)) byPlace[place] = plain;
      else if (!redundant) byPlace[place] = -1 - leaves.extend(before < 0 ? -1 - before : undefined, rule, r);
    }
  }
  return { byPlace, skipped, leaves };
}

/** Whether 32-bit architectures see fewer conditions, perhaps none; then a later plain rule must not hide this one. */
function isNarrowable({ conditions }: Rule): boolean {
  return conditions.some(({ maskLow }) => maskLow === 0);
}
