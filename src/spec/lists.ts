// Lists of numbers as the kernel prints and reads them: "0-3,7" for CPUs and memory nodes.

/** More than any kernel is built for (CONFIG_NR_CPUS and MAX_NUMNODES), so that a typing error costs no memory. */
const highest = 65535;

/**
 * The numbers of a list, ascending, each once. Blanks around numbers are allowed, as runc allows them.
 *
 * @returns undefined when it isn't such a list: empty parts, descending ranges, signs, numbers above 65535
 */
export function parseList(text: string): number[] | undefined {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const range = /^ *([0-9]{1,5})(?:-([0-9]{1,5}))? *$/.exec(part);
    if (range === null) return undefined;
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (last < first || last > highest) return undefined;
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return [...numbers].sort((left, right) => left - right);
}

/** In words, for an error. */
export const listForm = "a list of numbers and ranges such as 0-3,7";
