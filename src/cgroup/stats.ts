// What a container has used: the `data` of a statistics record of `events`, in runc's shape. What runc leaves out when
// it is 0 is left out here, too. Beyond runc: pressure on hybrid machines, and how often the kernel killed for memory.

import { type Count, parseKeyed, readIfThere } from "./counters.ts";

export interface Stats {
  readonly cpu: {
    /** Nanoseconds */
    readonly usage: {
      readonly total?: Count | undefined;
      readonly percpu?: readonly Count[] | undefined;
      readonly percpu_kernel?: readonly Count[] | undefined;
      readonly percpu_user?: readonly Count[] | undefined;
      readonly kernel: Count;
      readonly user: Count;
    };
    readonly throttling: {
      readonly periods?: Count | undefined;
      readonly throttledPeriods?: Count | undefined;
      readonly throttledTime?: Count | undefined;
    };
    readonly psi?: Pressure | undefined;
  };
  readonly cpuset: CpusetStats;
  readonly memory: {
    readonly cache?: Count | undefined;
    readonly usage: MemoryEntry;
    /** Memory and swap together, on v2 as well */
    readonly swap: MemoryEntry;
    readonly kernel: MemoryEntry;
    readonly kernelTCP: MemoryEntry;
    readonly raw?: Readonly<Record<string, Count>> | undefined;
    readonly psi?: Pressure | undefined;
    /** memory.events of v2; oom_kill and under_oom of v1 */
    readonly events?: Readonly<Record<string, Count>> | undefined;
  };
  readonly pids: { readonly current?: Count | undefined; readonly limit?: Count | undefined };
  readonly blkio: BlkioStats & { readonly psi?: Pressure | undefined };
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
  readonly intel_rdt: Readonly<Record<string, never>>;
  readonly network_interfaces: null;
}

export interface CpusetStats {
  readonly cpus?: readonly number[] | undefined;
  readonly cpu_exclusive: Count;
  readonly mems?: readonly number[] | undefined;
  readonly mem_hardwall: Count;
  readonly mem_exclusive: Count;
  readonly memory_migrate: Count;
  readonly memory_spread_page: Count;
  readonly memory_spread_slab: Count;
  readonly memory_pressure: Count;
  readonly sched_load_balance: Count;
  readonly sched_relax_domain_level: Count;
}

export interface MemoryEntry {
  readonly limit: Count;
  readonly usage?: Count | undefined;
  readonly max?: Count | undefined;
  readonly failcnt: Count;
}

export const noMemory: MemoryEntry = { limit: 0, failcnt: 0 };

export interface BlkioEntry {
  readonly major?: Count | undefined;
  readonly minor?: Count | undefined;
  readonly op?: string | undefined;
  readonly value?: Count | undefined;
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[];
  readonly ioServicedRecursive?: readonly BlkioEntry[];
  readonly ioQueueRecursive?: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[];
  readonly ioMergedRecursive?: readonly BlkioEntry[];
  readonly ioTimeRecursive?: readonly BlkioEntry[];
  readonly sectorsRecursive?: readonly BlkioEntry[];
}

export interface HugetlbStats {
  readonly usage?: Count | undefined;
  readonly max?: Count | undefined;
  readonly failcnt: Count;
}

/** Time lost by waiting for a resource, as shares of the last seconds and in total microseconds. */
export interface Pressure {
  readonly some: PressureLine;
  readonly full: PressureLine;
}

interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Count;
}

/** A pressure file (accounting/psi.rst): lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and "full ...". */
export function readPressure(path: string): Pressure | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : parsePressure(text);
}

export function parsePressure(text: string): Pressure {
  const line = (kind: string): PressureLine => {
    const fields = text.split("\n").find((candidate) => candidate.startsWith(`${kind} `)) ?? "";
    const average = (name: string): number => Number(new RegExp(`${name}=([0-9.]+)`).exec(fields)?.[1] ?? 0);
    const total = parseKeyed(fields.split(" ").join("\n")).get("total") ?? 0;
    return { avg10: average("avg10"), avg60: average("avg60"), avg300: average("avg300"), total };
  };
  return { some: line("some"), full: line("full") };
}
