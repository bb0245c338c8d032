// From names to numbers: what happens to each of the 2^32 system call numbers of an architecture.
import type { Leaf } from "./leaves.ts";
import { type Multiplexer, multiplexedRules } from "./multiplex.ts";
import { decide } from "./order.ts";
import type { Outcomes } from "./outcomes.ts";
import { type Architecture, actions, architectures } from "./profile.ts";
import { Ranges } from "./ranges.ts";
import type { RuleSet } from "./rules.ts";
import { absent, codeLimit, codesOf, nameIndex, numberOf } from "./syscalls.ts";

/** A profile, read and merged, and what calls newer than it get (nothing special: undefined). */
export interface Policy {
  readonly rules: RuleSet;
  readonly outcomes: Outcomes;
  readonly newer: Leaf | undefined;
}

const x32Bit = 0x40000000;

/** Whether this is an architecture the kernel reports as another one, with a bit set in the number. */
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
  const foreign = policy.outcomes.leaves.action(actions.SCMP_ACT_KILL_PROCESS);
  const beyondX32 = x32 === undefined ? foreign : addCalls(ranges, x32, policy);
  ranges.add(x32 === undefined ? x32Bit : 0x80000000, x32 === undefined ? foreign : beyond);
  // Bit 31 makes no difference; it is bit 30 that tells x32 apart.
  ranges.add(0x80000000, beyond);
  ranges.add(0xc0000000, beyondX32);
  // Number -1 is a tracer's way to skip a call, and no call of x32.
  if (x32 === undefined) ranges.add(0xffffffff, 0);
  return ranges;
}

/** The calls of a table, and what is beyond the newest one the profile names. Returns what that is. */
function addCalls(ranges: Ranges, arch: Architecture, policy: Policy): Leaf {
  const { base, bits } = arch;
  const { byName, leaves } = policy.outcomes;
  const codes = codesOf(arch.table);
  const byCode = new Uint16Array(codeLimit);
  let newest = 0;
  for (let id = 0; id < byName.length; id++) {
    const outcome = byName[id] as number;
    if (outcome === 0) continue;
    const code = codes.charCodeAt(id);
    if (code === absent) continue;
    if (code > newest) newest = code;
    byCode[code] = outcome > 0 ? outcome - 1 : leaves.ofList(-1 - outcome, bits);
  }
  newest = Math.max(
    newest,
    addMultiplexed(byCode, "socketcall", arch.socketcall, arch, policy),
    addMultiplexed(byCode, "ipc", arch.ipc, arch, policy),
  );
  let last = -1;
  for (let code = 0; code <= newest; code++) {
    const leaf = byCode[code] as Leaf;
    if (leaf === last) continue;
    ranges.add(base + numberOf(code), leaf);
    last = leaf;
  }
  // As runc has it, a profile that names no call but number 0 doesn't know the architecture.
  const beyond = newest > 0 ? (policy.newer ?? 0) : 0;
  ranges.add(base + numberOf(newest) + 1, beyond);
  return beyond;
}

/** The checks of a multiplexer, unless the profile covers it wholly. Returns its number, or 0 if there are none. */
function addMultiplexed(
  byCode: Uint16Array,
  name: Multiplexer,
  number: number | undefined,
  { bits, base }: Architecture,
  { rules, outcomes: { byName, leaves } }: Policy,
): number {
  if (number === undefined || (byName[nameIndex().get(name) as number] as number) > 1) return 0;
  const list = multiplexedRules(rules, name);
  if (list.length === 0) return 0;
  byCode[number - base] = leaves.ofDecision(decide(list, bits), bits);
  return number - base;
}
