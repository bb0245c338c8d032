/** Each field of linux.resources, read back from the kernel. Fields whose files this kernel doesn't have say so. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { alive, type Container } from "../harness/box.ts";
import { cgroupDirectory, v2 } from "../harness/cgroup.ts";
import { eventually } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";

const SLEEP = ["/bin/sleep", "1000"];
const MiB = 1 << 20;

/** A disk that can be throttled: a whole block device of this machine, if it has one. */
const disk = firstDisk();

interface Row {
  readonly name: string;
  readonly resources: Record<string, unknown>;
  /** Controller, file and content (or a part of it) */
  readonly v1?: readonly (readonly [controller: string, file: string, content: string | RegExp])[];
  readonly v2?: readonly (readonly [file: string, content: string | RegExp])[];
}

const rows: readonly Row[] = [
  {
    name: "memory.limit and reservation",
    resources: { memory: { limit: 64 * MiB, reservation: 32 * MiB } },
    v1: [
      ["memory", "memory.limit_in_bytes", String(64 * MiB)],
      ["memory", "memory.soft_limit_in_bytes", String(32 * MiB)],
    ],
    v2: [
      ["memory.max", String(64 * MiB)],
      ["memory.low", String(32 * MiB)],
    ],
  },
  {
    name: "memory.swap",
    resources: { memory: { limit: 64 * MiB, swap: 96 * MiB } },
    v1: [["memory", "memory.memsw.limit_in_bytes", String(96 * MiB)]],
    v2: [["memory.swap.max", String(32 * MiB)]],
  },
  {
    name: "memory.limit -1",
    resources: { memory: { limit: -1 } },
    v1: [["memory", "memory.limit_in_bytes", /^\d{19}$/]],
    v2: [["memory.max", "max"]],
  },
  {
    name: "memory.swappiness 0",
    resources: { memory: { swappiness: 0 } },
    v1: [["memory", "memory.swappiness", "0"]],
  },
  {
    name: "memory.disableOOMKiller",
    resources: { memory: { limit: 64 * MiB, disableOOMKiller: true } },
    v1: [["memory", "memory.oom_control", /oom_kill_disable 1/]],
  },
  {
    name: "cpu.shares",
    resources: { cpu: { shares: 512 } },
    v1: [["cpu", "cpu.shares", "512"]],
    v2: [["cpu.weight", "59"]],
  },
  {
    name: "cpu.quota and period",
    resources: { cpu: { quota: 25000, period: 50000 } },
    v1: [
      ["cpu", "cpu.cfs_quota_us", "25000"],
      ["cpu", "cpu.cfs_period_us", "50000"],
    ],
    v2: [["cpu.max", "25000 50000"]],
  },
  {
    name: "cpu.burst, which needs the quota first",
    resources: { cpu: { quota: 25000, period: 50000, burst: 20000 } },
    v1: [["cpu", "cpu.cfs_burst_us", "20000"]],
    v2: [["cpu.max.burst", "20000"]],
  },
  { name: "cpu.idle", resources: { cpu: { idle: 1 } }, v1: [["cpu", "cpu.idle", "1"]], v2: [["cpu.idle", "1"]] },
  {
    name: "cpu.cpus and mems",
    resources: { cpu: { cpus: "0", mems: "0" } },
    v1: [
      ["cpuset", "cpuset.cpus", "0"],
      ["cpuset", "cpuset.mems", "0"],
    ],
    v2: [
      ["cpuset.cpus", "0"],
      ["cpuset.mems", "0"],
    ],
  },
  {
    name: "pids.limit",
    resources: { pids: { limit: 17 } },
    v1: [["pids", "pids.max", "17"]],
    v2: [["pids.max", "17"]],
  },
  { name: "pids.limit 0", resources: { pids: { limit: 0 } }, v1: [["pids", "pids.max", "1"]], v2: [["pids.max", "1"]] },
  {
    name: "pids.limit -1",
    resources: { pids: { limit: -1 } },
    v1: [["pids", "pids.max", "max"]],
    v2: [["pids.max", "max"]],
  },
  {
    name: "blockIO.weight, BFQ's",
    resources: { blockIO: { weight: 300 } },
    v1: [["blkio", "blkio.bfq.weight", "300"]],
    v2: [["io.bfq.weight", /^default 300$/m]],
  },
  ...(disk === undefined ? [] : [throttles(disk)]),
  {
    name: "hugepageLimits",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4 * MiB }] },
    v1: [["hugetlb", "hugetlb.2MB.limit_in_bytes", String(4 * MiB)]],
    v2: [["hugetlb.2MB.max", String(4 * MiB)]],
  },
  {
    name: "network",
    resources: { network: { classID: 1048577, priorities: [{ name: "lo", priority: 3 }] } },
    v1: [
      ["net_cls", "net_cls.classid", "1048577"],
      ["net_prio", "net_prio.ifpriomap", /^lo 3$/m],
    ],
  },
  {
    name: "unified, which wins over the rest",
    resources: {
      memory: { limit: 64 * MiB },
      unified: { "memory.max": String(32 * MiB), "memory.high": String(16 * MiB) },
    },
    v2: [
      ["memory.max", String(32 * MiB)],
      ["memory.high", String(16 * MiB)],
    ],
  },
];

