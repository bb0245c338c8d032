// Runs our program and libseccomp's on the same calls: every number there is, and arguments around each compared value.
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { interpret } from "../../../src/seccomp/interpret.ts";
import {
  type Architecture,
  actions,
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
}

export interface Difference extends Call {
  readonly ours: string;
  readonly theirs: string;
}

const ENOSYS = 0x50026;
const word = 0xffffffffffffffffn;

const placeNames = new Map([...namePlaces()].map(([name, place]) => [place, name]));

/** Numbers of an architecture by name, without those of the multiplexers' calls that have none. */
export function numbersOf(arch: string): ReadonlyMap<string, number> {
  const { table, base } = architectures[arch as keyof typeof architectures];
  const numbers = new Map<string, number>();
  for (const { base: offset, places } of callTables(table))
    for (let at = 0; at < places.length; at++) {
      const name = placeNames.get(places.charCodeAt(at));
      if (name !== undefined) numbers.set(name, base + offset + at);
    }
  return numbers;
}

/** Where both disagree. `except` names calls that have no common meaning. */
export function differences(
  profile: LinuxSeccomp,
  machine: Machine,
  except: (name: string) => boolean = () => false,
): Difference[] {
  const ours = compileSeccomp(profile, { arch: machine }).program;
  const theirs = oracle(profile, machine);
  const found: Difference[] = [];
  for (const call of callsFor(profile, machine)) {
    const name = nameOf(call);
    if (name !== undefined && (theirs.refused.has(name) || except(name))) continue;
    const mine = interpret(ours, call).value;
    const reference = stub(profile, machine, call) ? ENOSYS : interpret(theirs.program, call).value;
    if (mine !== reference) found.push({ ...call, ours: mine.toString(16), theirs: reference.toString(16) });
  }
  return found;
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
      yield { arch, audit, number, args: [] };
      const name = byNumber.get(number);
      const values = name === undefined ? undefined : conditional.get(name);
      if (values !== undefined) for (const args of combinations(values)) yield { arch, audit, number, args };
    }
  }
  yield { arch: "foreign", audit: 0xc00000f3, number: 0, args: [] };
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

function nameOf({ arch, number }: Call): string | undefined {
  if (arch === "foreign") return undefined;
  for (const [name, known] of numbersOf(arch)) if (known === number) return name;
  return undefined;
}

/** runc's rule for calls newer than the profile: numbers above the highest one it names, by architecture. */
function stub(profile: LinuxSeccomp, machine: Machine, { audit, number }: Call): boolean {
  if (["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(profile.defaultAction)) return false;
  const isX32 = audit === architectures.SCMP_ARCH_X86_64.audit && (number & 0x40000000) !== 0;
  const covered = [families[machine][0], ...(profile.architectures ?? [])];
  const arch = families[machine].find(
    (one) => architectures[one].audit === audit && (one === "SCMP_ARCH_X32") === isX32 && covered.includes(one),
  );
  if (arch === undefined) return false;
  const numbers = numbersOf(arch);
  const named = (profile.syscalls ?? []).flatMap(({ names }) => names);
  // Through a multiplexer, a call is named even where it has no number of its own.
  const through = (name: string) => ("multiplexes" in architectures[arch] ? (muxed.get(name) ?? name) : name);
  const newest = Math.max(
    architectures[arch].base,
    ...named.flatMap((name) => [numbers.get(name) ?? 0, numbers.get(through(name)) ?? 0]),
  );
  return newest > architectures[arch].base && number > newest;
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

/** Whether a return value lets the call happen. */
export function allows(value: number): boolean {
  return value === actions.SCMP_ACT_ALLOW;
}
