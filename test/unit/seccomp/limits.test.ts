// Big profiles: jumps longer than BPF's 255 instructions, and programs longer than the kernel's 4096.
import { describe, expect, test } from "vitest";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import type { LinuxSeccomp } from "../../../src/seccomp/profile.ts";
import { differences, numbersOf } from "./compare.ts";
import { resolve, tokens } from "./libseccomp.ts";

const names = [...numbersOf("SCMP_ARCH_X86_64").keys()].filter(
  (name) => resolve(name, tokens["SCMP_ARCH_X86_64"] as number) >= 0,
);

/** Every call gets conditions of its own and, in turn, one of some actions. */
function bigProfile(calls: number, errnos: number): LinuxSeccomp {
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: names.slice(0, calls).map((name, i) => ({
      names: [name],
      action: "SCMP_ACT_ERRNO",
      errnoRet: 1 + (i % errnos),
      args: [
        { index: 0, op: "SCMP_CMP_EQ", value: i },
        { index: 1, op: "SCMP_CMP_GT", value: 0x100000000 + i },
      ],
    })),
  };
}

describe("a big profile", () => {
  test.each([
    [60, 3],
    [120, 50],
    [200, 7],
  ])("of %i calls and %i actions decides as libseccomp does", { timeout: 60_000 }, (calls, errnos) => {
    const profile = bigProfile(calls, errnos);
    expect(compileSeccomp(profile, { arch: "x86_64" }).instructions).toBeGreaterThan(600);
    expect(differences(profile, "x86_64")).toEqual([]);
  });

  test("alternating actions need a return for each part of the tree", () => {
    const syscalls = names.map((name, i) => ({ names: [name], action: "SCMP_ACT_ERRNO", errnoRet: 1 + (i % 97) }));
    const profile = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"], syscalls };
    expect(differences(profile, "x86_64")).toEqual([]);
  });

  test("that the kernel would not take is refused, with the number of instructions", () => {
    const args = Array.from({ length: 6 }, (_, index) => ({ index, op: "SCMP_CMP_GT", value: 0x100000001 }));
    const syscalls = names.map((name, i) => ({ names: [name], action: "SCMP_ACT_ERRNO", errnoRet: i, args }));
    expect(() => compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls }, { arch: "x86_64" })).toThrow(
      /^seccomp: the profile needs \d{4,5} instructions, the kernel takes 4096$/,
    );
  });
});
