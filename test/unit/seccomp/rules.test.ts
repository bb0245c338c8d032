// What a profile may not say, and how we say so; flags, notification, names that are no calls.
import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/errors.ts";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { interpret } from "../../../src/seccomp/interpret.ts";
import { actions, architectures, type LinuxSeccomp, type LinuxSyscall } from "../../../src/seccomp/profile.ts";

const compile = (profile: object): ReturnType<typeof compileSeccomp> =>
  compileSeccomp(profile as LinuxSeccomp, { arch: "x86_64" });
const allowAll = { defaultAction: "SCMP_ACT_ALLOW" };
const withRule = (rule: object) => ({
  ...allowAll,
  syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO", ...rule }],
});
const withArg = (arg: object) => withRule({ args: [{ index: 0, op: "SCMP_CMP_EQ", value: 1, ...arg }] });

const mistakes: readonly (readonly [profile: object, at: string, message: string])[] = [
  [{}, "/defaultAction", "defaultAction is missing"],
  [{ defaultAction: "" }, "/defaultAction", "defaultAction is missing"],
  [{ defaultAction: "SCMP_ACT_MAYBE" }, "/defaultAction", 'unknown action "SCMP_ACT_MAYBE"'],
  [{ defaultAction: "toString" }, "/defaultAction", 'unknown action "toString"'],
  [{ defaultAction: "SCMP_ACT_NOTIFY" }, "/defaultAction", "SCMP_ACT_NOTIFY cannot be the default action"],
  [
    { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4096 },
    "/defaultErrnoRet",
    "defaultErrnoRet 4096 is not between 0 and 4095",
  ],
  [withRule({ action: "SCMP_ACT_NO" }), "/syscalls/0/action", 'unknown action "SCMP_ACT_NO"'],
  [withRule({ action: undefined }), "/syscalls/0/action", "action is missing"],
  [withRule({ errnoRet: 5000 }), "/syscalls/0/errnoRet", "errnoRet 5000 is not between 0 and 4095"],
  [
    withRule({ action: "SCMP_ACT_TRACE", errnoRet: 65536 }),
    "/syscalls/0/errnoRet",
    "errnoRet 65536 is not between 0 and 65535",
  ],
  [withRule({ names: undefined }), "/syscalls/0/names", "a rule names no system calls"],
  [withArg({ index: 6 }), "/syscalls/0/args/0/index", "argument index 6 is not between 0 and 5"],
  [withArg({ op: "SCMP_CMP_LIKE" }), "/syscalls/0/args/0/op", 'unknown operator "SCMP_CMP_LIKE"'],
  [withArg({ value: -1 }), "/syscalls/0/args/0/value", "-1 is not an unsigned 64-bit integer"],
  [withArg({ value: 1n << 64n }), "/syscalls/0/args/0/value", "18446744073709551616 is not an unsigned 64-bit integer"],
  [
    withArg({ op: "SCMP_CMP_MASKED_EQ", valueTwo: 1.5 }),
    "/syscalls/0/args/0/valueTwo",
    "1.5 is not an unsigned 64-bit integer",
  ],
  [
    { ...allowAll, architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_PDP11"] },
    "/architectures/1",
    'unknown architecture "SCMP_ARCH_PDP11"',
  ],
  [
    { ...allowAll, architectures: ["SCMP_ARCH_S390X"] },
    "/architectures/0",
    "SCMP_ARCH_S390X has the other byte order than x86_64",
  ],
  [
    { ...allowAll, flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_FAST"] },
    "/flags/1",
    'unknown flag "SECCOMP_FILTER_FLAG_FAST"',
  ],
  [{ ...allowAll, listenerMetadata: "m" }, "/listenerMetadata", "listenerMetadata needs listenerPath"],
  [withRule({ action: "SCMP_ACT_NOTIFY" }), "/listenerPath", "SCMP_ACT_NOTIFY needs listenerPath"],
  [
    { ...withRule({ names: ["close", "write"], action: "SCMP_ACT_NOTIFY" }), listenerPath: "/l" },
    "/syscalls/0/names",
    "SCMP_ACT_NOTIFY cannot be used for write",
  ],
  [
    {
      ...allowAll,
      syscalls: ["SCMP_ACT_LOG", "SCMP_ACT_TRAP"].map((action) => ({
        names: ["read"],
        action,
        args: [{ index: 1, op: "SCMP_CMP_LT", value: 7 }],
      })),
    },
    "/syscalls/1",
    "a rule for read contradicts rule 0, which has the same conditions",
  ],
];

describe("a profile's mistakes", () => {
  test.each(mistakes.map(([profile, at, message]) => ({ profile, at, message })))("$at: $message", (mistake) => {
    const { profile, at, message } = mistake;
    let thrown: unknown;
    try {
      compile(profile);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(UserError);
    expect(thrown).toMatchObject({ message: `seccomp: ${message}`, at: `/linux/seccomp${at}` });
  });
});

describe("flags", () => {
  test.each([
    [undefined, 4],
    [null, 4],
    [[], 0],
    [["SECCOMP_FILTER_FLAG_TSYNC"], 0],
    [["SECCOMP_FILTER_FLAG_LOG"], 2],
    [["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], 6],
    [["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], 0],
  ])("%j are %i to the kernel", (flags, bits) => {
    expect(compile({ ...allowAll, flags }).flagBits).toBe(bits);
  });

  test("of a profile that notifies ask for a listener", () => {
    const notifying = { ...withRule({ action: "SCMP_ACT_NOTIFY" }), listenerPath: "/l", listenerMetadata: "m" };
    expect(compile(notifying)).toMatchObject({ notify: true, flagBits: 12 });
    const flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"];
    expect(compile({ ...notifying, flags })).toMatchObject({ notify: true, flagBits: 40, flags });
    expect(compile(allowAll).notify).toBe(false);
  });
});

describe("rules", () => {
  const { audit } = architectures.SCMP_ARCH_X86_64;
  const outcome = (
    syscalls: readonly LinuxSyscall[],
    args: readonly bigint[],
    number = 0,
    byDefault = "SCMP_ACT_LOG",
  ) => interpret(compile({ defaultAction: byDefault, syscalls }).program, { number, audit, args }).value;

  test("for names that are no calls are skipped and reported", () => {
    const { skipped } = compile(withRule({ names: ["read", "toString", "__proto__", "s390_pci_mmio_read"] }));
    expect(skipped).toEqual(["toString", "__proto__", "s390_pci_mmio_read"]);
  });

  test("with the same argument twice are asked one by one", () => {
    const args = [3, 5].map((value) => ({ index: 2, op: "SCMP_CMP_EQ", value }));
    const rule = { names: ["read"], action: "SCMP_ACT_ALLOW", args };
    expect(outcome([rule], [0n, 0n, 5n])).toBe(actions.SCMP_ACT_ALLOW);
    expect(outcome([rule], [0n, 0n, 4n])).toBe(actions.SCMP_ACT_LOG);
  });

  test("without conditions win over all others, the first of them over the rest", () => {
    const condition = { index: 0, op: "SCMP_CMP_EQ", value: 1 };
    const trap = { names: ["read"], action: "SCMP_ACT_TRAP", args: [condition] };
    const plain = ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL"].map((action) => ({ names: ["read"], action }));
    expect(outcome([trap, ...plain], [1n])).toBe(actions.SCMP_ACT_ALLOW);
    expect(outcome([...plain, trap], [1n])).toBe(actions.SCMP_ACT_ALLOW);
  });

  test("take errnoRet, or EPERM", () => {
    const errno = { names: ["read"], action: "SCMP_ACT_ERRNO" };
    expect(outcome([errno], [])).toBe(actions.SCMP_ACT_ERRNO + 1);
    expect(outcome([{ ...errno, errnoRet: 38 }], [])).toBe(actions.SCMP_ACT_ERRNO + 38);
    expect(outcome([{ ...errno, errnoRet: 0 }], [])).toBe(actions.SCMP_ACT_ERRNO);
  });

  test("that repeat the default action change nothing but what is newer than the profile", () => {
    const errno = (name: string) => ({ names: [name], action: "SCMP_ACT_ERRNO" });
    const rules = [errno("close"), { names: ["read"], action: "SCMP_ACT_ALLOW" }];
    expect(outcome(rules, [], 2, "SCMP_ACT_ERRNO")).toBe(actions.SCMP_ACT_ERRNO + 1);
    expect(outcome(rules, [], 3, "SCMP_ACT_ERRNO")).toBe(actions.SCMP_ACT_ERRNO + 1);
    expect(outcome(rules, [], 4, "SCMP_ACT_ERRNO")).toBe(actions.SCMP_ACT_ERRNO + 38);
  });

  test("with a foreign architecture of the same byte order in the profile are compiled without it", () => {
    const arches = { ...allowAll, architectures: ["SCMP_ARCH_RISCV64", "SCMP_ARCH_AARCH64"] };
    expect(compile(arches).program).toEqual(compile(allowAll).program);
  });
});
