// What a profile says of each system call by name, before any architecture comes in.
import { Leaves } from "./leaves.ts";
import type { Rule, RuleSet } from "./rules.ts";
import { nameIndex } from "./syscalls.ts";

export interface Outcomes {
  /** By the name's index: 0 not in the profile, n + 1 action n, -(n + 1) the conditional rules of list n */
  readonly byName: Int32Array;
  readonly skipped: readonly string[];
  readonly leaves: Leaves;
}

/**
 * What the profile says of each name, all architectures alike. The first rule without conditions wins over every other,
 * before or after it; rules that repeat the default action don't count.
 */
export function mergeRules({ rules, defaultAction }: RuleSet): Outcomes {
  const leaves = new Leaves(defaultAction);
  const index = nameIndex();
  const byName = new Int32Array(index.size);
  const skipped: string[] = [];
  const highOnly = rules.some(({ conditions }) => conditions.some(({ maskLow }) => maskLow === 0));
  for (let r = 0; r < rules.length; r++) {
    const rule = rules[r] as Rule;
    const { names, action, conditions } = rule;
    const plain = conditions.length === 0 ? leaves.action(action) + 1 : 0;
    for (let n = 0; n < names.length; n++) {
      const id = index.get(names[n] as string);
      if (id === undefined) {
        skipped.push(names[n] as string);
        continue;
      }
      const before = byName[id] as number;
      if (before > 1) continue;
      if (action === defaultAction) byName[id] = before || 1;
      // Where a mask covers only high words the rule is one without conditions on 32-bit architectures: keep the order.
      else if (plain > 0 && (before >= 0 || !highOnly)) byName[id] = plain;
      else byName[id] = -1 - leaves.extend(before < 0 ? -1 - before : undefined, rule, r);
    }
  }
  return { byName, skipped, leaves };
}
