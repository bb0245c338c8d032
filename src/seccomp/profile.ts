// The seccomp section of an OCI config, as runtime-spec 1.3 words it, and what its names mean to the kernel.
// Source of the numbers: include/uapi/linux/seccomp.h and audit.h of the kernel.

import type { Seccomp, SeccompArg, SeccompRule } from "../spec/config.ts";

/** A 64-bit unsigned integer: a number while it is exact, a bigint beyond 2^53. */
export type Uint64 = number | bigint;

/** The same fields with any words: a profile is also read from a file of its own, which nothing has checked before. */
type Unchecked<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Unchecked<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Unchecked<T[Key]> }
      : T;

/** `linux.seccomp` of config.json. */
export type LinuxSeccomp = Unchecked<Seccomp>;
/** One rule: what happens to these calls, if the conditions hold. */
export type LinuxSyscall = Unchecked<SeccompRule>;
/** One condition on an argument. */
export type LinuxSeccompArg = Unchecked<SeccompArg>;

/** What a filter returns for each action; ERRNO and TRACE carry 16 bits of data. */
export const actions = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
} as const satisfies Readonly<Record<string, number>>;

/** Comparisons, numbered for rules.ts; MASKED_EQ's first value is the mask. */
export const operators = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
} as const;

/** Flags of seccomp(2) a profile may ask for. */
export const filterFlags = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
} as const;

export type SeccompFlag = keyof typeof filterFlags;

/** Asks the kernel for a listener descriptor; not a profile's to set, it follows from SCMP_ACT_NOTIFY. */
export const newListenerFlag = 8;

export interface Architecture {
  /** Key of its table in tables.generated.ts or tables-foreign.generated.ts */
  readonly table: string;
  /** What the kernel reports in `seccomp_data.arch` */
  readonly audit: number;
  /** Width of an argument as rules see it; x32 has 32, as libseccomp has it */
  readonly bits: 32 | 64;
  /** Added to the table's numbers */
  readonly base: number;
  /** Whether socketcall(2) and ipc(2) stand for many calls (multiplex.ts) */
  readonly multiplexes?: true;
}

/** The architectures a kernel of ours can report. The audit numbers are AUDIT_ARCH_* of linux/audit.h. */
export const architectures = {
  SCMP_ARCH_X86_64: { table: "x86_64", audit: 0xc000003e, bits: 64, base: 0 },
  SCMP_ARCH_X86: { table: "x86", audit: 0x40000003, bits: 32, base: 0, multiplexes: true },
  SCMP_ARCH_X32: { table: "x32", audit: 0xc000003e, bits: 32, base: 0x40000000 },
  SCMP_ARCH_AARCH64: { table: "aarch64", audit: 0xc00000b7, bits: 64, base: 0 },
  SCMP_ARCH_ARM: { table: "arm", audit: 0x40000028, bits: 32, base: 0 },
} as const satisfies Readonly<Record<string, Architecture>>;

/** What each machine's kernel can run: its own architecture first. */
export const families = {
  x86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  aarch64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
} as const satisfies Readonly<Record<string, readonly (keyof typeof architectures)[]>>;

export type Machine = keyof typeof families;

/**
 * The spec's other architectures (described in foreign.ts). Our kernels never report them, so a filter needs no code
 * for them; those of the other byte order are refused, as libseccomp refuses them.
 */
export const foreignLittleEndian =
  "SCMP_ARCH_LOONGARCH64 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_PPC64LE " +
  "SCMP_ARCH_RISCV64 SCMP_ARCH_SH";
export const foreignBigEndian =
  "SCMP_ARCH_M68K SCMP_ARCH_MIPS SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32 SCMP_ARCH_PARISC SCMP_ARCH_PARISC64 " +
  "SCMP_ARCH_PPC SCMP_ARCH_PPC64 SCMP_ARCH_S390 SCMP_ARCH_S390X SCMP_ARCH_SHEB";
