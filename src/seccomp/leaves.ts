// The outcomes a program can have. In ranges and trees they are small integers: below `firstBlock` the index of an
// action, the default being 0; from there up a block of argument checks.
import { decide } from "./order.ts";
import type { Rule } from "./rules.ts";

export type Leaf = number;
export const firstBlock = 0x1000;

/** Checks of arguments: the first rule whose conditions hold decides, else the default. */
export interface Block {
  readonly rules: readonly Rule[];
  readonly bits: 32 | 64;
}

/** The leaves a program can have: actions by index, the default first, and lists of conditional rules. */
export class Leaves {
  readonly actions: number[];
  readonly lists: (readonly Rule[])[] = [];
  private readonly byAction = new Map<number, number>();
  private readonly decisions = new Map<number, Leaf>();
  private readonly extended = new Map<number, number>();
  /** Rule lists of blocks, by leaf - firstBlock */
  readonly blocks: Block[] = [];

  constructor(defaultAction: number) {
    this.actions = [defaultAction];
    this.byAction.set(defaultAction, 0);
  }

  action(value: number): Leaf {
    let index = this.byAction.get(value);
    if (index === undefined) {
      index = this.actions.push(value) - 1;
      this.byAction.set(value, index);
    }
    return index;
  }

  /** The list that is `list` (or none) and one more rule; the same for all names of a rule. */
  extend(list: number | undefined, rule: Rule, ruleIndex: number): number {
    if (rule.names.length === 1)
      return this.list([...(list === undefined ? [] : (this.lists[list] as readonly Rule[])), rule]);
    const key = ((list ?? -1) + 1) * 0x10000 + ruleIndex;
    let extended = this.extended.get(key);
    if (extended === undefined) {
      extended = this.lists.push(list === undefined ? [rule] : [...(this.lists[list] as readonly Rule[]), rule]) - 1;
      this.extended.set(key, extended);
    }
    return extended;
  }

  /** A list that no name of the profile has by itself. */
  list(rules: readonly Rule[]): number {
    return this.lists.push(rules) - 1;
  }

  /** What a list comes to on an architecture. */
  ofList(list: number, bits: 32 | 64): Leaf {
    const key = 2 * list + (bits === 64 ? 1 : 0);
    let leaf = this.decisions.get(key);
    if (leaf === undefined) {
      const decision = decide(this.lists[list] as readonly Rule[], bits);
      leaf =
        typeof decision === "number"
          ? this.action(decision)
          : firstBlock + this.blocks.push({ rules: decision, bits }) - 1;
      this.decisions.set(key, leaf);
    }
    return leaf;
  }
}
