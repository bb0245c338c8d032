/** What `update` makes of the resources that a container has and those it is asked for. */
import { describe, expect, test } from "vitest";
import { mergeResources } from "../../../src/cgroup/merge.ts";
import type { Resources } from "../../../src/spec/config.ts";

interface Row {
  readonly name: string;
  readonly stored: Resources;
  readonly asked: Resources;
  /** What is written */
  readonly change: Resources;
  /** What is stored afterwards */
  readonly resources: Resources;
  /** Where it differs from v2 */
  readonly v1?: Partial<Pick<Row, "change" | "resources">>;
}

const disk = (minor: number, rate: number) => ({ major: 8, minor, rate });

const rows: readonly Row[] = [
  {
    name: "zeros and empty texts leave everything",
    stored: { memory: { limit: 1000 }, cpu: { shares: 5, cpus: "0" } },
    asked: { memory: { limit: 0, swap: 0 }, cpu: { shares: 0, quota: 0, cpus: "" }, blockIO: { weight: 0 } },
    change: {},
    resources: { memory: { limit: 1000 }, cpu: { shares: 5, cpus: "0" } },
  },
  {
    name: "devices are left out",
    stored: { devices: [{ allow: false, access: "rwm" }] },
    asked: { devices: [{ allow: true }], pids: { limit: 3 } },
    change: { pids: { limit: 3 } },
    resources: { devices: [{ allow: false, access: "rwm" }], pids: { limit: 3 } },
  },
  {
    name: "zeros that are values",
    stored: { pids: { limit: 7 }, memory: { limit: 1, swappiness: 60 }, cpu: { burst: 5 } },
    asked: { pids: { limit: 0 }, memory: { swappiness: 0 }, cpu: { burst: 0, idle: 0 } },
    change: { pids: { limit: 0 }, memory: { swappiness: 0 }, cpu: { burst: 0, idle: 0 } },
    resources: { pids: { limit: 0 }, memory: { limit: 1, swappiness: 0 }, cpu: { burst: 0, idle: 0 } },
  },
  {
    name: "a quota keeps the period",
    stored: { cpu: { quota: 10000, period: 20000, shares: 9 } },
    asked: { cpu: { quota: 50000 } },
    change: { cpu: { quota: 50000, period: 20000 } },
    resources: { cpu: { quota: 50000, period: 20000, shares: 9 } },
  },
  {
    name: "a period keeps the quota",
    stored: { cpu: { quota: 10000 } },
    asked: { cpu: { period: 50000, quota: 0 } },
    change: { cpu: { quota: 10000, period: 50000 } },
    resources: { cpu: { quota: 10000, period: 50000 } },
  },
  {
    name: "idle forgets the shares",
    stored: { cpu: { shares: 512 } },
    asked: { cpu: { idle: 1 } },
    change: { cpu: { idle: 1 } },
    resources: { cpu: { idle: 1 } },
  },
  {
    name: "unlimited memory frees the swap, too",
    stored: { memory: { limit: 100, swap: 200 } },
    asked: { memory: { limit: -1 } },
    change: { memory: { limit: -1, swap: -1 } },
    resources: { memory: { limit: -1, swap: -1 } },
  },
  {
    name: "more memory: v1 keeps the sum, v2 the swap",
    stored: { memory: { limit: 100, swap: 300 } },
    asked: { memory: { limit: 200 } },
    change: { memory: { limit: 200 } },
    resources: { memory: { limit: 200, swap: 400 } },
    v1: { change: { memory: { limit: 200, swap: 300 } }, resources: { memory: { limit: 200, swap: 300 } } },
  },
  {
    name: "swap alone counts from the memory limit there is",
    stored: { memory: { limit: 100 } },
    asked: { memory: { swap: 300 } },
    change: { memory: { limit: 100, swap: 300 } },
    resources: { memory: { limit: 100, swap: 300 } },
  },
  {
    name: "throttles go by device",
    stored: { blockIO: { weight: 10, throttleReadBpsDevice: [disk(0, 1), disk(16, 2)] } },
    asked: { blockIO: { throttleReadBpsDevice: [disk(16, 3), disk(32, 4)], throttleWriteBpsDevice: [] } },
    change: { blockIO: { throttleReadBpsDevice: [disk(16, 3), disk(32, 4)] } },
    resources: { blockIO: { weight: 10, throttleReadBpsDevice: [disk(0, 1), disk(16, 3), disk(32, 4)] } },
  },
  {
    name: "weights of devices go by device and kind",
    stored: { blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 20 }] } },
    asked: { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 30 }] } },
    change: { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 30 }] } },
    resources: { blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 20, weight: 30 }] } },
  },
  {
    name: "page sizes, interfaces, rdma devices and unified files go by name",
    stored: {
      hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
      network: { classID: 3, priorities: [{ name: "eth0", priority: 1 }] },
      rdma: { a: { hcaHandles: 1 } },
      unified: { "memory.high": "1" },
    },
    asked: {
      hugepageLimits: [{ pageSize: "1GB", limit: 2 }],
      network: { priorities: [{ name: "eth0", priority: 2 }] },
      rdma: { b: { hcaHandles: 2 } },
      unified: { "memory.high": "2", "cpu.weight": "3" },
    },
    change: {
      hugepageLimits: [{ pageSize: "1GB", limit: 2 }],
      network: { priorities: [{ name: "eth0", priority: 2 }] },
      rdma: { b: { hcaHandles: 2 } },
      unified: { "memory.high": "2", "cpu.weight": "3" },
    },
    resources: {
      hugepageLimits: [
        { pageSize: "2MB", limit: 1 },
        { pageSize: "1GB", limit: 2 },
      ],
      network: { classID: 3, priorities: [{ name: "eth0", priority: 2 }] },
      rdma: { a: { hcaHandles: 1 }, b: { hcaHandles: 2 } },
      unified: { "memory.high": "2", "cpu.weight": "3" },
    },
  },
];

describe.each(rows)("$name", ({ stored, asked, change, resources, v1 }) => {
  test("v2", () => expect(mergeResources(stored, asked, "v2")).toEqual({ change, resources }));
  test("v1", () => expect(mergeResources(stored, asked, "v1")).toEqual({ change, resources, ...v1 }));
});

test("v1: memory can't outgrow the sum of both", () => {
  const stored = { memory: { limit: 100, swap: 200 } };
  expect(() => mergeResources(stored, { memory: { limit: 201 } }, "v1")).toThrow("exceeds the memory+swap limit 200");
  expect(mergeResources(stored, { memory: { limit: 201 } }, "v2").resources.memory).toEqual({ limit: 201, swap: 301 });
});

test("a second update starts from the first", () => {
  const first = mergeResources({}, { cpu: { period: 50000 } }, "v2").resources;
  expect(mergeResources(first, { cpu: { quota: 7000 } }, "v2").change).toEqual({ cpu: { period: 50000, quota: 7000 } });
});

test("what is merged is not touched", () => {
  const stored: Resources = Object.freeze({ cpu: Object.freeze({ shares: 5 }) });
  const asked: Resources = Object.freeze({ cpu: Object.freeze({ idle: 1 }) });
  expect(mergeResources(stored, asked, "v1").resources).toEqual({ cpu: { idle: 1 } });
  expect(stored).toEqual({ cpu: { shares: 5 } });
});
