// Generated profiles: whatever a profile says, libseccomp and we must agree on every call.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { explainSyscall } from "../../../src/seccomp/explain.ts";
import { interpreter } from "../../../src/seccomp/interpret.ts";
import { actions, type LinuxSeccomp, type LinuxSeccompArg, type LinuxSyscall } from "../../../src/seccomp/profile.ts";
import { type Call, callsFor, differences, multiplexerOf } from "./compare.ts";

// Calls of every kind: common, missing on some architectures, multiplexed on x86, x32's own, ARM's own, the newest.
const names =
  "read open close personality clone socket socketcall accept recv ipc semop shmat semget ioctl execve ptrace " +
  "stat64 _llseek time64 clock_gettime64 rt_sigaction preadv process_vm_readv set_tls cacheflush breakpoint tuxcall " +
  "openat mount keyctl futex_waitv set_mempolicy_home_node no_such_call s390_runtime_instr";

const value = fc.oneof(
  fc.constantFrom(0n, 1n, 5n, 7n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 32n, (1n << 32n) + 5n, 1n << 63n),
  fc.constantFrom((1n << 64n) - 1n, 0xffffffff00000000n, 0x7e020000n, 16n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

const equalities = ["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"];
const operators = [...equalities, "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GE", "SCMP_CMP_GT"];

const condition = (ops: readonly string[]): fc.Arbitrary<LinuxSeccompArg> =>
  fc.record({
    index: fc.integer({ min: 0, max: 5 }),
    op: fc.constantFrom(...ops),
    value,
    valueTwo: value,
  });

const entry = (actions: readonly string[], ops: readonly string[]): fc.Arbitrary<LinuxSyscall> =>
  fc.record(
    {
      names: fc.subarray(names.split(" "), { minLength: 1, maxLength: 6 }),
      action: fc.constantFrom(...actions),
      errnoRet: fc.integer({ min: 0, max: 4095 }),
      args: fc.array(condition(ops), { maxLength: 3 }),
    },
    { requiredKeys: ["names", "action"] },
  );

const profile = (
  defaults: readonly string[],
  actions: readonly string[],
  ops: readonly string[],
): fc.Arbitrary<LinuxSeccomp> =>
  fc.record({
    defaultAction: fc.constantFrom(...defaults),
    architectures: fc.subarray(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    listenerPath: fc.constant("/run/listener"),
    syscalls: fc.array(entry(actions, ops), { maxLength: 12 }),
  });

const everyAction =
  "SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP SCMP_ACT_ERRNO SCMP_ACT_TRACE SCMP_ACT_ALLOW SCMP_ACT_LOG".split(
    " ",
  );

const options = { seed: 20260101, numRuns: 60 };

/**
 * Calls for which libseccomp 2.5 doesn't do what the rules say. When two rules look at the same argument and not both
 * ask for equality, it loses one or mixes up the halves of 64-bit arguments ("arg <= 0 or arg <= 2^32" refuses 2^31,
 * say). When one of them looks at a second argument too and that one fails, the next rule may be asked with the wrong
 * word loaded.
 */
function unsound({ syscalls = [] }: LinuxSeccomp): (name: string, arch: string) => boolean {
  const looks = new Map<string, { readonly alone: boolean; readonly equality: boolean }[]>();
  const wide = new Set<string>();
  const narrow = new Set<string>();
  for (const { names: list, args = [] } of syscalls)
    for (const name of list.map(multiplexerOf))
      for (const { index, op } of args) {
        const alone = args.every((other) => other.index === index);
        const all = [...(looks.get(`${name} ${index}`) ?? []), { alone, equality: equalities.includes(op) }];
        looks.set(`${name} ${index}`, all);
        if (all.length > 1 && all.some((one) => !one.alone)) narrow.add(name);
        if (all.length > 1 && all.some((one) => !one.alone || !one.equality)) wide.add(name);
      }
  return (name, arch) =>
    (arch === "SCMP_ARCH_X86_64" || arch === "SCMP_ARCH_AARCH64" ? wide : narrow).has(multiplexerOf(name));
}

/** What rules with one action mean, read off the profile: any that matches. */
function meaning(profile: LinuxSeccomp, { name, args, arch }: Call): boolean {
  const bits = arch === "SCMP_ARCH_X86_64" ? 64 : 32;
  return (profile.syscalls ?? []).some((rule) => {
    if (name === undefined || !rule.names.includes(name)) return false;
    const list = rule.args ?? [];
    const repeated = new Set(list.map(({ index }) => index)).size < list.length;
    const matches = (arg: LinuxSeccompArg) => compare(arg, BigInt.asUintN(bits, args[arg.index] ?? 0n), bits);
    return repeated ? list.some(matches) : list.every(matches);
  });
}

function compare({ op, value: first, valueTwo = 0n }: LinuxSeccompArg, arg: bigint, bits: number): boolean {
  const one = BigInt.asUintN(bits, BigInt(first));
  const two = BigInt.asUintN(bits, BigInt(valueTwo));
  switch (op) {
    case "SCMP_CMP_NE":
      return arg !== one;
    case "SCMP_CMP_LT":
      return arg < one;
    case "SCMP_CMP_LE":
      return arg <= one;
    case "SCMP_CMP_GE":
      return arg >= one;
    case "SCMP_CMP_GT":
      return arg > one;
    case "SCMP_CMP_EQ":
      return arg === one;
    default:
      return (arg & one) === (two & one);
  }
}

/** Calls behind socketcall(2) and ipc(2), and those themselves: rules for one concern the others. */
function isMultiplexed(name: string): boolean {
  return multiplexerOf(name) !== name || ["socketcall", "ipc"].includes(name);
}

describe("generated profiles", { timeout: 60_000 }, () => {
  const oneAction = profile(["SCMP_ACT_LOG"], ["SCMP_ACT_ALLOW"], operators);
  const allActions = profile(everyAction, [...everyAction, "SCMP_ACT_NOTIFY"], operators);

  test.each(["SCMP_ACT_ERRNO", "SCMP_ACT_LOG"])("with one action besides %s decide as libseccomp's do", (byDefault) => {
    fc.assert(
      fc.property(profile([byDefault], ["SCMP_ACT_ALLOW"], operators), (generated) => {
        expect(differences(generated, "x86_64", unsound(generated))).toEqual([]);
      }),
      options,
    );
  });

  test("with every action and equalities decide as libseccomp's do", () => {
    fc.assert(
      fc.property(profile(everyAction, [...everyAction, "SCMP_ACT_NOTIFY"], equalities), (generated) => {
        expect(differences(generated, "x86_64", unsound(generated))).toEqual([]);
      }),
      options,
    );
  });

  test("with every action and operator decide as libseccomp's do", () => {
    fc.assert(
      fc.property(allActions, (generated) => {
        expect(differences(generated, "x86_64", unsound(generated))).toEqual([]);
      }),
      options,
    );
  });

  test("for aarch64 decide as libseccomp's do", () => {
    fc.assert(
      fc.property(allActions, (generated) => {
        const arm = { ...generated, architectures: ["SCMP_ARCH_ARM"] };
        expect(differences(arm, "aarch64", unsound(generated))).toEqual([]);
      }),
      options,
    );
  });

  test("mean what their rules say, where libseccomp doesn't either", () => {
    fc.assert(
      fc.property(oneAction, (generated) => {
        const run = interpreter(compileSeccomp(generated, { arch: "x86_64" }).program);
        const covered = ["SCMP_ARCH_X86_64", ...(generated.architectures ?? [])];
        for (const call of callsFor(generated, "x86_64")) {
          if (!covered.includes(call.arch) || call.name === undefined || isMultiplexed(call.name)) continue;
          const value = meaning(generated, call) ? actions.SCMP_ACT_ALLOW : actions.SCMP_ACT_LOG;
          if (run(call).value !== value) expect({ call, allowed: value }).toBeUndefined();
        }
      }),
      options,
    );
  });

  test("are explained as they are compiled", () => {
    fc.assert(
      fc.property(allActions, (generated) => {
        const program = compileUnlessContradicting(generated);
        if (program === undefined) return;
        const covered = ["SCMP_ARCH_X86_64", ...(generated.architectures ?? [])];
        const calls = [...callsFor(generated, "x86_64")].filter(
          ({ arch, args, name }) => covered.includes(arch) && name !== undefined && args.length > 0,
        );
        for (const call of calls.filter((_, i) => i % Math.ceil(calls.length / 50) === 0)) {
          if (call.name === undefined || isMultiplexed(call.name)) continue;
          const question = { arch: "x86_64", syscall: call.name, args: call.args } as const;
          const answer = explainSyscall(generated, question).explanations.find((one) => one.architecture === call.arch);
          expect(answer?.verdicts[0]?.value).toBe(interpreter(program)(call).value);
        }
      }),
      options,
    );
  });
});

/** The program, or none where rules contradict each other. */
function compileUnlessContradicting(generated: LinuxSeccomp): Uint8Array | undefined {
  try {
    return compileSeccomp(generated, { arch: "x86_64" }).program;
  } catch (error) {
    expect(String(error)).toContain("contradicts");
    return undefined;
  }
}
