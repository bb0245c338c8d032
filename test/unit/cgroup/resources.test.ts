/** linux.resources to files and values: one table for both versions. */
import { describe, expect, test } from "vitest";
import { ignoredSettings } from "../../../src/cgroup/ignored.ts";
import { ioWeightOfBlkio, weightOfShares, writesV1, writesV2 } from "../../../src/cgroup/resources.ts";
import type { Resources } from "../../../src/spec/config.ts";

interface Row {
  readonly name: string;
  readonly resources: Resources;
  /** FILE=VALUE in order; a trailing "?" where the file may be missing, "~" where it is tried again, "|" an alternative */
  readonly v1: readonly string[];
  readonly v2: readonly string[];
}

const MiB = 1 << 20;
const disk = { major: 8, minor: 16 };

const rows: readonly Row[] = [
  { name: "nothing", resources: {}, v1: [], v2: [] },
  {
    name: "zeros of Go programs",
    resources: {
      memory: { limit: 0, reservation: 0, swap: 0, kernel: 0 },
      cpu: { shares: 0, quota: 0, period: 0, realtimePeriod: 0, realtimeRuntime: 0, cpus: "", mems: "" },
      blockIO: { weight: 0, leafWeight: 0 },
      network: { classID: 0 },
    },
    v1: [],
    v2: [],
  },
  {
    name: "memory",
    resources: { memory: { limit: 64 * MiB, reservation: 32 * MiB } },
    v1: ["memory.limit_in_bytes=67108864", "memory.soft_limit_in_bytes=33554432"],
    v2: ["memory.max=67108864", "memory.low=33554432"],
  },
  {
    name: "memory and swap",
    resources: { memory: { limit: 64 * MiB, swap: 96 * MiB } },
    v1: ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=100663296"],
    v2: ["memory.swap.max=33554432", "memory.max=67108864"],
  },
  {
    name: "no swap",
    resources: { memory: { limit: 64 * MiB, swap: 64 * MiB } },
    v1: ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=67108864"],
    v2: ["memory.swap.max=0?", "memory.max=67108864"],
  },
  {
    name: "unlimited memory",
    resources: { memory: { limit: -1, reservation: -1 } },
    v1: ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1?", "memory.soft_limit_in_bytes=-1"],
    v2: ["memory.swap.max=max?", "memory.max=max", "memory.low=max"],
  },
  {
    name: "unlimited swap",
    resources: { memory: { limit: 64 * MiB, swap: -1 } },
    v1: ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=-1?"],
    v2: ["memory.swap.max=max?", "memory.max=67108864"],
  },
  {
    name: "limits beyond 2^53",
    resources: { memory: { limit: 9223372036854771712n, swap: 9223372036854775807n } },
    v1: ["memory.limit_in_bytes=9223372036854771712", "memory.memsw.limit_in_bytes=9223372036854775807"],
    v2: ["memory.swap.max=4095", "memory.max=9223372036854771712"],
  },
  {
    name: "swappiness 0 is a value; the OOM killer",
    resources: { memory: { swappiness: 0, disableOOMKiller: true } },
    v1: ["memory.oom_control=1", "memory.swappiness=0"],
    v2: [],
  },
  { name: "shares", resources: { cpu: { shares: 512 } }, v1: ["cpu.shares=512"], v2: ["cpu.weight=59"] },
  {
    name: "quota and period",
    resources: { cpu: { quota: 50000, period: 200000 } },
    v1: ["cpu.cfs_period_us=200000~", "cpu.cfs_quota_us=50000"],
    v2: ["cpu.max=50000 200000"],
  },
  {
    name: "a quota alone has the usual period",
    resources: { cpu: { quota: 50000 } },
    v1: ["cpu.cfs_quota_us=50000"],
    v2: ["cpu.max=50000 100000"],
  },
  {
    name: "a period alone",
    resources: { cpu: { period: 50000 } },
    v1: ["cpu.cfs_period_us=50000~"],
    v2: ["cpu.max=max 50000"],
  },
  { name: "no quota", resources: { cpu: { quota: -1 } }, v1: ["cpu.cfs_quota_us=-1"], v2: ["cpu.max=max 100000"] },
  {
    name: "burst comes before the quota and is tried again after it",
    resources: { cpu: { quota: 50000, burst: 10000 } },
    v1: ["cpu.cfs_burst_us=10000~", "cpu.cfs_quota_us=50000"],
    v2: ["cpu.max.burst=10000~", "cpu.max=50000 100000"],
  },
  {
    name: "burst 0 is a value",
    resources: { cpu: { burst: 0 } },
    v1: ["cpu.cfs_burst_us=0?~"],
    v2: ["cpu.max.burst=0?~"],
  },
  {
    name: "idle comes before the shares, which an idle group has not",
    resources: { cpu: { idle: 1, shares: 512 } },
    v1: ["cpu.idle=1"],
    v2: ["cpu.idle=1"],
  },
  {
    name: "no longer idle",
    resources: { cpu: { idle: 0, shares: 1024 } },
    v1: ["cpu.idle=0", "cpu.shares=1024"],
    v2: ["cpu.idle=0", "cpu.weight=100"],
  },
  {
    name: "real time, period first",
    resources: { cpu: { realtimePeriod: 1000000, realtimeRuntime: 950000 } },
    v1: ["cpu.rt_period_us=1000000~", "cpu.rt_runtime_us=950000"],
    v2: [],
  },
  {
    name: "cpusets",
    resources: { cpu: { cpus: "0-1", mems: "0" } },
    v1: ["cpuset.cpus=0-1", "cpuset.mems=0"],
    v2: ["cpuset.cpus=0-1", "cpuset.mems=0"],
  },
  { name: "pids", resources: { pids: { limit: 100 } }, v1: ["pids.max=100"], v2: ["pids.max=100"] },
  { name: "pids 0 is a limit", resources: { pids: { limit: 0 } }, v1: ["pids.max=1"], v2: ["pids.max=1"] },
  { name: "unlimited pids", resources: { pids: { limit: -1 } }, v1: ["pids.max=max"], v2: ["pids.max=max"] },
  {
    name: "block I/O weights, of BFQ or not",
    resources: { blockIO: { weight: 500, leafWeight: 300, weightDevice: [{ ...disk, weight: 10, leafWeight: 20 }] } },
    v1: [
      "blkio.weight=500|blkio.bfq.weight=500",
      "blkio.leaf_weight=300|blkio.bfq.leaf_weight=300",
      "blkio.weight_device=8:16 10|blkio.bfq.weight_device=8:16 10",
      "blkio.leaf_weight_device=8:16 20|blkio.bfq.leaf_weight_device=8:16 20",
    ],
    v2: ["io.bfq.weight=500|io.weight=default 4950", "io.bfq.weight=8:16 10|io.weight=8:16 1"],
  },
  {
    name: "throttles, a write for each; 0 takes one away",
    resources: {
      blockIO: {
        throttleReadBpsDevice: [
          { ...disk, rate: 1000 },
          { major: 8, minor: 32, rate: 0 },
        ],
        throttleWriteBpsDevice: [{ ...disk, rate: 18446744073709551615n }],
        throttleReadIOPSDevice: [{ ...disk, rate: 30 }],
        throttleWriteIOPSDevice: [{ ...disk, rate: 40 }],
      },
    },
    v1: [
      "blkio.throttle.read_bps_device=8:16 1000",
      "blkio.throttle.read_bps_device=8:32 0",
      "blkio.throttle.write_bps_device=8:16 18446744073709551615",
      "blkio.throttle.read_iops_device=8:16 30",
      "blkio.throttle.write_iops_device=8:16 40",
    ],
    v2: [
      "io.max=8:16 rbps=1000",
      "io.max=8:32 rbps=max",
      "io.max=8:16 wbps=18446744073709551615",
      "io.max=8:16 riops=30",
      "io.max=8:16 wiops=40",
    ],
  },
  {
    name: "huge pages, and their reservations where there are such",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] },
    v1: ["hugetlb.2MB.limit_in_bytes=4194304", "hugetlb.2MB.rsvd.limit_in_bytes=4194304?"],
    v2: ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304?"],
  },
  {
    name: "rdma",
    resources: { rdma: { mlx5_0: { hcaHandles: 2, hcaObjects: 2000 }, mlx5_1: { hcaObjects: 10 } } },
    v1: ["rdma.max=mlx5_0 hca_handle=2 hca_object=2000", "rdma.max=mlx5_1 hca_object=10"],
    v2: ["rdma.max=mlx5_0 hca_handle=2 hca_object=2000", "rdma.max=mlx5_1 hca_object=10"],
  },
  {
    name: "network",
    resources: { network: { classID: 1048577, priorities: [{ name: "eth0", priority: 500 }] } },
    v1: ["net_cls.classid=1048577", "net_prio.ifpriomap=eth0 500"],
    v2: [],
  },
  {
    name: "the order of controllers",
    resources: {
      pids: { limit: 5 },
      hugepageLimits: [{ pageSize: "1GB", limit: 0 }],
      cpu: { shares: 2, cpus: "0" },
      blockIO: { throttleReadBpsDevice: [{ ...disk, rate: 1 }] },
      memory: { limit: MiB },
      rdma: { d: { hcaHandles: 1 } },
    },
    v1: [
      "pids.max=5",
      "memory.limit_in_bytes=1048576",
      "cpu.shares=2",
      "cpuset.cpus=0",
      "blkio.throttle.read_bps_device=8:16 1",
      "hugetlb.1GB.limit_in_bytes=0",
      "hugetlb.1GB.rsvd.limit_in_bytes=0?",
      "rdma.max=d hca_handle=1",
    ],
    v2: [
      "pids.max=5",
      "memory.max=1048576",
      "io.max=8:16 rbps=1",
      "cpu.weight=1",
      "cpuset.cpus=0",
      "hugetlb.1GB.max=0",
      "hugetlb.1GB.rsvd.max=0?",
      "rdma.max=d hca_handle=1",
    ],
  },
];

