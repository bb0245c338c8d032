/** update: limits of a running container, merged with those it has, all or none. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Box, Container } from "../harness/box.ts";
import { cgroupDirectory, cgroupFile, v2 } from "../harness/cgroup.ts";
import { eventually } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { parseReport } from "../harness/probe.ts";

const SLEEP = ["/bin/sleep", "1000"];
const MiB = 1 << 20;

/** The limits that these tests change, in the terms of v1. */
function limits(container: Container): Record<string, string> {
  const [quota = "", period = ""] = v2
    ? cgroupFile(container, "cpu", "", "cpu.max").split(" ")
    : [cgroupFile(container, "cpu", "cpu.cfs_quota_us", ""), cgroupFile(container, "cpu", "cpu.cfs_period_us", "")];
  return {
    memory: cgroupFile(container, "memory", "memory.limit_in_bytes", "memory.max"),
    pids: cgroupFile(container, "pids", "pids.max", "pids.max"),
    shares: cgroupFile(container, "cpu", "cpu.shares", "cpu.weight"),
    quota,
    period,
  };
}

/** Updates by a document in a file. */
function update(box: Box, container: Container, resources: object) {
  const file = box.path("resources.json");
  writeFileSync(file, JSON.stringify(resources));
  return box.ok(["update", "-r", file, container.id]);
}

const limited = (resources: Record<string, unknown>) => ({
  config: (config: { linux: { resources?: Record<string, unknown> } }) => {
    config.linux.resources = resources;
  },
});

