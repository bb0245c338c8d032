// Answers for people: which rule decides, how a program reads, what a number is called.
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { disassemble } from "../../../src/seccomp/disassemble.ts";
import { explainSyscall } from "../../../src/seccomp/explain.ts";
import { introducedIn, syscallName, syscallNumber } from "../../../src/seccomp/names.ts";
import { architectures } from "../../../src/seccomp/profile.ts";
import { readProfile } from "./fixtures.ts";

describe("explaining docker's profile", () => {
  const docker = readProfile("docker");
  const ask = (syscall: string, args?: readonly (number | bigint)[]) =>
    explainSyscall(docker, { arch: "x86_64", syscall, ...(args === undefined ? {} : { args }) });
  const native = (syscall: string, args?: readonly (number | bigint)[]) => ask(syscall, args).explanations[0];

  test("names the rule that allows a call", () => {
    expect(native("read")).toEqual({
      architecture: "SCMP_ARCH_X86_64",
      number: 0,
      verdicts: [expect.objectContaining({ action: "allow", reason: "rule", rule: 0, conditions: "" })],
    });
  });

  test("lists what depends on arguments, in the order it is asked", () => {
    const verdicts = native("clone")?.verdicts.map(({ action, reason, conditions }) => ({
      action,
      reason,
      conditions,
    }));
    expect(verdicts).toEqual([
      { action: "allow", reason: "rule", conditions: "arg0 & 0x7e020000 == 0x0" },
      { action: "errno 1 (EPERM)", reason: "default", conditions: "" },
    ]);
  });

  test("decides when the arguments are given", () => {
    expect(native("clone", [0x11])?.verdicts).toMatchObject([{ action: "allow", reason: "rule" }]);
    expect(native("clone", [0x10000000])?.verdicts).toMatchObject([{ action: "errno 1 (EPERM)", reason: "default" }]);
    expect(native("personality", [0xffffffffn])?.verdicts).toMatchObject([{ action: "allow" }]);
  });

  test("says that a call is newer than the profile", () => {
    expect(ask("mseal").introduced).toBe("6.10");
    expect(native("mseal")?.verdicts).toMatchObject([
      { action: "errno 38 (ENOSYS)", reason: "newer than the profile" },
    ]);
  });

  test("covers all of the profile's architectures, and foreign ones", () => {
    expect(ask("stat64").explanations.map(({ architecture, number }) => [architecture, number])).toEqual([
      ["SCMP_ARCH_X86_64", undefined],
      ["SCMP_ARCH_X86", 195],
      ["SCMP_ARCH_X32", undefined],
    ]);
    const everywhere = { ...docker, architectures: ["SCMP_ARCH_RISCV64", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_PPC64LE"] };
    const numbers = explainSyscall(everywhere, { arch: "x86_64", syscall: "openat" }).explanations;
    expect(numbers.map(({ number }) => number)).toEqual([257, 56, 4288, 286]);
    const elsewhere = explainSyscall(everywhere, { arch: "x86_64", syscall: "riscv_flush_icache" }).explanations;
    expect(elsewhere.map(({ number }) => number)).toEqual([undefined, 259, undefined, undefined]);
  });

  test("refuses what is no call anywhere", () => {
    expect(() => ask("frobnicate")).toThrow('seccomp: "frobnicate" is no system call');
  });
});

describe("a program as text", () => {
  test("has a line for each instruction", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        {
          names: ["getppid"],
          action: "SCMP_ACT_ERRNO",
          args: [
            { index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0xff00, valueTwo: 0x1200 },
            { index: 5, op: "SCMP_CMP_GT", value: 0x100000002 },
          ],
        },
      ],
    };
    expect(disassemble(compileSeccomp(profile, { arch: "aarch64" }).program)).toEqual([
      "   0  load architecture",
      "   1  if == 0xc00000b7 go to 3, else 2",
      "   2  return kill process",
      "   3  load system call number",
      "   4  if == 0xad go to 5, else 14",
      "   5  load arg0 low",
      "   6  and 0xff00",
      "   7  if == 0x1200 go to 8, else 14",
      "   8  load arg5 high",
      "   9  if > 0x1 go to 13, else 10",
      "  10  if == 0x1 go to 11, else 14",
      "  11  load arg5 low",
      "  12  if > 0x2 go to 13, else 14",
      "  13  return errno 1 (EPERM)",
      "  14  return allow",
    ]);
  });
});

describe("names", () => {
  test("of numbers, on every architecture of ours", () => {
    expect(syscallName(0xc000003e, 257)).toBe("openat");
    expect(syscallName(0xc000003e, 0x40000200)).toBe("rt_sigaction");
    expect(syscallName(0x40000003, 102)).toBe("socketcall");
    expect(syscallName(0x40000028, 0xf0002)).toBe("cacheflush");
    expect(syscallName(0xc00000b7, 56)).toBe("openat");
    expect(syscallName(0xc000003e, 400)).toBeUndefined();
    expect(syscallName(0xc000003e, 0xffffffff)).toBeUndefined();
  });

  test("have numbers, second names too", () => {
    expect(syscallNumber(architectures.SCMP_ARCH_ARM, "sync_file_range2")).toBe(341);
    expect(syscallNumber(architectures.SCMP_ARCH_X32, "ioctl")).toBe(0x40000202);
    expect(syscallNumber(architectures.SCMP_ARCH_AARCH64, "open")).toBeUndefined();
  });

  test("came with a kernel version", () => {
    expect(introducedIn("close_range")).toBe("5.9");
    expect(introducedIn("nothing")).toBeUndefined();
  });
});

test("the tables agree with this machine's libseccomp and kernel headers", () => {
  const tool = new URL("../../../tools/tables-seccomp.mjs", import.meta.url).pathname;
  expect(execFileSync(process.execPath, [tool, "--check"], { encoding: "utf8" })).toBe("");
});
