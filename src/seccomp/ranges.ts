// All 2^32 system call numbers of one architecture, cut into ranges that share an outcome.
import type { Leaf } from "./leaves.ts";

export class Ranges {
  /** First number of each range, ascending; the last range ends at 2^32 - 1 */
  readonly starts: number[] = [];
  readonly leaves: Leaf[] = [];

  /** From this number on. Numbers come in ascending order. */
  add(start: number, leaf: Leaf): void {
    const last = this.leaves.length - 1;
    if (this.leaves[last] === leaf) return;
    this.starts.push(start);
    this.leaves.push(leaf);
  }

  get length(): number {
    return this.leaves.length;
  }

  /** Which range a number is in. */
  find(number: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] as number) <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