const shown = (writes: ReturnType<typeof writesV1>): string[] =>
  writes.map(({ file, value, optional, again, instead }) => {
    const other = instead === undefined ? "" : `|${instead.file}=${instead.value}`;
    return `${file}=${value}${optional === undefined ? "" : "?"}${again === true ? "~" : ""}${other}`;
  });

describe.each(rows)("$name", ({ resources, v1, v2 }) => {
  test("v1", () => expect(shown(writesV1(resources))).toEqual(v1));
  test("v2", () => expect(shown(writesV2(resources))).toEqual(v2));
  test("each write tells the setting it comes from, and the controller it needs", () => {
    for (const { at, controller, file } of [...writesV1(resources), ...writesV2(resources)]) {
      expect(valueAt({ linux: { resources } }, at), at).toBeDefined();
      expect(file.startsWith(`${controller}.`), file).toBe(true);
    }
  });
});

/** What a JSON pointer points at; the field that a limit of "unlimited" implies counts as its sibling. */
function valueAt(document: unknown, pointer: string): unknown {
  return pointer
    .replace(/\/memory\/swap$/, "/memory")
    .split("/")
    .slice(1)
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

test("unified comes last, line by line", () => {
  const unified = { "memory.high": "1000", "io.max": "8:16 rbps=1\n8:32 rbps=2\n", "cpu.weight": "7" };
  const writes = writesV2({ unified, cpu: { shares: 1024 }, memory: { limit: MiB } });
  expect(shown(writes)).toEqual([
    "memory.max=1048576",
    "cpu.weight=100",
    "memory.high=1000",
    "io.max=8:16 rbps=1",
    "io.max=8:32 rbps=2",
    "cpu.weight=7",
  ]);
  expect(() => writesV1({ unified })).toThrow("cannot use unified on cgroup v1");
  expect(writesV1({ unified: {} })).toEqual([]);
});

test.each([
  [{ swap: 100 * MiB }, "unable to set swap limit without memory limit"],
  [{ limit: 100 * MiB, swap: 50 * MiB }, "memory+swap limit 52428800 should be >= memory limit 104857600"],
  [{ limit: -5 }, "invalid memory value: -5"],
])("v2 refuses memory %o", (memory, message) => {
  expect(() => writesV2({ memory })).toThrow(message);
});

test.each([
  [0, 1],
  [2, 1],
  [3, 2],
  [512, 59],
  [1024, 100],
  [2048, 174],
  [4096, 303],
  [262143, 10000],
  [262144, 10000],
  [1000000, 10000],
])("%i shares weigh %i", (shares, weight) => {
  expect(weightOfShares(shares)).toBe(weight);
});

test.each([
  [10, 1],
  [100, 910],
  [500, 4950],
  [1000, 10000],
])("the blkio weight %i is the io weight %i", (blkio, io) => {
  expect(ioWeightOfBlkio(blkio)).toBe(io);
});

test("what a version doesn't have is named, and zeros of engines are not", () => {
  const everything: Resources = {
    memory: { kernel: 1, kernelTCP: 1, swappiness: 60, disableOOMKiller: true, useHierarchy: false },
    cpu: { realtimePeriod: 1, realtimeRuntime: 1 },
    blockIO: { leafWeight: 10, weightDevice: [{ ...disk, leafWeight: 10 }] },
    network: { classID: 1, priorities: [{ name: "eth0", priority: 1 }] },
  };
  const fields = (version: "v1" | "v2"): string[] =>
    ignoredSettings(everything, version).map((at) => at.replace("/linux/resources/", ""));
  expect(fields("v1")).toEqual(["memory/kernel", "memory/kernelTCP", "memory/useHierarchy"]);
  expect(fields("v2")).toEqual([
    "memory/kernel",
    "memory/kernelTCP",
    "memory/useHierarchy",
    "memory/swappiness",
    "memory/disableOOMKiller",
    "cpu/realtimePeriod",
    "cpu/realtimeRuntime",
    "blockIO/leafWeight",
    "blockIO/weightDevice",
    "network/classID",
    "network/priorities",
  ]);
  const zeros = {
    memory: { kernel: 0 },
    cpu: { realtimePeriod: 0 },
    blockIO: { leafWeight: 0 },
    network: { classID: 0 },
  };
  expect(ignoredSettings(zeros, "v2")).toEqual([]);
});
