// The decision tree over system call numbers: a binary search in which what is asked often is found early.
import type { Leaf } from "./leaves.ts";
import { jump, type Program } from "./program.ts";
import type { Ranges } from "./ranges.ts";

/**
 * Writes a tree that finds the range of the loaded number.
 * @param sums of how often ranges are asked for (weightsOf); undefined: all alike
 * @param target the position that carries out a leaf
 * @returns the position of the first comparison, or of the only leaf
 */
export function writeTree(
  { branch }: Program,
  { starts, leaves }: Ranges,
  sums: readonly number[] | undefined,
  target: (leaf: Leaf) => number,
): number {
  return write(0, leaves.length - 1);

  /** The ranges first..last. */
  function write(first: number, last: number): number {
    const leaf = leaves[first] as Leaf;
    if (first === last) return target(leaf);
    // One number in the midst of others: ask for it alone.
    if (last === first + 2 && leaf === leaves[last] && (starts[first + 1] as number) + 1 === starts[last])
      return branch(jump.equal, starts[first + 1] as number, target(leaves[first + 1] as Leaf), target(leaf));
    const split = middle(first, last);
    const above = split === last ? target(leaves[last] as Leaf) : write(split, last);
    const below = split === first + 1 ? target(leaf) : write(first, split - 1);
    return branch(jump.greaterEqual, starts[split] as number, above, below);
  }

  /** The first range of the upper half, where the halves weigh most alike. */
  function middle(first: number, last: number): number {
    if (sums === undefined) return (first + last + 1) >> 1;
    const low = sums[first] as number;
    const high = sums[last + 1] as number;
    // Nothing frequent among them.
    if (high - low === last + 1 - first) return (first + last + 1) >> 1;
    const half = (low + high) / 2;
    let split = first + 1;
    while (split < last && (sums[split + 1] as number) <= half) split++;
    // The half is between split and split + 1: take the nearer one.
    return split < last && (sums[split + 1] as number) - half < half - (sums[split] as number) ? split + 1 : split;
  }
}
