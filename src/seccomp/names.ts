// System calls as people name them: by number, and by the kernel version that brought them.
import { introduced } from "./introduced.generated.ts";
import { type Architecture, architectures } from "./profile.ts";
import { callTables, namePlaces } from "./syscalls.ts";

/**
 * The name of what a kernel reports in seccomp_data, a SIGSYS or an audit record.
 * @param audit AUDIT_ARCH_* of the call
 * @returns undefined for numbers the tables don't have
 */
export function syscallName(audit: number, number: number): string | undefined {
  for (const arch of Object.values<Architecture>(architectures)) {
    if (arch.audit !== audit) continue;
    for (const { base, places } of callTables(arch.table)) {
      const place = places[number - arch.base - base] ?? 0;
      if (place > 0) for (const [name, at] of Object.entries(namePlaces())) if (at === place) return name;
    }
  }
  return undefined;
}

/** A call's number on an architecture of ours, if it has it. */
export function syscallNumber({ table, base }: Architecture, name: string): number | undefined {
  const place = namePlaces()[name];
  if (place === undefined) return undefined;
  for (const { base: offset, places } of callTables(table)) {
    const at = places.indexOf(place);
    if (at >= 0) return base + offset + at;
  }
  return undefined;
}

/** The kernel version that brought a call, where it is known. */
export function introducedIn(name: string): string | undefined {
  return introduced.find(([, names]) => names.split(" ").includes(name))?.[0];
}
