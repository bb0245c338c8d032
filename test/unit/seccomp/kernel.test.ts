// Our filters in the real kernel: a probe makes the calls, and what happens must be what the interpreter foretold.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileSeccomp } from "../../../src/seccomp/compile.ts";
import { interpreter } from "../../../src/seccomp/interpret.ts";
import { actions, architectures, type LinuxSeccomp, type LinuxSyscall } from "../../../src/seccomp/profile.ts";
import { numbersOf } from "./compare.ts";
import { readProfile } from "./fixtures.ts";

const x86 = process.arch === "x64";
const machine = x86 ? "x86_64" : "aarch64";
const native = x86 ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
const SIGSYS = 31;
const ENOSYS = 38;

interface Call {
  readonly arch: keyof typeof architectures;
  readonly name: string;
  readonly args: readonly bigint[];
}

let directory: string;
let probe: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "seccomp-kernel-"));
  probe = join(directory, "probe");
  execFileSync("gcc", ["-static", "-O1", "-o", probe, new URL("probe.c", import.meta.url).pathname]);
});

afterAll(() => rmSync(directory, { recursive: true }));

/** Makes calls under a filter; one answer for each. */
function run(program: Uint8Array, calls: readonly Call[]): string[] {
  const filter = join(directory, "filter");
  writeFileSync(filter, program);
  const input = calls.map(({ arch, args, name }) =>
    [
      arch === "SCMP_ARCH_X86" ? 32 : 64,
      numberOf(arch, name),
      ...Array.from({ length: 6 }, (_, i) => args[i] ?? 0n),
    ].join(" "),
  );
  return execFileSync(probe, [filter], { input: `${input.join("\n")}\n`, encoding: "utf8" })
    .trimEnd()
    .split("\n");
}

function numberOf(arch: string, name: string): number {
  const number = name.startsWith("#") ? Number(name.slice(1)) : numbersOf(arch).get(name);
  if (number === undefined) throw new Error(`${name} is no call of ${arch}`);
  return number;
}

/** What the interpreter says will happen, in the probe's words; a call that is let through may return anything else. */
function foretold(program: Uint8Array, { arch, name, args }: Call, seen: string): string {
  const width = arch === "SCMP_ARCH_X86" ? 32 : 64;
  const { value } = interpreter(program)({
    number: numberOf(arch, name),
    audit: architectures[arch].audit,
    args: args.map((arg) => BigInt.asUintN(width, arg)),
  });
  switch ((value & 0xffff0000) >>> 0) {
    case actions.SCMP_ACT_ERRNO:
      return `return -${value & 0xffff}`;
    case actions.SCMP_ACT_KILL_PROCESS:
    case actions.SCMP_ACT_KILL_THREAD:
    case actions.SCMP_ACT_TRAP:
      return `signal ${SIGSYS}`;
    case actions.SCMP_ACT_TRACE:
      return `return -${ENOSYS}`;
    default:
      // No call of these tests fails by itself with an errno that the profiles use.
      return seen.startsWith("return ") && !/-(1\d\d\d)$/.test(seen) ? seen : "let through";
  }
}

function check(profile: LinuxSeccomp, calls: readonly Call[]): void {
  const { program } = compileSeccomp(profile, { arch: machine });
  const seen = run(program, calls);
  expect(seen).toHaveLength(calls.length);
  expect(seen).toEqual(calls.map((call, i) => foretold(program, call, seen[i] ?? "")));
}

// Calls without arguments: the kernel ignores what is in the registers, a filter doesn't.
const harmless = "getppid getuid geteuid getgid getegid gettid sched_yield".split(" ");
const operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const corners = [0n, 1n, 1n << 31n, 1n << 32n, (1n << 32n) + 1n, 1n << 63n, (1n << 64n) - 1n];

describe("filters in the kernel", { timeout: 60_000 }, () => {
  test.each(corners)("compare with %i by every operator", (value) => {
    const syscalls: LinuxSyscall[] = operators.map((op, i) => ({
      names: [harmless[i] as string],
      action: "SCMP_ACT_ERRNO",
      errnoRet: 1000 + i,
      args: [{ index: i % 6, op: `SCMP_CMP_${op}`, value, valueTwo: value & 0xffff0000ffffn }],
    }));
    const arches = x86 ? ([native, "SCMP_ARCH_X86", "SCMP_ARCH_X32"] as const) : ([native] as const);
    const calls = arches.flatMap((arch) =>
      operators.flatMap((_, i) =>
        [...corners, value - 1n, value + 1n, ~value].map((arg) => ({
          arch,
          name: harmless[i] as string,
          args: Array.from({ length: 6 }, (_, index) => (index === i % 6 ? BigInt.asUintN(64, arg) : 5n)),
        })),
      ),
    );
    check({ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"], syscalls }, calls);
  });

  test("carry out every action", () => {
    const kinds = ["KILL", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "LOG", "ALLOW"];
    const syscalls = kinds.map((kind, i) => ({
      names: [harmless[i] as string],
      action: `SCMP_ACT_${kind}`,
      ...(kind === "ERRNO" ? { errnoRet: 1234 } : {}),
    }));
    const calls = harmless.map((name) => ({ arch: native, name, args: [] }) as const);
    check({ defaultAction: "SCMP_ACT_LOG", syscalls }, calls);
  });

  test("deny everything, even the end", () => {
    const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_KILL_PROCESS" }, { arch: machine });
    expect(run(program, [{ arch: native, name: "getppid", args: [] }])).toEqual([`signal ${SIGSYS}`]);
    const refuse = { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1001 };
    check(refuse, [{ arch: native, name: "getppid", args: [] }]);
  });

  test.skipIf(!x86)("kill other architectures' calls that the profile doesn't cover", () => {
    const calls = (["SCMP_ARCH_X86", "SCMP_ARCH_X32"] as const).map((arch) => ({ arch, name: "getppid", args: [] }));
    const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW" }, { arch: machine });
    expect(run(program, calls)).toEqual([`signal ${SIGSYS}`, `signal ${SIGSYS}`]);
  });

  test("answer ENOSYS to calls newer than the profile", () => {
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1001,
      syscalls: [{ names: ["openat2", "exit_group"], action: "SCMP_ACT_ALLOW" }],
    };
    const { program } = compileSeccomp(profile, { arch: machine });
    const names = ["getppid", "futex_waitv", "#5000"];
    const calls = names.map((name) => ({ arch: native, name, args: [] }) as const);
    expect(run(program, calls)).toEqual(["return -1001", `return -${ENOSYS}`, `return -${ENOSYS}`]);
  });

  test.skipIf(!x86)("of engines let the everyday pass and stop the rest", () => {
    for (const engine of ["podman", "docker", "containerd"]) {
      const calls: Call[] = [
        { arch: native, name: "getppid", args: [] },
        { arch: native, name: "personality", args: [0xffffffffn] },
        { arch: native, name: "personality", args: [0x1234n] },
        { arch: native, name: "kexec_load", args: [] },
        { arch: native, name: "swapoff", args: [] },
        { arch: native, name: "clone", args: [0x10000000n] },
        { arch: "SCMP_ARCH_X86", name: "getppid", args: [] },
        { arch: "SCMP_ARCH_X86", name: "swapoff", args: [] },
        { arch: "SCMP_ARCH_X32", name: "swapoff", args: [] },
      ];
      check(readProfile(engine), calls);
    }
  });
});
