// The architectures of the spec that kernels of ours never report: for explaining profiles only, no filter needs them.
import type { Architecture } from "./profile.ts";
import { namePlaces } from "./syscalls.ts";
import { foreignCalls, foreignNames } from "./tables-foreign.generated.ts";

export const foreignArchitectures: Readonly<Record<string, Architecture>> = {
  SCMP_ARCH_LOONGARCH64: { table: "loongarch64", audit: 0xc0000102, bits: 64, base: 0 },
  SCMP_ARCH_M68K: { table: "m68k", audit: 0x4, bits: 32, base: 0, multiplexes: true },
  SCMP_ARCH_MIPS: { table: "mips", audit: 0x8, bits: 32, base: 4000, multiplexes: true },
  SCMP_ARCH_MIPS64: { table: "mips64", audit: 0x80000008, bits: 64, base: 5000 },
  SCMP_ARCH_MIPS64N32: { table: "mips64n32", audit: 0xa0000008, bits: 32, base: 6000 },
  SCMP_ARCH_MIPSEL: { table: "mips", audit: 0x40000008, bits: 32, base: 4000, multiplexes: true },
  SCMP_ARCH_MIPSEL64: { table: "mips64", audit: 0xc0000008, bits: 64, base: 5000 },
  SCMP_ARCH_MIPSEL64N32: { table: "mips64n32", audit: 0xe0000008, bits: 32, base: 6000 },
  SCMP_ARCH_PARISC: { table: "parisc", audit: 0xf, bits: 32, base: 0 },
  SCMP_ARCH_PARISC64: { table: "parisc64", audit: 0x8000000f, bits: 64, base: 0 },
  SCMP_ARCH_PPC: { table: "ppc", audit: 0x14, bits: 32, base: 0, multiplexes: true },
  SCMP_ARCH_PPC64: { table: "ppc64", audit: 0x80000015, bits: 64, base: 0, multiplexes: true },
  SCMP_ARCH_PPC64LE: { table: "ppc64", audit: 0xc0000015, bits: 64, base: 0, multiplexes: true },
  SCMP_ARCH_RISCV64: { table: "riscv64", audit: 0xc00000f3, bits: 64, base: 0 },
  SCMP_ARCH_S390: { table: "s390", audit: 0x16, bits: 32, base: 0, multiplexes: true },
  SCMP_ARCH_S390X: { table: "s390x", audit: 0x80000016, bits: 64, base: 0, multiplexes: true },
  SCMP_ARCH_SH: { table: "sh", audit: 0x4000002a, bits: 32, base: 0, multiplexes: true },
  SCMP_ARCH_SHEB: { table: "sh", audit: 0x2a, bits: 32, base: 0, multiplexes: true },
};

/** Whether any architecture has a call of that name; those of ours included. */
export function isSyscallAnywhere(name: string): boolean {
  return placeOf(name) !== undefined;
}

/** A call's number on one of these architectures, if it has it. */
export function foreignNumber({ table, base }: Architecture, name: string): number | undefined {
  const at = foreignCalls[table as keyof typeof foreignCalls].indexOf(String.fromCharCode(placeOf(name) ?? 0));
  return placeOf(name) === undefined || at < 0 ? undefined : base + at;
}

/** The foreign names' places continue those of ours; a second name there may be a first one here. */
function placeOf(name: string): number | undefined {
  const list = foreignNames.split(" ");
  const own = Math.max(...Object.values(namePlaces()).map((place) => place ?? 0));
  return list.includes(name) ? own + 1 + list.indexOf(name) : namePlaces()[name];
}
