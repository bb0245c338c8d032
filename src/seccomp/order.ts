// Several conditional rules for one system call: which one is asked first.
//
// libseccomp keeps the conditions of a call as a tree, one level for each 32-bit word it compares, and asks the
// branches of a level in a fixed order, whatever the order of the profile: higher argument first; equality before
// "less" before "greater"; then the larger value, or for "less" the smaller one. Where all rules have the same action
// the order can't be seen. Where they differ it decides, so we keep it: the tree's paths, from left to right, are a
// sorted list of rules of which the first match wins.
import { UserError } from "../errors.ts";
import { operators } from "./profile.ts";
import { type Condition, maskedEqual, type Rule } from "./rules.ts";

/** The rules of one call as an architecture sees them: a plain action, or conditional rules in their order. */
export type Decision = number | readonly Rule[];

/** One level of libseccomp's tree. */
interface Level {
  /** Twice the argument's index, one more for its high word */
  readonly word: number;
  /** How a comparison ranks among others of the same word */
  readonly rank: number;
  /** What is really compared: "not equal" is "equal" with the branches swapped, and so on */
  readonly test: number;
  readonly value: number;
  readonly mask: number;
}

const { SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_LE, SCMP_CMP_LT, SCMP_CMP_NE } = operators;

/**
 * What an architecture with arguments of that many bits makes of the rules for one call.
 * @param rules at least one, in the profile's order
 * @throws UserError when two rules have the same conditions and different actions, which libseccomp refuses, too
 */
export function decide(rules: readonly Rule[], bits: 32 | 64): Decision {
  const seen = bits === 64 ? rules : rules.map(narrow);
  const first = seen[0] as Rule;
  let sameAction = true;
  for (let i = 0; i < seen.length; i++) {
    const { action, conditions } = seen[i] as Rule;
    if (conditions.length === 0) return action;
    if (action !== first.action) sameAction = false;
  }
  return sameAction ? withoutCopies(seen) : sorted(seen, bits);
}

/** 32-bit arguments have no high word: a mask that covers only that compares nothing. */
function narrow(rule: Rule): Rule {
  if (!rule.conditions.some(({ maskLow }) => maskLow === 0)) return rule;
  return { ...rule, conditions: rule.conditions.filter(({ maskLow }) => maskLow !== 0) };
}

/** Engines repeat rules; a second copy would only cost instructions. */
function withoutCopies(rules: readonly Rule[]): readonly Rule[] {
  const kept: Rule[] = [];
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule;
    let copy = false;
    for (let k = 0; k < kept.length && !copy; k++) copy = covers(kept[k] as Rule, rule);
    if (!copy) kept.push(rule);
  }
  return kept;
}

/** Whether a rule matches whenever another does, because it has the same conditions or fewer. */
function covers({ conditions }: Rule, { conditions: theirs }: Rule): boolean {
  let found = 0;
  // Both are in the order of the arguments.
  for (let i = 0; i < theirs.length && found < conditions.length; i++)
    if (sameCondition(conditions[found] as Condition, theirs[i] as Condition)) found++;
  return found === conditions.length;
}

function sameCondition(one: Condition, other: Condition): boolean {
  return (
    one.low === other.low &&
    one.index === other.index &&
    one.op === other.op &&
    one.high === other.high &&
    one.maskHigh === other.maskHigh &&
    one.maskLow === other.maskLow
  );
}

interface Placed {
  readonly rule: Rule;
  readonly path: readonly Level[];
}

/** The rules in the order they are asked, without those an earlier one always answers for. */
function sorted(rules: readonly Rule[], bits: 32 | 64): readonly Rule[] {
  const order: Placed[] = [];
  for (const rule of rules) {
    const path: Level[] = [];
    for (let i = 0; i < rule.conditions.length; i++) addLevels(path, rule.conditions[i] as Condition, bits);
    const place = placeFor(rule, path, order);
    let answered = false;
    for (let i = 0; i < place && !answered; i++) answered = covers((order[i] as Placed).rule, rule);
    if (answered) continue;
    for (let i = order.length - 1; i >= place; i--) if (covers(rule, (order[i] as Placed).rule)) order.splice(i, 1);
    order.splice(place, 0, { rule, path });
  }
  return order.map(({ rule }) => rule);
}

