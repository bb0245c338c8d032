/** linux.resources as properties of a unit. */
import { describe, expect, test } from "vitest";
import { resourceProperties } from "../../../src/cgroup/systemd/properties.ts";
import type { Resources } from "../../../src/spec/config.ts";

const infinity = (1n << 64n) - 1n;

/** Names and values, without the types. */
function properties(resources: Resources, version: "v1" | "v2" = "v2", devices = false): unknown[] {
  return resourceProperties(resources, { version, devices }).map(([name, { value }]) => [name, value]);
}

describe("v2", () => {
  test.each<[string, Resources, unknown[]]>([
    ["nothing", {}, []],
    [
      "memory",
      { memory: { limit: 1048576, reservation: 524288 } },
      [
        ["MemoryMax", 1048576n],
        ["MemoryLow", 524288n],
      ],
    ],
    [
      "no memory limit",
      { memory: { limit: -1 } },
      [
        ["MemoryMax", infinity],
        ["MemorySwapMax", infinity],
      ],
    ],
    [
      "swap",
      { memory: { limit: 100, swap: 300 } },
      [
        ["MemoryMax", 100n],
        ["MemorySwapMax", 200n],
      ],
    ],
    ["zeros mean nothing", { memory: { limit: 0, swap: 0 }, cpu: { shares: 0, quota: 0, period: 0 } }, []],
    ["shares", { cpu: { shares: 1024 } }, [["CPUWeight", 100n]]],
    ["idle has no weight", { cpu: { shares: 1024, idle: 1 } }, [["CPUWeight", 0n]]],
    ["quota", { cpu: { quota: 50000 } }, [["CPUQuotaPerSecUSec", 500000n]]],
    [
      "quota and period",
      { cpu: { quota: 3, period: 1000 } },
      [
        ["CPUQuotaPeriodUSec", 1000n],
        ["CPUQuotaPerSecUSec", 10000n],
      ],
    ],
    [
      "a quota is rounded up to 10 ms",
      { cpu: { quota: 33333, period: 100000 } },
      [
        ["CPUQuotaPeriodUSec", 100000n],
        ["CPUQuotaPerSecUSec", 340000n],
      ],
    ],
    ["no quota", { cpu: { quota: -1 } }, [["CPUQuotaPerSecUSec", infinity]]],
    ["pids", { pids: { limit: 7 } }, [["TasksMax", 7n]]],
    ["pids 0 is the least", { pids: { limit: 0 } }, [["TasksMax", 1n]]],
    ["no pids limit", { pids: { limit: -1 } }, [["TasksMax", infinity]]],
    ["cpus", { cpu: { cpus: "0-2,9" } }, [["AllowedCPUs", [0b111, 0b10]]]],
    ["mems", { cpu: { mems: "0" } }, [["AllowedMemoryNodes", [1]]]],
    ["cpus that are none are left to the kernel", { cpu: { cpus: "x" } }, []],
    ["blkio weight has no property", { blockIO: { weight: 100 } }, []],
    [
      "unified comes last, and what has no property is left out",
      {
        memory: { limit: 5 },
        unified: {
          "memory.max": "max",
          "memory.high": "7",
          "cpu.max": "20000 100000",
          "cpu.idle": "1",
          "cpuset.cpus": "1",
          "misc.max": "x 1",
        },
      },
      [
        ["MemoryMax", 5n],
        ["MemoryMax", infinity],
        ["MemoryHigh", 7n],
        ["CPUQuotaPeriodUSec", 100000n],
        ["CPUQuotaPerSecUSec", 200000n],
        ["CPUWeight", 0n],
        ["AllowedCPUs", [2]],
      ],
    ],
    [
      "unified without a limit",
      { unified: { "cpu.max": "max", "pids.max": "max" } },
      [
        ["CPUQuotaPerSecUSec", infinity],
        ["TasksMax", infinity],
      ],
    ],
  ])("%s", (_, resources, expected) => {
    expect(properties(resources)).toEqual(expected);
  });
});

test("v1 has names of its own", () => {
  const resources = { memory: { limit: 5, reservation: 3, swap: 9 }, cpu: { shares: 512 }, blockIO: { weight: 100 } };
  expect(properties(resources, "v1")).toEqual([
    ["MemoryLimit", 5n],
    ["CPUShares", 512n],
    ["BlockIOWeight", 100n],
  ]);
});

describe("devices", () => {
  test("the list is cleared, then the policy set, then the new list", () => {
    const [first, policy, list] = properties(
      { devices: [{ allow: true, type: "c", major: 10, minor: 229, access: "rw" }] },
      "v2",
      true,
    );
    expect(first).toEqual(["DeviceAllow", []]);
    expect(policy).toEqual(["DevicePolicy", "strict"]);
    const [name, pairs] = list as [string, unknown[]];
    expect(name).toBe("DeviceAllow");
    expect(pairs).toContainEqual(["/dev/char/10:229", "rw"]);
    expect(pairs).toContainEqual(["char-136", "rwm"]);
    expect(pairs).toContainEqual(["char-*", "m"]);
    expect(pairs).toContainEqual(["block-*", "m"]);
  });

  test.each<[string, NonNullable<Resources["devices"]>]>([
    ["everything", [{ allow: true, access: "rwm" }]],
    [
      "all but one",
      [
        { allow: true, access: "rwm" },
        { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
      ],
    ],
    [
      "a hole",
      [
        { allow: true, type: "c", major: 10, access: "rwm" },
        { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
      ],
    ],
  ])("%s is more than a list can say: left to our own program", (_, devices) => {
    expect(properties({ devices }, "v2", true)).toEqual([
      ["DeviceAllow", []],
      ["DevicePolicy", "auto"],
    ]);
  });
});
