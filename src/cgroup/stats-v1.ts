// Statistics from v1 hierarchies.

import { host } from "#host";
import {
  type Count,
  parseCount,
  parseKeyed,
  parseRanges,
  parseRow,
  readCount,
  readIfThere,
  times,
  unlessZero,
  unlimited,
} from "./counters.ts";
import type { CgroupDirectory } from "./record.ts";
import {
  type BlkioEntry,
  type BlkioStats,
  type CpusetStats,
  type HugetlbStats,
  type MemoryEntry,
  readPressure,
  type Stats,
} from "./stats.ts";

/** Nanoseconds of a clock tick: 1/100 s for programs, whatever the kernel's own HZ is. */
const tick = 10_000_000;

export function statsV1(directories: readonly CgroupDirectory[]): Stats {
  /** A file of the container's cgroup in the hierarchy of a controller. "/dev/null/..." isn't there. */
  const file = (controller: string, name: string): string => {
    const directory = directories.find(({ controllers }) => controllers.includes(controller));
    return `${directory?.path ?? absentDirectory}/${name}`;
  };
  const unified = directories.find(({ name }) => name === "unified")?.path ?? absentDirectory;
  return {
    cpu: { ...cpu(file), psi: readPressure(`${unified}/cpu.pressure`) },
    cpuset: cpuset(file),
    memory: { ...memory(file), psi: readPressure(`${unified}/memory.pressure`) },
    pids: pids(file),
    blkio: { ...blkio(file), psi: readPressure(`${unified}/io.pressure`) },
    hugetlb: hugetlb(file("hugetlb", "")),
    intel_rdt: {},
    network_interfaces: null,
  };
}

const absentDirectory = "/proc/0";

type FileOf = (controller: string, name: string) => string;

function cpu(file: FileOf): Stats["cpu"] {
  const ticks = parseKeyed(readIfThere(file("cpuacct", "cpuacct.stat")) ?? "");
  const throttling = parseKeyed(readIfThere(file("cpu", "cpu.stat")) ?? "");
  const percpu = parseRow(readIfThere(file("cpuacct", "cpuacct.usage_percpu")) ?? "");
  // a header, then a line "CPU USER SYSTEM" for each
  const rows = (readIfThere(file("cpuacct", "cpuacct.usage_all")) ?? "")
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map(parseRow);
  return {
    usage: {
      total: unlessZero(readCount(file("cpuacct", "cpuacct.usage"))),
      percpu: unlessEmpty(percpu),
      percpu_kernel: unlessEmpty(rows.map((row) => row[2] ?? 0)),
      percpu_user: unlessEmpty(rows.map((row) => row[1] ?? 0)),
      kernel: times(ticks.get("system") ?? 0, tick),
      user: times(ticks.get("user") ?? 0, tick),
    },
    throttling: {
      periods: unlessZero(throttling.get("nr_periods") ?? 0),
      throttledPeriods: unlessZero(throttling.get("nr_throttled") ?? 0),
      throttledTime: unlessZero(throttling.get("throttled_time") ?? 0),
    },
  };
}

function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function cpuset(file: FileOf): CpusetStats {
  const list = (name: string): readonly number[] | undefined =>
    unlessEmpty(parseRanges(readIfThere(file("cpuset", name)) ?? ""));
  const flag = (name: string): Count => readCount(file("cpuset", `cpuset.${name}`));
  return {
    cpus: list("cpuset.cpus"),
    cpu_exclusive: flag("cpu_exclusive"),
    mems: list("cpuset.mems"),
    mem_hardwall: flag("mem_hardwall"),
    mem_exclusive: flag("mem_exclusive"),
    memory_migrate: flag("memory_migrate"),
    memory_spread_page: flag("memory_spread_page"),
    memory_spread_slab: flag("memory_spread_slab"),
    memory_pressure: flag("memory_pressure"),
    sched_load_balance: flag("sched_load_balance"),
    sched_relax_domain_level: flag("sched_relax_domain_level"),
  };
}

