// Runs our program and libseccomp's on the same calls: every number there is, and arguments around each compared value.
import { UserError } from "../../../src/errors.ts";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { interpreter } from "../../../src/seccomp/interpret.ts";
import {
  type Architecture,
  architectures,
  families,
  type LinuxSeccomp,
  type Machine,
} from "../../../src/seccomp/profile.ts";
import { callTables, namePlaces } from "../../../src/seccomp/syscalls.ts";
import { oracle } from "./libseccomp.ts";

export interface Call {
  readonly arch: string;
  readonly audit: number;
  readonly number: number;
  readonly args: readonly bigint[];
  readonly name: string | undefined;
}

export interface Difference extends Call {
  readonly ours: string;
  readonly theirs: string;
}

const ENOSYS = 0x50026;
const word = 0xffffffffffffffffn;

const tables = new Map<string, ReadonlyMap<string, number>>();
const placeNames = new Map(
  Object.entries(namePlaces())
    .reverse()
    .map(([name, place]) => [place, name]),
);

/** Numbers of an architecture by name, without those of the multiplexers' calls that have none. */
export function numbersOf(arch: string): ReadonlyMap<string, number> {
  const known = tables.get(arch);
  if (known !== undefined) return known;
  const { table, base } = architectures[arch as keyof typeof architectures];
  const numbers = new Map<string, number>();
  for (const { base: offset, places } of callTables(table))
    for (let at = 0; at < places.length; at++) {
      const name = placeNames.get(places[at] as number);
      if (name !== undefined) numbers.set(name, base + offset + at);
    }
  tables.set(arch, numbers);
  return numbers;
}

/**
 * Where both disagree. Left out is what libseccomp refuses (for that runc would refuse the profile), and `except`.
 * A profile we refuse must be one it refuses, too.
 */
export function differences(
  profile: LinuxSeccomp,
  machine: Machine,
  except: (name: string, arch: string) => boolean = () => false,
): Difference[] {
  const theirs = oracle(profile, machine);
  const ours = compileUnlessContradicting(profile, machine, theirs.refused);
  const isNew = stub(profile, machine);
  const found: Difference[] = [];
  const refused = new Set([...theirs.refused].flatMap((name) => [name, muxed.get(name) ?? name]));
  if (ours === undefined) return found;
  const runOurs = interpreter(ours);
  const runTheirs = interpreter(theirs.program);
  for (const call of callsFor(profile, machine)) {
    if (call.name !== undefined && (refused.has(call.name) || except(call.name, call.arch))) continue;
    const mine = runOurs(call).value;
    const reference = isNew(call) ? ENOSYS : runTheirs(call).value;
    if (mine !== reference) found.push({ ...call, ours: mine.toString(16), theirs: reference.toString(16) });
  }
  return found;
}

function compileUnlessContradicting(
  profile: LinuxSeccomp,
  machine: Machine,
  refused: ReadonlySet<string>,
): Uint8Array | undefined {
  try {
    return compileSeccomp(profile, { arch: machine }).program;
  } catch (error) {
    if (error instanceof UserError && error.message.includes("contradicts") && refused.size > 0) return undefined;
    throw error;
  }
}

/** The call that multiplexes this one on some architectures, or the call itself. */
export function multiplexerOf(name: string): string {
  return muxed.get(name) ?? name;
}

/** Every number of every architecture the machine can report, and some beyond; with arguments where they matter. */
export function* callsFor(profile: LinuxSeccomp, machine: Machine): Generator<Call> {
  const conditional = new Map<string, bigint[][]>();
  for (const { names, args } of profile.syscalls ?? [])
    for (const name of names)
      if (args !== undefined && args.length > 0) {
        const values = conditional.get(name) ?? Array.from({ length: 6 }, () => [0n]);
        for (const { index, value, valueTwo } of args)
          values[index] = [...(values[index] as bigint[]), ...around(BigInt(value)), ...around(BigInt(valueTwo ?? 0))];
        conditional.set(name, values);
      }
  for (const arch of families[machine]) {
    const { audit, base }: Architecture = architectures[arch];
    const numbers = numbersOf(arch);
    const byNumber = new Map([...numbers].map(([name, number]) => [number, name]));
    for (const number of interestingNumbers(base, byNumber.keys())) {
      const name = byNumber.get(number);
      yield { arch, audit, number, args: [], name };
      const values = name === undefined ? undefined : conditional.get(name);
      if (values !== undefined) for (const args of combinations(values)) yield { arch, audit, number, args, name };
    }
  }
  yield { arch: "foreign", audit: 0xc00000f3, number: 0, args: [], name: undefined };
}