function throttles(device: { major: number; minor: number }): Row {
  const id = `${device.major}:${device.minor}`;
  return {
    name: "blockIO.throttle*",
    resources: {
      blockIO: {
        throttleReadBpsDevice: [{ ...device, rate: 10485760 }],
        throttleWriteBpsDevice: [{ ...device, rate: 5242880 }],
        throttleReadIOPSDevice: [{ ...device, rate: 120 }],
        throttleWriteIOPSDevice: [{ ...device, rate: 110 }],
      },
    },
    v1: [
      ["blkio", "blkio.throttle.read_bps_device", `${id} 10485760`],
      ["blkio", "blkio.throttle.write_bps_device", `${id} 5242880`],
      ["blkio", "blkio.throttle.read_iops_device", `${id} 120`],
      ["blkio", "blkio.throttle.write_iops_device", `${id} 110`],
    ],
    v2: [["io.max", `${id} rbps=10485760 wbps=5242880 riops=120 wiops=110`]],
  };
}

describeRuntimes("resources", ({ test, runtime }) => {
  if (!runtime.ours) return;
  if (disk === undefined) test.skip("blockIO.throttle* [no disk]", () => undefined);
  for (const { name, resources, ...expected } of rows) {
    const wanted = v2
      ? (expected.v2 ?? []).map(([file, content]) => [file.slice(0, file.indexOf(".")), file, content] as const)
      : (expected.v1 ?? []);
    const missing = wanted
      .map(([controller, file]) => absence(controller, file))
      .find((reason) => reason !== undefined);
    if (wanted.length === 0) test.skip(`${name} [cgroup ${v2 ? "v2" : "v1"} has no such setting]`, () => undefined);
    else if (missing !== undefined) test.skip(`${name} [${missing}]`, () => undefined);
    else {
      test(name, async ({ box }) => {
        const container = await box.create(SLEEP, {
          config: (config) => {
            config.linux.resources = resources;
            config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
          },
        });
        for (const [controller, file, content] of wanted) {
          if (typeof content === "string") expect(read(container, controller, file), file).toBe(content);
          else expect(read(container, controller, file), file).toMatch(content);
        }
      });
    }
  }

  test("a setting whose controller isn't there names it, and leaves nothing", async ({ box }) => {
    const absent = absence("rdma", "rdma.max") !== undefined;
    const bundle = box.bundle(SLEEP, {
      config: (config) => {
        config.linux.resources = { rdma: { mlx5_0: { hcaHandles: 1 } } };
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toContain("/linux/resources/rdma/mlx5_0");
    if (absent) expect(stderr).toContain("the rdma controller is not");
    expect(stderr).not.toContain("no such file or directory");
    expect(box.leftovers()).toEqual([]);
  });

  test("a page size that isn't there is told as such", async ({ box }) => {
    const bundle = box.bundle(SLEEP, {
      config: (config) => {
        config.linux.resources = { hugepageLimits: [{ pageSize: "64MB", limit: 0 }] };
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toMatch(/no pages of this size|the hugetlb controller is not/);
    expect(box.leftovers()).toEqual([]);
  });

  test("v2's unified is refused on v1, an unknown file of it on v2", async ({ box }) => {
    const bundle = box.bundle(SLEEP, {
      config: (config) => {
        config.linux.resources = { unified: { "memory.nonsense": "1" } };
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toContain(v2 ? "/linux/resources/unified/memory.nonsense" : "cannot use unified on cgroup v1");
    expect(box.leftovers()).toEqual([]);
  });

  test("OOM while setting up is told with the limit (R18)", async ({ box }) => {
    const bundle = box.bundle(SLEEP, {
      config: (config) => {
        config.linux.resources = { memory: { limit: 64 << 10, swap: 64 << 10 } };
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toContain("container init was OOM-killed (memory limit too low?) (the limit is 65536 bytes");
    expect(box.leftovers()).toEqual([]);
  });

  test("without a cgroup: kill --all reaches init, the rest says that there is none", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    await box.ok(["--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle, id]);
    for (const command of [["pause"], ["ps"], ["events", "--stats"], ["update", "--pids-limit", "5"]]) {
      expect(await box.fails([...command, id]), command[0]).toContain("has no cgroup");
    }
    await box.ok(["kill", "--all", id, "KILL"]);
    await eventually("it has ended", () => (processOf(box.root, id) ? undefined : true));
    await box.ok(["delete", id]);
  });

  test("what this version doesn't have is let pass (engines send it)", async ({ box }) => {
    const resources = v2
      ? { memory: { swappiness: 60, disableOOMKiller: true, kernel: 1 << 30 }, cpu: { realtimeRuntime: 1000 } }
      : { memory: { kernel: 1 << 30, kernelTCP: 1 << 30 } };
    const log = box.path("log");
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux.resources = resources;
      },
    });
    const { stdout, stderr, code } = await box.call(["--log", log, "run", "--bundle", bundle, box.newId()]);
    expect({ stdout, stderr, code }).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(readFileSync(log, "utf8")).toContain("/linux/resources/memory/kernel is ignored");
  });
});

/** Whether the container's init lives. */
function processOf(root: string, id: string): boolean {
  return alive(JSON.parse(readFileSync(`${root}/${id}/state.json`, "utf8")).pid);
}

function read(container: Container, controller: string, file: string): string {
  return readFileSync(`${cgroupDirectory(container, controller)}/${file}`, "utf8").trim();
}

/** Why there is no such file; undefined when it is there. Seen in a cgroup, as the root hasn't all files. */
function absence(controller: string, file: string): string | undefined {
  if (v2) {
    const available = readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ");
    if (!available.includes(controller)) return `no ${controller} controller`;
  } else if (!existsSync(`/sys/fs/cgroup/${controller}`)) return `no ${controller} hierarchy`;
  return fileSomewhere(v2 ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controller}`, file) ? undefined : `no ${file}`;
}

function fileSomewhere(directory: string, file: string): boolean {
  if (existsSync(`${directory}/${file}`)) return true;
  return directories(directory).some((name) => fileSomewhere(`${directory}/${name}`, file));
}

/** Cgroups of others come and go meanwhile. */
function directories(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function firstDisk(): { major: number; minor: number } | undefined {
  const name = readdirSync("/sys/block").find((candidate) => !/^(loop|zram|ram)/.test(candidate));
  if (name === undefined) return undefined;
  const [major = 0, minor = 0] = readFileSync(`/sys/block/${name}/dev`, "utf8").trim().split(":").map(Number);
  return { major, minor };
}