function memory(file: FileOf): Stats["memory"] {
  const raw = parseKeyed(readIfThere(file("memory", "memory.stat")) ?? "");
  const oom = parseKeyed(readIfThere(file("memory", "memory.oom_control")) ?? "");
  const entry = (kind: string): MemoryEntry => {
    const count = (name: string): Count => readCount(file("memory", `memory.${kind}${name}`));
    return {
      limit: count("limit_in_bytes"),
      usage: unlessZero(count("usage_in_bytes")),
      max: unlessZero(count("max_usage_in_bytes")),
      failcnt: count("failcnt"),
    };
  };
  return {
    cache: unlessZero(raw.get("cache") ?? 0),
    usage: entry(""),
    swap: entry("memsw."),
    kernel: entry("kmem."),
    kernelTCP: entry("kmem.tcp."),
    raw: raw.size === 0 ? undefined : Object.fromEntries(raw),
    events: oom.size === 0 ? undefined : { oom_kill: oom.get("oom_kill") ?? 0, under_oom: oom.get("under_oom") ?? 0 },
  };
}

function pids(file: FileOf): Stats["pids"] {
  const limit = readCount(file("pids", "pids.max"));
  return {
    current: unlessZero(readCount(file("pids", "pids.current"))),
    limit: limit === unlimited ? undefined : unlessZero(limit),
  };
}

// ---- blkio ---------------------------------------------------------------------------------------------------------------

type Group = readonly (readonly [file: string, field: keyof BlkioStats])[];

const scheduler = (prefix: string, queue: string): Group => [
  [`${prefix}sectors_recursive`, "sectorsRecursive"],
  [`${prefix}io_service_time_recursive`, "ioServiceTimeRecursive"],
  [`${prefix}io_wait_time_recursive`, "ioWaitTimeRecursive"],
  [`${prefix}io_merged_recursive`, "ioMergedRecursive"],
  [`${prefix}${queue}`, "ioQueueRecursive"],
  [`${prefix}time_recursive`, "ioTimeRecursive"],
  [`${prefix}io_serviced_recursive`, "ioServicedRecursive"],
  [`${prefix}io_service_bytes_recursive`, "ioServiceBytesRecursive"],
];

const basic = (prefix: string, suffix: string): Group => [
  [`${prefix}io_serviced${suffix}`, "ioServicedRecursive"],
  [`${prefix}io_service_bytes${suffix}`, "ioServiceBytesRecursive"],
];

/** Each I/O scheduler has files of its own. The first group that counts anything is the one in use. */
const groups: readonly Group[] = [
  scheduler("blkio.bfq.", "io_queued_recursive"),
  basic("blkio.bfq.", "_recursive"),
  scheduler("blkio.", "io_queued_recursive"),
  basic("blkio.throttle.", "_recursive"),
  basic("blkio.throttle.", ""),
];

function blkio(file: FileOf): BlkioStats {
  for (const group of groups) {
    const [first] = group;
    if (first === undefined || entries(file("blkio", first[0])).length === 0) continue;
    const lists = group.map(([name, field]) => [field, entries(file("blkio", name))] as const);
    return Object.fromEntries(lists.filter(([, list]) => list.length > 0));
  }
  return {};
}

/** Lines "MAJOR:MINOR [OPERATION] VALUE"; a last line "Total VALUE" is left out. */
function entries(path: string): readonly BlkioEntry[] {
  return parseBlkio(readIfThere(path) ?? "");
}

export function parseBlkio(text: string): readonly BlkioEntry[] {
  const list: BlkioEntry[] = [];
  for (const line of text.split("\n")) {
    const [, major, minor, op, value] = /^(\d+):(\d+)(?: ([A-Za-z]+))? (\d+)$/.exec(line.trim()) ?? [];
    if (major === undefined || minor === undefined || value === undefined) continue;
    list.push({
      major: unlessZero(parseCount(major)),
      minor: unlessZero(parseCount(minor)),
      op,
      value: unlessZero(parseCount(value)),
    });
  }
  return list;
}

/** By page size. What is reserved counts where the kernel tells it: a reservation can fail, using it can't. */
function hugetlb(directory: string): Readonly<Record<string, HugetlbStats>> {
  if (host.stat(directory, true) === undefined) return {};
  const names = host.listDir(directory);
  const sizes = names.map((name) => /^hugetlb\.([^.]+)\.limit_in_bytes$/.exec(name)?.[1]);
  const stats = sizes
    .filter((size) => size !== undefined)
    .map((size): readonly [string, HugetlbStats] => {
      const reserved = names.includes(`hugetlb.${size}.rsvd.usage_in_bytes`) ? "rsvd." : "";
      const count = (name: string): Count => readCount(`${directory}/hugetlb.${size}.${reserved}${name}`);
      return [
        size,
        {
          usage: unlessZero(count("usage_in_bytes")),
          max: unlessZero(count("max_usage_in_bytes")),
          failcnt: count("failcnt"),
        },
      ];
    });
  return Object.fromEntries(stats);
}