/** Where a rule goes in the list. Its path becomes the one it shares with others there. */
function placeFor(rule: Rule, path: Level[], order: readonly Placed[]): number {
  let deepest = 0;
  for (let at = 0; at < order.length; at++) {
    const { rule: other, path: theirs } = order[at] as Placed;
    const shared = sharedLevels(path, theirs);
    // Behind the last rule of the branch this one belongs to.
    if (shared < deepest) return at;
    // A comparison ranks as the rule that brought it, though another rule may use it the other way round.
    for (let i = deepest; i < shared; i++) path[i] = theirs[i] as Level;
    deepest = shared;
    if (shared === path.length) {
      if (other.action !== rule.action && covers(rule, other)) throw contradiction(rule, other);
      // The shorter of two paths goes first; of two opposites, say "equal" and "not equal", the older.
      if (shared < theirs.length) return at;
    } else if (shared < theirs.length && goesBefore(path[shared] as Level, theirs[shared] as Level)) return at;
  }
  return order.length;
}

function contradiction(rule: Rule, other: Rule): UserError {
  return new UserError(
    `seccomp: a rule for ${rule.names.join(", ")} contradicts rule ${other.source}, which has the same conditions`,
    { at: `/linux/seccomp/syscalls/${rule.source}` },
  );
}

function sharedLevels(a: readonly Level[], b: readonly Level[]): number {
  const limit = Math.min(a.length, b.length);
  for (let i = 0; i < limit; i++) {
    const one = a[i] as Level;
    const other = b[i] as Level;
    if (one.word !== other.word || one.test !== other.test || one.value !== other.value || one.mask !== other.mask)
      return i;
  }
  return limit;
}

function goesBefore(one: Level, other: Level): boolean {
  if (one.word !== other.word) return one.word > other.word;
  if (one.rank !== other.rank) return one.rank > other.rank;
  return one.rank === 2 ? one.value < other.value : one.value > other.value;
}

/** The levels of one condition: its high word, if there is one, then its low word. */
function addLevels(path: Level[], condition: Condition, bits: 32 | 64): void {
  const { index, op } = condition;
  const { rank, high, low } = kinds[op] as Kind;
  if (bits === 64)
    path.push({ word: 2 * index + 1, rank, test: high, value: condition.high, mask: condition.maskHigh });
  path.push({ word: 2 * index, rank, test: low, value: condition.low, mask: condition.maskLow });
}

interface Kind {
  readonly rank: number;
  /** What is compared on the high and on the low word */
  readonly high: number;
  readonly low: number;
}

/** By operator. */
const kinds: Readonly<Record<number, Kind>> = {
  [SCMP_CMP_EQ]: { rank: 3, high: SCMP_CMP_EQ, low: SCMP_CMP_EQ },
  [SCMP_CMP_NE]: { rank: 3, high: SCMP_CMP_EQ, low: SCMP_CMP_EQ },
  [maskedEqual]: { rank: 3, high: maskedEqual, low: maskedEqual },
  [SCMP_CMP_LT]: { rank: 2, high: SCMP_CMP_GT, low: SCMP_CMP_GE },
  [SCMP_CMP_LE]: { rank: 2, high: SCMP_CMP_GT, low: SCMP_CMP_GT },
  [SCMP_CMP_GE]: { rank: 1, high: SCMP_CMP_GT, low: SCMP_CMP_GE },
  [SCMP_CMP_GT]: { rank: 1, high: SCMP_CMP_GT, low: SCMP_CMP_GT },
};
