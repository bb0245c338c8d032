// Statistics from the v2 tree, told in the terms of v1, as callers know them.

import { host } from "#host";
import { add, type Count, parseKeyed, readCount, readIfThere, times, unlessZero, unlimited } from "./counters.ts";
import type { CgroupDirectory } from "./record.ts";
import {
  type BlkioEntry,
  type BlkioStats,
  type CpusetStats,
  type HugetlbStats,
  type MemoryEntry,
  noMemory,
  readPressure,
  type Stats,
} from "./stats.ts";

export function statsV2(directories: readonly CgroupDirectory[]): Stats {
  const path = directories[0]?.path ?? "/proc/0";
  return {
    cpu: { ...cpu(path), psi: readPressure(`${path}/cpu.pressure`) },
    cpuset: noCpuset,
    memory: { ...memory(path), psi: readPressure(`${path}/memory.pressure`) },
    pids: pids(path),
    blkio: { ...parseIoStat(readIfThere(`${path}/io.stat`) ?? ""), psi: readPressure(`${path}/io.pressure`) },
    hugetlb: hugetlb(path),
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** Microseconds to nanoseconds. */
const nano = 1000;

function cpu(path: string): Stats["cpu"] {
  const stat = parseKeyed(readIfThere(`${path}/cpu.stat`) ?? "");
  const count = (name: string): Count => stat.get(name) ?? 0;
  return {
    usage: {
      total: unlessZero(times(count("usage_usec"), nano)),
      kernel: times(count("system_usec"), nano),
      user: times(count("user_usec"), nano),
    },
    throttling: {
      periods: unlessZero(count("nr_periods")),
      throttledPeriods: unlessZero(count("nr_throttled")),
      throttledTime: unlessZero(times(count("throttled_usec"), nano)),
    },
  };
}

/** v2 has none of the flags of v1. */
const noCpuset: CpusetStats = {
  cpu_exclusive: 0,
  mem_hardwall: 0,
  mem_exclusive: 0,
  memory_migrate: 0,
  memory_spread_page: 0,
  memory_spread_slab: 0,
  memory_pressure: 0,
  sched_load_balance: 0,
  sched_relax_domain_level: 0,
};

function memory(path: string): Stats["memory"] {
  const raw = parseKeyed(readIfThere(`${path}/memory.stat`) ?? "");
  const events = parseKeyed(readIfThere(`${path}/memory.events`) ?? "");
  const count = (name: string): Count => readCount(`${path}/memory.${name}`);
  const usage = { limit: count("max"), usage: count("current"), max: count("peak") };
  const swap = { limit: count("swap.max"), usage: count("swap.current"), max: count("swap.peak") };
  return {
    cache: unlessZero(raw.get("file") ?? 0),
    usage: entry(usage, events.get("max") ?? 0),
    swap: entry(
      { limit: add(usage.limit, swap.limit), usage: add(usage.usage, swap.usage), max: add(usage.max, swap.max) },
      0,
    ),
    kernel: noMemory,
    kernelTCP: noMemory,
    raw: raw.size === 0 ? undefined : Object.fromEntries(raw),
    events: events.size === 0 ? undefined : Object.fromEntries(events),
  };
}

function entry(
  counts: { readonly limit: Count; readonly usage: Count; readonly max: Count },
  failcnt: Count,
): MemoryEntry {
  return { limit: counts.limit, usage: unlessZero(counts.usage), max: unlessZero(counts.max), failcnt };
}

function pids(path: string): Stats["pids"] {
  const limit = readCount(`${path}/pids.max`);
  return {
    current: unlessZero(readCount(`${path}/pids.current`)),
    limit: limit === unlimited ? undefined : unlessZero(limit),
  };
}

/** Key of io.stat, operation as v1 calls it, and list it belongs to. */
const ioKeys = [
  ["rbytes", "Read", "ioServiceBytesRecursive"],
  ["wbytes", "Write", "ioServiceBytesRecursive"],
  ["dbytes", "Discard", "ioServiceBytesRecursive"],
  ["rios", "Read", "ioServicedRecursive"],
  ["wios", "Write", "ioServicedRecursive"],
  ["dios", "Discard", "ioServicedRecursive"],
] as const;

/** Lines "MAJOR:MINOR rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 ...". */
export function parseIoStat(text: string): BlkioStats {
  const bytes: BlkioEntry[] = [];
  const operations: BlkioEntry[] = [];
  for (const line of text.split("\n")) {
    const [device = "", ...pairs] = line.trim().split(" ");
    const [major, minor] = device.split(":");
    if (major === undefined || minor === undefined) continue;
    const values = parseKeyed(pairs.join("\n"));
    for (const [key, op, field] of ioKeys) {
      const value = values.get(key);
      if (value === undefined) continue;
      const list = field === "ioServiceBytesRecursive" ? bytes : operations;
      list.push({
        major: unlessZero(Number(major)),
        minor: unlessZero(Number(minor)),
        op,
        value: unlessZero(value),
      });
    }
  }
  return {
    ...(bytes.length > 0 ? { ioServiceBytesRecursive: bytes } : {}),
    ...(operations.length > 0 ? { ioServicedRecursive: operations } : {}),
  };
}

/** By page size. What is reserved counts where the kernel tells it: a reservation can fail, using it can't. */
function hugetlb(path: string): Readonly<Record<string, HugetlbStats>> {
  if (host.stat(path, true) === undefined) return {};
  const names = host.listDir(path);
  const sizes = names.map((name) => /^hugetlb\.([^.]+)\.current$/.exec(name)?.[1]);
  const stats = sizes
    .filter((size) => size !== undefined)
    .map((size): readonly [string, HugetlbStats] => {
      const reserved = names.includes(`hugetlb.${size}.rsvd.current`) ? "rsvd." : "";
      const events = parseKeyed(readIfThere(`${path}/hugetlb.${size}.events`) ?? "");
      const usage = readCount(`${path}/hugetlb.${size}.${reserved}current`);
      return [size, { usage: unlessZero(usage), failcnt: events.get("max") ?? 0 }];
    });
  return Object.fromEntries(stats);
}
