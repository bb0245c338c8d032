// An OCI seccomp profile becomes a classic BPF program: `linux.seccomp` in, struct sock_filter[] out.
//
//   load the architecture; for each one the profile covers, jump to its part; any other: kill the process
//   a part:  load the number, find its range in a decision tree, return the range's action
//            or, for calls with conditions on arguments, check those
//
// Semantics are those of runc with libseccomp (docs/seccomp.md says where we differ). No part of this touches the
// machine: what matters of it, its architecture, comes in as an option.
import { UserError } from "../errors.ts";
import { writeRules } from "./conditions.ts";
import { weightsOf } from "./frequent.ts";
import { firstBlock } from "./leaves.ts";
import { isX32, type Policy, rangesOf } from "./numbers.ts";
import { mergeRules } from "./outcomes.ts";
import {
  type Architecture,
  actions,
  architectures,
  families,
  filterFlags,
  foreignBigEndian,
  foreignLittleEndian,
  type LinuxSeccomp,
  type Machine,
  newListenerFlag,
  type SeccompFlag,
} from "./profile.ts";
import { jump, maxInstructions, newProgram, offsets, type Program } from "./program.ts";
import type { Ranges } from "./ranges.ts";
import { type RuleSet, readRules } from "./rules.ts";
import { writeTree } from "./tree.ts";

export interface CompileOptions {
  /** The architecture of the machine the filter is for */
  readonly arch: Machine;
}

/** A profile that has been read, and what is known before it is compiled. */
export interface PreparedFilter {
  /** The flags in the profile's words, and as seccomp(2) takes them (with NEW_LISTENER when `notify`) */
  readonly flags: readonly SeccompFlag[];
  readonly flagBits: number;
  /** Whether some rule notifies: the filter then needs a listener */
  readonly notify: boolean;
  /** @throws UserError for rules that contradict each other and a program that is too long */
  compile(): CompiledFilter;
}

export interface CompiledFilter {
  /** struct sock_filter[], little endian */
  readonly program: Uint8Array;
  readonly instructions: number;
  /** Names that are no system call on any of the filter's architectures */
  readonly skipped: readonly string[];
}

const ENOSYS = 38;
const killProcess = actions.SCMP_ACT_KILL_PROCESS;
const noSuchCall = actions.SCMP_ACT_ERRNO + ENOSYS;

/** Reads and compiles a profile for a machine, with the errors of both. */
export function compileSeccomp(profile: LinuxSeccomp, options: CompileOptions): PreparedFilter & CompiledFilter {
  const prepared = prepareSeccomp(profile, options);
  return { ...prepared, ...prepared.compile() };
}

/**
 * Reads a profile for a machine; compiling takes ten times as long, and can wait until init is at work.
 * @throws UserError for what readRules refuses and unknown architectures
 */
export function prepareSeccomp(profile: LinuxSeccomp, options: CompileOptions): PreparedFilter {
  const rules = readRules(profile);
  const arches = chooseArchitectures(profile.architectures, options.arch);
  return {
    flags: rules.flags,
    flagBits: numericFlags(rules),
    notify: rules.notify,
    compile: () => compileRules(rules, arches),
  };
}

function compileRules(rules: RuleSet, arches: readonly Architecture[]): CompiledFilter {
  const outcomes = mergeRules(rules);
  const newer = needsStub(rules.defaultAction) ? outcomes.leaves.action(noSuchCall) : undefined;
  const program = writeProgram(arches, { rules, outcomes, newer });
  if (program.length() > maxInstructions)
    throw new UserError(
      `seccomp: the profile needs ${program.length()} instructions, the kernel takes ${maxInstructions}`,
      {
        at: "/linux/seccomp",
      },
    );
  return {
    program: program.bytes(),
    instructions: program.length(),
    skipped: outcomes.skipped,
  };
}

/** The machine's own architecture and those of its family the profile names. */
function chooseArchitectures(wanted: readonly string[] | undefined, machine: Machine): readonly Architecture[] {
  const [native, ...others] = families[machine];
  const list = wanted ?? [];
  list.forEach((name, i) => {
    if (Object.hasOwn(architectures, name) || ` ${foreignLittleEndian} `.includes(` ${name} `)) return;
    const at = { at: `/linux/seccomp/architectures/${i}` };
    if (!` ${foreignBigEndian} `.includes(` ${name} `))
      throw new UserError(`seccomp: unknown architecture ${JSON.stringify(name)}`, at);
    throw new UserError(`seccomp: ${name} has the other byte order than ${machine}`, at);
  });
  const chosen: Architecture[] = [architectures[native]];
  for (const name of others) if (list.includes(name)) chosen.push(architectures[name]);
  return chosen;
}

function writeProgram(arches: readonly Architecture[], policy: Policy): Program {
  const { leaves } = policy.outcomes;
  const foreign = leaves.action(killProcess);
  const program = newProgram(leaves.actions);
  const blocks: (number | undefined)[] = [];
  // x32 has no part of its own: the kernel reports it as x86_64.
  const x32 = arches.find(isX32);
  const entries: (readonly [audit: number, entry: number])[] = [];
  for (const arch of arches.filter((one) => one !== x32).reverse()) {
    const ranges = rangesOf(arch, x32, policy);
    entries.push([arch.audit, writePart(program, ranges, weightsOf(ranges, arch.table), policy, blocks)]);
  }
  let next = program.return(foreign);
  for (const [audit, entry] of entries) next = program.branch(jump.equal, audit, entry, next);
  program.load(offsets.architecture);
  return program;
}

/** The tree of one architecture, and behind it the checks it needs. */
function writePart(
  program: Program,
  ranges: Ranges,
  weights: readonly number[] | undefined,
  { outcomes: { leaves } }: Policy,
  blocks: (number | undefined)[],
): number {
  for (const leaf of ranges.leaves) {
    const block = leaves.blocks[leaf - firstBlock];
    if (block === undefined || blocks[leaf - firstBlock] !== undefined) continue;
    blocks[leaf - firstBlock] = writeRules(program, block, leaves);
  }
  const root = writeTree(program, ranges, weights, (leaf) =>
    leaf < firstBlock ? program.return(leaf) : (blocks[leaf - firstBlock] as number),
  );
  if (ranges.leaves.length === 1) return root;
  program.goTo(root);
  return program.load(offsets.number);
}

/** Newer calls than the profile knows get ENOSYS, unless the profile lets unknown ones pass or hands them to a tracer. */
function needsStub(defaultAction: number): boolean {
  const kind = defaultAction & 0x7fff0000;
  return kind !== actions.SCMP_ACT_ALLOW && kind !== actions.SCMP_ACT_LOG && kind !== actions.SCMP_ACT_TRACE;
}

/** As seccomp(2) takes them. TSYNC means nothing for a process of one thread that is about to exec. */
function numericFlags({ flags, notify }: RuleSet): number {
  let bits = notify ? newListenerFlag : 0;
  for (const flag of flags) {
    if (flag === "SECCOMP_FILTER_FLAG_TSYNC") continue;
    // The kernel refuses it without a listener.
    if (flag === "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" && !notify) continue;
    bits |= filterFlags[flag];
  }
  return bits;
}
