/** Cgroups: membership, limits, clean-up; on this machine's own layout (v1, v2 or both). */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { expect } from "vitest";
import type { Container } from "../harness/box.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { probeArgs } from "../harness/probe.ts";
import { hybridCgroups, peer } from "../harness/runtimes.ts";
import { smallestLimitIn } from "../harness/smallest-limit.ts";

const SLEEP = ["/bin/sleep", "1000"];
const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

/** Where the process is, by controller ("" is the v2 hierarchy). */
function membership(pid: number | "self"): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [, controllers = "", ...path] = line.split(":");
      return controllers.split(",").map((controller): [string, string] => [controller, path.join(":")]);
    }),
  );
}

/** A file of the container's cgroup. */
function cgroupFile(container: Container, controller: string, v1Name: string, v2Name: string): string {
  const path = membership(container.pid).get(v2 ? "" : controller);
  return readFileSync(
    v2 ? `/sys/fs/cgroup${path}/${v2Name}` : `/sys/fs/cgroup/${controller}${path}/${v1Name}`,
    "utf8",
  ).trim();
}

describeRuntimes("cgroups", ({ test, differs, runtime }) => {
  test("the process is in the cgroup of cgroupsPath, in every hierarchy, when create returns", async ({ box }) => {
    const path = `/tsrunc-tests/${box.tag}`;
    const container = await box.create(SLEEP, {
      config: (config) => {
        config.linux.cgroupsPath = path;
      },
    });
    for (const [controller, at] of membership(container.pid)) {
      if (controller === "" && runtime.name === "crun") continue; // sees no v2 hierarchy here
      if (controller === "hugetlb" || controller.startsWith("net_") || controller === "perf_event") continue; // not mounted
      expect(at, controller).toBe(path);
    }
    await container.delete();
    expect(box.leftovers()).toEqual([]);
  });

  test("without cgroupsPath there is a cgroup of its own, named after the id", async ({ box }) => {
    const container = await box.create(SLEEP);
    const path = membership(container.pid).get(v2 ? "" : "memory") ?? "";
    expect(path).toContain(container.id);
    expect(path).not.toBe(membership("self").get("memory"));
  });

  test("memory, pids and cpu limits are written", async ({ box }) => {
    const container = await box.create(SLEEP, {
      config: (config) => {
        config.linux.resources = {
          memory: { limit: 64 << 20, reservation: 32 << 20, swap: 64 << 20 },
          pids: { limit: 17 },
          cpu: { shares: 512, quota: 50000, period: 100000, cpus: "0" },
        };
      },
    });
    expect(cgroupFile(container, "memory", "memory.limit_in_bytes", "memory.max")).toBe(String(64 << 20));
    expect(cgroupFile(container, "memory", "memory.soft_limit_in_bytes", "memory.low")).toBe(String(32 << 20));
    expect(cgroupFile(container, "pids", "pids.max", "pids.max")).toBe("17");
    expect(cgroupFile(container, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ")[0]).toBe("50000");
    if (!v2) expect(cgroupFile(container, "cpu", "cpu.shares", "")).toBe("512");
    expect(cgroupFile(container, "cpuset", "cpuset.cpus", "cpuset.cpus")).toBe("0");
  });

  test("the limits hold: pids", async ({ box }) => {
    const report = await box.probe([["forks", "50"]], {
      config: (config) => {
        config.linux.resources = { pids: { limit: 10 } };
      },
    });
    expect(report.forks).toBeGreaterThan(3);
    expect(report.forks).toBeLessThan(11);
  });

  test("the limits hold: memory; the kill is inside the container", async ({ box }) => {
    const report = await box.probe([["alloc", "200"]], {
      config: (config) => {
        config.linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
      },
    });
    expect(report.alloc & 0x7f).toBe(9);
  });

  test("the container sees its limit", async ({ box }) => {
    const file = v2 ? "/sys/fs/cgroup/memory.max" : "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    const report = await box.probe([["read", file]], {
      config: (config) => {
        config.linux.resources = { memory: { limit: 48 << 20 } };
      },
    });
    expect(report.read[file]?.text).toBe(`${48 << 20}\n`);
  });

  for (const mib of [6, 12]) {
    test(`a limit of ${mib} MiB is enough to create and start (case 24)`, async ({ box }) => {
      const result = await box.run(["/bin/true"], {
        config: (config) => {
          config.linux.resources = { memory: { limit: mib << 20, swap: mib << 20 } };
        },
      });
      expect(result.code, result.stderr).toBe(0);
    });
  }

  for (const way of ["run", "create"] as const) {
    test(`the smallest limit that starts is crun's, or smaller: ${way}`, async ({ box, skip }) => {
      const crun = peer("crun");
      if (runtime.name !== "tsrunc") skip("about init, which is the same in all of ours");
      if (crun === undefined) skip("crun isn't there to compare with");
      const smallest = (argv: readonly string[]): number =>
        smallestLimitIn(box, argv, { way, highest: 1024, step: 8, tries: 7 });
      // two steps may be luck: what a start before has left for the kernel to free
      expect(smallest(runtime.argv)).toBeLessThanOrEqual(smallest(crun?.argv ?? []) + 16);
    });
  }

  test("a limit too low to start is an error, not a hang (R18)", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux.resources = { memory: { limit: 16384, swap: 16384 } };
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    if (runtime.ours) expect(stderr).toMatch(/memory limit too low|device or resource busy|OOM/i);
    expect(box.leftovers()).toEqual([]);
  });

  const impossible: [string, Record<string, unknown>][] = [
    ["a negative pids limit below -1", { pids: { limit: -5 } }],
    ["a CPU that isn't there", { cpu: { cpus: "9999" } }],
    ["a CPU quota below the kernel's minimum", { cpu: { quota: 10, period: 100000 } }],
    ["nonsense as CPU list", { cpu: { cpus: "a\nb" } }],
  ];
  for (const [what, resources] of impossible) {
    differs(what.includes("negative") ? { runc: "takes it as unlimited", crun: "the same" } : {})(
      `${what} is refused, nothing is left`,
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], {
          config: (config) => {
            config.linux.resources = resources;
          },
        });
        const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
        if (runtime.ours) expect(stderr).toContain("/linux/resources/");
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  test("zeros mean: leave as it is (docker writes them)", async ({ box }) => {
    const result = await box.run(["/bin/true"], {
      config: (config) => {
        config.linux.resources = {
          memory: { limit: 0, reservation: 0 },
          cpu: { shares: 0, quota: 0, period: 0 },
          blockIO: { weight: 0 },
        };
      },
    });
    expect(result.code, result.stderr).toBe(0);
  });

  for (const path of ["/tsrunc/../../../escape", "relative/../../..", "a\nb"]) {
    differs({ runc: "cleans the path", crun: "tries it" })(
      `cgroupsPath ${JSON.stringify(path)} is refused (V16)`,
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], {
          config: (config) => {
            config.linux.cgroupsPath = path;
          },
        });
        await box.fails(["create", "--bundle", bundle, box.newId()]);
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  differs({ runc: "1.1 joins it", crun: "joins it" })(
    "a cgroup with someone else in it is refused, and that one lives on (V16)",
    async ({ box }) => {
      const first = await box.start(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
        },
      });
      const bundle = box.bundle(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
        },
      });
      await box.refuses(["create", "--bundle", bundle, box.newId()], /empty/);
      expect(await first.status()).toBe("running");
    },
  );

  test("sub-cgroups that the container made go with it (R9)", async ({ box }) => {
    const container = await box.start(
      [
        "/bin/sh",
        "-c",
        "for h in /sys/fs/cgroup/* /sys/fs/cgroup; do mkdir -p $h/sub/sub2 && echo $$ > $h/sub/sub2/cgroup.procs; done 2>/dev/null; echo made; sleep 1000",
      ],
      {
        config: (config) => {
          config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
          config.mounts = config.mounts.map((mount) =>
            mount.type === "cgroup" ? { ...mount, options: ["rw", "nosuid", "noexec", "nodev"] } : mount,
          );
        },
      },
    );
    while (!container.output.stdout.includes("made")) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(box.leftovers().some((line) => line.includes("cgroup"))).toBe(true);
    await container.delete("--force");
    expect(box.leftovers()).toEqual([]);
  });

  test("existing parents stay, our own directory goes", async ({ box }) => {
    const parent = v2 ? `/sys/fs/cgroup/${box.tag}` : `/sys/fs/cgroup/pids/${box.tag}`;
    mkdirSync(parent);
    try {
      const container = await box.create(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `/${box.tag}/inner`;
        },
      });
      expect(readdirSync(parent)).toContain("inner");
      await container.delete();
      expect(existsSync(parent)).toBe(true);
      expect(existsSync(`${parent}/inner`)).toBe(false);
    } finally {
      if (existsSync(parent)) rmdirSync(parent);
      removeEmptyParents(box.tag);
    }
  });

  test("an OOM kill is counted in the cgroup that stays until delete", async ({ box }) => {
    const container = await box.create(probeArgs(["alloc", "200"]), {
      config: (config) => {
        config.linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
      },
    });
    const path = membership(container.pid).get(v2 ? "" : "memory") ?? "";
    await container.start();
    await container.until("stopped");
    const events = readFileSync(
      v2 ? `/sys/fs/cgroup${path}/memory.events` : `/sys/fs/cgroup/memory${path}/memory.oom_control`,
      "utf8",
    );
    expect(events).toMatch(/oom_kill [1-9]/);
  });

  if (hybridCgroups()) {
    test("on a hybrid host the v2 directory is made and removed, too", async ({ box }) => {
      if (runtime.name === "crun") return;
      const container = await box.create(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
        },
      });
      expect(existsSync(`/sys/fs/cgroup/unified/tsrunc-tests/${box.tag}/cgroup.events`)).toBe(true);
      await container.delete();
      expect(existsSync(`/sys/fs/cgroup/unified/tsrunc-tests/${box.tag}`)).toBe(false);
    });
  }

  test("containers that come and go leave no cgroup and no state", async ({ box }) => {
    // a Node.js start costs ten containers of the static binary
    const cycles = runtime.name === "node" ? 12 : 300;
    const parents = [...membership("self")].map(([controller, path]) => {
      const hierarchy = v2 ? "" : controller === "" ? "unified" : controller.replace("name=", "");
      return `/sys/fs/cgroup/${hierarchy}${path}`;
    });
    const ours = (): string[] =>
      ["/sys/fs/cgroup", ...parents]
        .filter((parent) => existsSync(parent))
        .flatMap((parent) => readdirSync(parent).filter((name) => name.includes(box.tag)));
    const bundle = box.bundle(["/bin/true"]);
    for (let done = 0; done < cycles; done += 4) {
      const ids = Array.from({ length: 4 }, () => box.newId());
      await Promise.all(ids.map((id) => box.ok(["create", "--bundle", bundle, id])));
      await Promise.all(ids.map((id) => box.ok(["delete", "--force", id])));
    }
    expect(ours()).toEqual([]);
    expect(readdirSync(box.root)).toEqual([]);
    expect(box.leftovers()).toEqual([]);
  }, 120_000);
});

/** The other hierarchies' copies of a parent that the test made in one of them. */
function removeEmptyParents(name: string): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
    try {
      rmdirSync(`/sys/fs/cgroup/${hierarchy}/${name}`);
    } catch {
      // not made there
    }
  }
}
