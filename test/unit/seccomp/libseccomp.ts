// libseccomp as the oracle: builds a filter from a profile the way runc does and hands back its BPF.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, Machine } from "../../../src/seccomp/profile.ts";
import { actions } from "../../../src/seccomp/profile.ts";

const library = koffi.load("libseccomp.so.2");
const init = library.func("void *seccomp_init(uint32_t action)");
const release = library.func("void seccomp_release(void *ctx)");
const archAdd = library.func("int seccomp_arch_add(void *ctx, uint32_t token)");
const archRemove = library.func("int seccomp_arch_remove(void *ctx, uint32_t token)");
const attrSet = library.func("int seccomp_attr_set(void *ctx, int attr, uint32_t value)");
const ruleAdd = library.func(
  "int seccomp_rule_add_array(void *ctx, uint32_t action, int syscall, uint32_t count, const void *args)",
);
const exportBpf = library.func("int seccomp_export_bpf(void *ctx, int fd)");
const resolveName = library.func("int seccomp_syscall_resolve_name_arch(uint32_t token, const char *name)");

/** SCMP_ARCH_* */
export const tokens: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
};

const attributes = { badArch: 2, noNewPrivs: 3, optimize: 8 };
const operators = [
  "",
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];
const unknownSyscall = -1;

export interface OracleFilter {
  readonly program: Uint8Array;
  /** Names whose rules libseccomp refused */
  readonly refused: ReadonlySet<string>;
}

/** A name's number on an architecture, negative when it has none there; -1 when libseccomp never heard of it. */
export function resolve(name: string, token: number): number {
  return resolveName(token, name);
}

/** What runc does with libseccomp, but for the answer to foreign architectures, where we are stricter on purpose. */
export function oracle(profile: LinuxSeccomp, machine: Machine): OracleFilter {
  const byDefault = action(profile.defaultAction, profile.defaultErrnoRet);
  const ctx = init(byDefault);
  try {
    must(attrSet(ctx, attributes.badArch, actions.SCMP_ACT_KILL_PROCESS), "badarch");
    must(attrSet(ctx, attributes.noNewPrivs, 0), "nnp");
    const native = machine === "x86_64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
    for (const arch of new Set([native, ...(profile.architectures ?? [])]))
      if (arch !== "SCMP_ARCH_X86_64") must(archAdd(ctx, tokens[arch]), arch);
    if (machine !== "x86_64") must(archRemove(ctx, tokens["SCMP_ARCH_X86_64"]), "native");
    const calls = (profile.syscalls ?? []).flatMap((entry) => entry.names.map((name) => ({ name, entry })));
    const refused = new Set<string>();
    for (const { name, entry } of calls) if (!addRules(ctx, name, entry, byDefault)) refused.add(name);
    // runc asks for the tree from 33 calls on. Without it libseccomp 2.5 forgets to load the call's number on 32-bit
    // architectures when the first rule is for a call they lack, and everything gets the default action there.
    if (calls.length > 0) must(attrSet(ctx, attributes.optimize, 2), "optimize");
    return { program: exported(ctx), refused };
  } finally {
    release(ctx);
  }
}

function addRules(ctx: unknown, name: string, entry: LinuxSyscall, byDefault: number): boolean {
  const value = action(entry.action, entry.errnoRet);
  const number = resolve(name, tokens["SCMP_ARCH_X86_64"] as number);
  if (value === byDefault || number === unknownSyscall) return true;
  const args = entry.args ?? [];
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  const groups = repeated ? args.map((arg) => [arg]) : [args];
  return groups.every((group) => ruleAdd(ctx, value, number, group.length, comparisons(group)) === 0);
}

function comparisons(args: readonly LinuxSeccompArg[]): Buffer | null {
  if (args.length === 0) return null;
  const bytes = Buffer.alloc(24 * args.length);
  for (const [i, { index, op, value, valueTwo }] of args.entries()) {
    bytes.writeUInt32LE(index, 24 * i);
    bytes.writeUInt32LE(operators.indexOf(op), 24 * i + 4);
    bytes.writeBigUInt64LE(BigInt(value), 24 * i + 8);
    bytes.writeBigUInt64LE(BigInt(valueTwo ?? 0), 24 * i + 16);
  }
  return bytes;
}

function action(name: string, errnoRet: number | undefined): number {
  const value = actions[name as keyof typeof actions];
  return name === "SCMP_ACT_ERRNO" || name === "SCMP_ACT_TRACE" ? value + (errnoRet ?? 1) : value;
}

function exported(ctx: unknown): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "seccomp-oracle-"));
  const path = join(directory, "bpf");
  const fd = openSync(path, "w");
  try {
    must(exportBpf(ctx, fd), "export");
    return readFileSync(path);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
}

function must(rc: number, what: string): void {
  if (rc !== 0) throw new Error(`libseccomp: ${what}: ${rc}`);
}
