// All 2^32 system call numbers of one architecture, cut into ranges that share an outcome.
import type { Leaf } from "./leaves.ts";

export class Ranges {
  /** First number of each range, ascending; the first is 0, the last range ends at 2^32 - 1 */
  readonly starts: number[] = [0];
  readonly leaves: Leaf[] = [0];

  /** From this number on. Numbers come in ascending order; before the first one is the default action. */
  add(start: number, leaf: Leaf): void {
    const { starts, leaves } = this;
    const end = leaves.length;
    if (leaves[end - 1] === leaf) return;
    if (starts[end - 1] !== start) {
      starts[end] = start;
      leaves[end] = leaf;
      return;
    }
    // Nothing in between: the later word holds, and may equal what was before.
    leaves[end - 1] = leaf;
    if (leaves[end - 2] !== leaf) return;
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
}