function interestingNumbers(base: number, known: Iterable<number>): number[] {
  const numbers = new Set(known);
  for (let i = 0; i < 600; i++) numbers.add(base + i);
  for (const far of [0xeffff, 0xf0000, 0xf0007, 0x3fffffff, 0x40000000, 0x4000ffff, 0x7fffffff, 0x80000000])
    for (const number of [far, far + 1]) numbers.add(number);
  for (const number of [0xbfffffff, 0xc0000000, 0xc0000001, 0xfffffffe, 0xffffffff]) numbers.add(number);
  return [...numbers];
}

function around(value: bigint): bigint[] {
  return [
    value,
    value - 1n,
    value + 1n,
    value ^ (1n << 31n),
    value ^ (1n << 32n),
    value ^ (1n << 63n),
    ~value,
    value & 0xffffffffn,
    value | 0xffffffff00000000n,
    1n << 31n,
    1n << 32n,
    1n << 63n,
    word,
  ].map((one) => one & word);
}

/** All combinations of up to some hundred, else a regular sample that meets every value. */
function* combinations(values: readonly (readonly bigint[])[]): Generator<bigint[]> {
  const choices = values.map((list) => [...new Set(list)]);
  const all = choices.reduce((product, list) => product * list.length, 1);
  const step = Math.max(1, Math.floor(all / 400));
  for (let i = 0; i < all; i += step % 2 === 0 && step > 1 ? step + 1 : step) {
    let rest = i;
    yield choices.map((list) => {
      const value = list[rest % list.length] as bigint;
      rest = Math.floor(rest / list.length);
      return value;
    });
  }
}

/** runc's rule for calls newer than the profile: numbers above the highest one it names, by architecture. */
function stub(profile: LinuxSeccomp, machine: Machine): (call: Call) => boolean {
  if (["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(profile.defaultAction)) return () => false;
  const covered = [families[machine][0], ...(profile.architectures ?? [])];
  const names = (profile.syscalls ?? []).flatMap((entry) => entry.names);
  const newest = new Map<string, number>();
  for (const arch of families[machine].filter((one) => covered.includes(one))) {
    const numbers = numbersOf(arch);
    // Through a multiplexer, a call is named even where it has no number of its own.
    const through = (name: string) => ("multiplexes" in architectures[arch] ? (muxed.get(name) ?? name) : name);
    newest.set(
      arch,
      Math.max(...names.flatMap((name) => [numbers.get(name) ?? 0, numbers.get(through(name)) ?? 0]), 0),
    );
  }
  return ({ audit, number }) => {
    const x32 = audit === architectures.SCMP_ARCH_X86_64.audit && (number & 0x40000000) !== 0;
    const arch = [...newest.keys()].find(
      (one) => architectures[one as keyof typeof architectures].audit === audit && (one === "SCMP_ARCH_X32") === x32,
    );
    const limit = newest.get(arch ?? "") ?? 0;
    return limit > architectures[arch as keyof typeof architectures]?.base && number > limit;
  };
}

const muxed = new Map<string, string>([
  ..."socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown"
    .split(" ")
    .map((name) => [name, "socketcall"] as const),
  ..."setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
    .split(" ")
    .map((name) => [name, "socketcall"] as const),
  ..."semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl"
    .split(" ")
    .map((name) => [name, "ipc"] as const),
]);
