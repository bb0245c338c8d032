// From names to numbers: what happens to each of the 2^32 system call numbers of an architecture.
import type { Leaf } from "./leaves.ts";
import { type Multiplexer, multiplexedRules } from "./multiplex.ts";
import { named, type Outcomes, unnamed } from "./outcomes.ts";
import { type Architecture, actions, architectures } from "./profile.ts";
import { Ranges } from "./ranges.ts";
import type { RuleSet } from "./rules.ts";
import { callTables, namePlaces } from "./syscalls.ts";

/** A profile, read and merged, and what calls newer than it get (nothing special: undefined). */
export interface Policy {
  readonly rules: RuleSet;
  readonly outcomes: Outcomes;
  readonly newer: Leaf | undefined;
}

const x32Bit = 0x40000000;

/** Whether this is the architecture the kernel reports as another one, with a bit set in the number. */
export function isX32({ base }: Architecture): boolean {
  return base === x32Bit;
}

/**
 * All numbers of an architecture in ranges of equal outcome.
 * @param x32 for x86_64, the same architecture's other numbers, if the profile covers them
 */
export function rangesOf(arch: Architecture, x32: Architecture | undefined, policy: Policy): Ranges {
  const ranges = new Ranges();
  const beyond = addCalls(ranges, arch, policy);
  if (arch.audit !== architectures.SCMP_ARCH_X86_64.audit) return ranges;
  if (x32 !== undefined) {
    const beyondX32 = addCalls(ranges, x32, policy);
    // Bit 31 makes no difference; it is bit 30 that tells x32 apart.
    ranges.add(0x80000000, beyond ?? 0);
    ranges.add(0xc0000000, beyondX32 ?? 0);
    return ranges;
  }
  const foreign = policy.outcomes.leaves.action(actions.SCMP_ACT_KILL_PROCESS);
  ranges.add(x32Bit, foreign);
  ranges.add(0x80000000, beyond ?? foreign);
  ranges.add(0xc0000000, foreign);
  // Number -1 is a tracer's way to skip a call, and no call of x32.
  ranges.add(0xffffffff, 0);
  return ranges;
}

/**
 * Adds the calls of an architecture and, where newer ones are special, what is beyond the newest the profile names.
 * @returns what is special about those
 */
function addCalls(ranges: Ranges, arch: Architecture, policy: Policy): Leaf | undefined {
  const outcomes = withMultiplexers(arch, policy);
  const { leaves } = policy.outcomes;
  const bits = arch.bits;
  let newest = -1;
  for (const { base, places } of callTables(arch.table)) {
    const first = arch.base + base;
    const end = places.length;
    let last = unnamed;
    ranges.add(first, 0);
    for (let at = 0; at < end; at++) {
      const outcome = outcomes[places[at] as number] as number;
      if (outcome === last) continue;
      if (last !== unnamed) newest = first + at - 1;
      last = outcome;
      const leaf = outcome > named ? outcome - named : outcome < 0 ? leaves.ofList(-1 - outcome, bits) : 0;
      ranges.add(first + at, leaf);
    }
    if (last !== unnamed) newest = first + end - 1;
    ranges.add(first + end, 0);
  }
  // As runc has it, a profile that names no call but number 0 doesn't know the architecture.
  if (policy.newer === undefined || newest <= arch.base) return undefined;
  ranges.endAt(newest + 1, policy.newer);
  return policy.newer;
}

/** Outcomes by place, with those of socketcall(2) and ipc(2) extended by the calls behind them. */
function withMultiplexers({ multiplexes }: Architecture, { rules, outcomes: { byPlace, leaves } }: Policy): Int32Array {
  if (multiplexes === undefined) return byPlace;
  let extended = byPlace;
  for (const name of ["socketcall", "ipc"] as const satisfies readonly Multiplexer[]) {
    const place = namePlaces()[name] as number;
    // A rule without conditions for the multiplexer itself covers all of its calls.
    if ((byPlace[place] as number) > named) continue;
    const list = multiplexedRules(rules, name);
    if (list.length === 0) continue;
    if (extended === byPlace) extended = byPlace.slice();
    extended[place] = -1 - leaves.list(list);
  }
  return extended;
}
