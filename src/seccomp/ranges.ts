// All 2^32 system call numbers of one architecture, cut into ranges that share an outcome.
import type { Leaf } from "./leaves.ts";

export class Ranges {
  /** First number of each range, ascending; the first is 0, the last range ends at 2^32 - 1 */
  readonly starts: number[] = [0];
  readonly leaves: Leaf[] = [0];

  /** From this number on. Numbers come in ascending order; before the first one is the default action. */
  add(start: number, leaf: Leaf): void {
    const { starts, leaves } = this;
    const last = leaves.length - 1;
    if (leaves[last] === leaf) return;
    if (starts[last] !== start) {
      starts.push(start);
      leaves.push(leaf);
      return;
    }
    // Nothing in between: the later word holds, and may equal what was before.
    leaves[last] = leaf;
    if (last === 0 || leaves[last - 1] !== leaf) return;
    starts.pop();
    leaves.pop();
  }

  /** From this number on, whatever was said of it before. */
  endAt(start: number, leaf: Leaf): void {
    const { starts, leaves } = this;
    while ((starts[starts.length - 1] as number) > start) {
      starts.pop();
      leaves.pop();
    }
    this.add(start, leaf);
  }

  /** Which range a number is in. */
  find(number: number): number {
    const { starts } = this;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