describeRuntimes("update", ({ test, differs, runtime }) => {
  const start = {
    memory: { limit: 64 * MiB },
    pids: { limit: 20 },
    cpu: { shares: 512, quota: 50000, period: 100000 },
  };

  differs({ crun: "takes 0 as a limit" })(
    "only what is given and isn't zero changes; devices never (case 20)",
    async ({ box }) => {
      const container = await box.start(SLEEP, limited(start));
      const before = limits(container);
      await update(box, container, {
        devices: [{ allow: true }],
        memory: { limit: 0, swap: 0 },
        cpu: { shares: 0, quota: 0, cpus: "" },
        blockIO: { weight: 0 },
      });
      expect(limits(container)).toEqual(before);
      if (!v2) {
        expect(readFileSync(`${cgroupDirectory(container, "devices")}/devices.list`, "utf8")).not.toMatch(/^a/);
      }
      await update(box, container, { memory: { limit: 48 * MiB } });
      expect(limits(container)).toEqual({ ...before, memory: String(48 * MiB) });
    },
  );

  test("a quota keeps the period, and a period the quota (case 20)", async ({ box }) => {
    const container = await box.start(SLEEP, limited({ cpu: { quota: 20000, period: 40000 } }));
    await update(box, container, { cpu: { quota: 30000 } });
    expect(limits(container)).toMatchObject({ quota: "30000", period: "40000" });
    await update(box, container, { cpu: { period: 80000 } });
    expect(limits(container)).toMatchObject({ quota: "30000", period: "80000" });
  });

  differs({ crun: "opens /dev/stdin anew, which is a socket here" })(
    "the document may come through standard input",
    async ({ box }) => {
      const container = await box.start(SLEEP);
      await box.ok(["update", "--resources=-", container.id], { input: '{"pids":{"limit":33}}\n' });
      expect(limits(container)["pids"]).toBe("33");
    },
  );

  differs({ crun: "takes no suffixes" })("flags, sizes with suffixes", async ({ box }) => {
    const container = await box.start(SLEEP, limited(start));
    await box.ok(["update", "--memory", "40M", "--pids-limit", "31", "--cpu-share", "1024", container.id]);
    expect(limits(container)).toEqual({
      memory: String(40 * MiB),
      pids: "31",
      shares: v2 ? "100" : "1024",
      quota: "50000",
      period: "100000",
    });
    await box.ok(["update", "--cpu-quota=60000", container.id]);
    expect(limits(container)).toMatchObject({ quota: "60000", period: "100000" });
  });

  test("created and paused containers can be updated", async ({ box }) => {
    const container = await box.create(SLEEP);
    await update(box, container, { pids: { limit: 21 } });
    await container.start();
    await box.ok(["pause", container.id]);
    await update(box, container, { pids: { limit: 22 } });
    expect(limits(container)["pids"]).toBe("22");
    await box.ok(["resume", container.id]);
  });

  differs({ crun: "says nothing" })("stopped ones can't", async ({ box }) => {
    const container = await box.start(["/bin/true"]);
    await container.until("stopped");
    await box.refuses(["update", "--pids-limit", "5", container.id], /container not running/);
  });

  test("a lower pids limit stops the next fork", async ({ box }) => {
    const container = await box.start(SLEEP);
    await update(box, container, { pids: { limit: 6 } });
    const { stdout } = await box.ok(["exec", container.id, "/probe", "forks", "40"]);
    expect(parseReport(stdout).forks).toBeGreaterThan(0);
    expect(parseReport(stdout).forks).toBeLessThan(7);
  });

  test("a lower memory limit kills who needs more", async ({ box }) => {
    const container = await box.start(SLEEP);
    await update(box, container, { memory: { limit: 24 * MiB, swap: 24 * MiB } });
    const { stdout } = await box.ok(["exec", container.id, "/probe", "alloc", "100"]);
    expect(parseReport(stdout).alloc & 0x7f).toBe(9);
  });

  test("a CPU quota throttles", async ({ box }) => {
    const container = await box.start(["/bin/sh", "-c", "while :; do :; done"]);
    await update(box, container, { cpu: { quota: 5000, period: 100000 } });
    const throttled = (): number =>
      Number(/^nr_throttled (\d+)$/m.exec(cgroupFile(container, "cpu", "cpu.stat", "cpu.stat"))?.[1]);
    const before = throttled();
    await eventually("it is throttled", () => (throttled() > before + 1 ? true : undefined));
  });

  if (!runtime.ours) return;

  test("memory and swap grow and shrink, in whichever order the kernel wants it", async ({ box }) => {
    const container = await box.start(SLEEP, limited({ memory: { limit: 32 * MiB, swap: 32 * MiB } }));
    const both = (): [number, number] => {
      const memory = Number(cgroupFile(container, "memory", "memory.limit_in_bytes", "memory.max"));
      const swap = Number(cgroupFile(container, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max"));
      return [memory / MiB, (v2 ? memory + swap : swap) / MiB];
    };
    for (const [memory, swap] of [
      [64, 64],
      [128, 256],
      [200, 256],
      [16, 16],
      [16, 64],
    ] as const) {
      await update(box, container, { memory: { limit: memory * MiB, swap: swap * MiB } });
      expect(both()).toEqual([memory, swap]);
    }
    await update(box, container, { memory: { limit: -1 } });
    if (v2) expect(cgroupFile(container, "memory", "", "memory.max")).toBe("max");
    else expect(both()[1]).toBeGreaterThan(1e9);
  });

  test("one refused limit takes all back", async ({ box }) => {
    const container = await box.start(SLEEP, limited(start));
    const before = limits(container);
    const resources = {
      pids: { limit: 7 },
      memory: { limit: 128 * MiB },
      cpu: { shares: 99, quota: 7000, cpus: "4000" },
    };
    const stderr = await box.fails(["update", "-r", "-", container.id], { input: JSON.stringify(resources) });
    expect(stderr).toContain("/linux/resources/cpu/cpus");
    expect(limits(container)).toEqual(before);
    // nor does a later update know of it
    await update(box, container, { cpu: { period: 50000 } });
    expect(limits(container)).toEqual({ ...before, period: "50000" });
  });

  test("an update starts from the one before", async ({ box }) => {
    const container = await box.start(SLEEP);
    await update(box, container, { cpu: { period: 50000 } });
    await update(box, container, { cpu: { quota: 9000 } });
    expect(limits(container)).toMatchObject({ quota: "9000", period: "50000" });
    await update(box, container, { cpu: { idle: 1 } });
    expect(cgroupFile(container, "cpu", "cpu.idle", "cpu.idle")).toBe("1");
  });

  test("a limit below what is in use tells how much that is", async ({ box }) => {
    const container = await box.start(SLEEP);
    if (v2) {
      const resources = { memory: { limit: 8192, checkBeforeUpdate: true } };
      const stderr = await box.fails(["update", "-r", "-", container.id], { input: JSON.stringify(resources) });
      expect(stderr).toMatch(/rejecting memory limit 8192 <= usage \d+/);
    } else {
      const stderr = await box.fails(["update", "--memory", "4k", container.id]);
      expect(stderr).toMatch(/unable to set memory limit to 4096 \(current usage: \d+, peak usage: \d+\)/);
    }
  });

  for (const [what, flags, words] of [
    ["no number", ["--pids-limit", "many"], 'invalid value "many" for pids-limit'],
    ["no size", ["--memory", "5 apples"], 'invalid value "5 apples" for memory'],
    ["shares beyond the kernel's", ["--cpu-share", "300000"], v2 ? "" : "the maximum allowed cpu-shares is 262144"],
    ["a quota too small", ["--cpu-quota", "5"], "must be at least 1000"],
    ["resctrl without resctrl", ["--l3-cache-schema", "L3:0=f"], "non-existent Intel RDT configuration"],
    ["a file that isn't there", ["-r", "/nonexistent"], "/nonexistent"],
  ] as const) {
    if (words === "") continue;
    test(`${what} is refused and changes nothing`, async ({ box }) => {
      const container = await box.start(SLEEP, limited(start));
      const before = limits(container);
      expect(await box.fails(["update", ...flags, container.id])).toContain(words);
      expect(limits(container)).toEqual(before);
    });
  }

  for (const [what, input] of [
    ["no JSON", "{"],
    ["a wrong type", '{"memory":{"limit":"much"}}'],
    ["a key twice", '{"pids":{"limit":1},"pids":{"limit":2}}'],
  ] as const) {
    test(`a document with ${what} is refused`, async ({ box }) => {
      const container = await box.start(SLEEP, limited(start));
      await box.fails(["update", "-r", "-", container.id], { input });
      expect(limits(container)["pids"]).toBe("20");
    });
  }

  test(v2 ? "unified files are set" : "unified files are refused on v1", async ({ box }) => {
    const container = await box.start(SLEEP);
    const input = JSON.stringify({ unified: { "memory.high": String(100 * MiB) } });
    if (v2) {
      await box.ok(["update", "-r", "-", container.id], { input });
      expect(cgroupFile(container, "memory", "", "memory.high")).toBe(String(100 * MiB));
    } else {
      const stderr = await box.fails(["update", "-r", "-", container.id], { input });
      expect(stderr).toContain("cannot use unified on cgroup v1");
    }
  });
});
