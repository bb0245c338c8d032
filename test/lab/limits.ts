/** update, events, ps on v2; places in the tree where a container can't be, and those that are handed on. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import type { Box, Container } from "../harness/box.ts";
import { eventually, killGroup, start } from "../harness/command.ts";
import { peer } from "../harness/runtimes.ts";
import { smallestLimitIn } from "../harness/smallest-limit.ts";
import { cgroupFile, cgroupOf, type LabCase, SLEEP } from "./cases.ts";

const MiB = 1 << 20;
const root = "/sys/fs/cgroup";

const limited = (resources: Record<string, unknown>, cgroupsPath?: string) => ({
  config: (config: { linux: { resources?: Record<string, unknown>; cgroupsPath?: string } }) => {
    config.linux.resources = resources;
    if (cgroupsPath !== undefined) config.linux.cgroupsPath = cgroupsPath;
  },
});

async function update(box: Box, { id }: Container, resources: object): Promise<void> {
  await box.ok(["update", "--resources", "-", id], { input: JSON.stringify(resources) });
}

/** A cgroup right below the root for the time of a case. */
async function withCgroup(name: string, body: (path: string) => Promise<void>): Promise<void> {
  const path = `${root}/${name}`;
  mkdirSync(path);
  try {
    await body(path);
  } finally {
    rmdirSync(path);
  }
}

export const limitCases: readonly LabCase[] = [
  {
    name: "the smallest memory limit that starts is crun's, or smaller",
    run: async (box) => {
      const crun = peer("crun");
      if (crun === undefined) return "crun isn't there to compare with";
      for (const way of ["run", "create"] as const) {
        const [ours = 0, theirs = 0] = [box.runtime, crun].map(({ argv }) =>
          smallestLimitIn(box, argv, { way, highest: 256, step: 16, tries: 3 }),
        );
        assert.ok(ours <= theirs + 16, `${way}: ${ours} KiB, crun ${theirs} KiB`);
      }
      return undefined;
    },
  },
  {
    name: "update: only what is given, and a quota keeps the period",
    run: async (box) => {
      const resources = { memory: { limit: 64 * MiB }, pids: { limit: 20 }, cpu: { quota: 20000, period: 40000 } };
      const container = await box.start(SLEEP, limited(resources));
      await update(box, container, { memory: { limit: 0 }, cpu: { quota: 30000, shares: 0 } });
      assert.equal(cgroupFile(container.pid, "cpu.max"), "30000 40000");
      assert.equal(cgroupFile(container.pid, "memory.max"), String(64 * MiB));
      await update(box, container, { memory: { limit: 128 * MiB }, unified: { "memory.high": String(96 * MiB) } });
      assert.equal(cgroupFile(container.pid, "memory.max"), String(128 * MiB));
      assert.equal(cgroupFile(container.pid, "memory.high"), String(96 * MiB));
      await update(box, container, { memory: { limit: -1 }, pids: { limit: -1 } });
      assert.equal(cgroupFile(container.pid, "memory.max"), "max");
      assert.equal(cgroupFile(container.pid, "pids.max"), "max");
    },
  },
  {
    name: "update: one refused limit takes all back",
    run: async (box) => {
      const resources = { memory: { limit: 64 * MiB }, pids: { limit: 20 }, cpu: { shares: 512 } };
      const container = await box.start(SLEEP, limited(resources));
      const files = ["memory.max", "pids.max", "cpu.weight", "cpu.max"];
      const before = files.map((file) => cgroupFile(container.pid, file));
      const asked = {
        pids: { limit: 7 },
        memory: { limit: 32 * MiB },
        cpu: { shares: 99, quota: 5000 },
        unified: { "memory.nonsense": "1" },
      };
      const stderr = await box.fails(["update", "-r", "-", container.id], { input: JSON.stringify(asked) });
      assert.match(stderr, /\/linux\/resources\/unified\/memory\.nonsense/);
      assert.deepEqual(
        files.map((file) => cgroupFile(container.pid, file)),
        before,
      );
    },
  },
  {
    name: "update: checkBeforeUpdate refuses what would kill",
    run: async (box) => {
      const container = await box.start(SLEEP);
      const asked = { memory: { limit: 8192, checkBeforeUpdate: true } };
      const stderr = await box.fails(["update", "-r", "-", container.id], { input: JSON.stringify(asked) });
      assert.match(stderr, /rejecting memory limit 8192 <= usage \d+/);
      assert.equal(await container.status(), "running");
    },
  },
  {
    name: "events --stats: limits of 64 bits, memory, pids",
    run: async (box) => {
      const container = await box.start(SLEEP, limited({ memory: { limit: 64 * MiB }, pids: { limit: 20 } }));
      const { stdout } = await box.ok(["events", "--stats", container.id]);
      assert.match(stdout, /"swap":\{"limit":18446744073709551615,/);
      const { type, id, data } = JSON.parse(stdout);
      assert.deepEqual([type, id], ["stats", container.id]);
      assert.equal(data.memory.usage.limit, 64 * MiB);
      assert.deepEqual(data.pids, { current: 1, limit: 20 });
      assert.equal(data.memory.events.oom_kill, 0);
    },
  },
  {
    name: "events: a kill for memory, by the container's limit and by one above",
    run: async (box) => {
      await withCgroup(box.tag, async (path) => {
        for (const level of ["container", "above"] as const) {
          const hungry = ["/bin/sh", "-c", "while :; do sleep 0.3; /probe alloc 200; done"];
          const own = level === "container" ? { memory: { limit: 24 * MiB } } : {};
          const container = await box.create(hungry, limited(own, `/${box.tag}/inner`));
          if (level === "above") writeFileSync(`${path}/memory.max`, String(24 * MiB));
          await container.start();
          const argv = box.argv("events", "--interval", "1h", container.id);
          const child = start(argv, ["ignore", "pipe", "inherit"], { env: box.environment });
          let text = "";
          child.stdout?.setEncoding("utf8").on("data", (more: string) => {
            text += more;
          });
          try {
            await eventually("a kill is told", () => (text.includes("\n") ? true : undefined));
          } finally {
            killGroup(child);
          }
          const { oom } = JSON.parse(text.slice(0, text.indexOf("\n")));
          const cgroup = level === "above" ? `/${box.tag}` : `/${box.tag}/inner`;
          assert.deepEqual(oom, { kills: 1, cgroup, level });
          await container.delete("--force");
        }
      });
    },
  },
  {
    name: "ps: pids of sub-cgroups too",
    run: async (box) => {
      const container = await box.start(["/bin/sh", "-c", "sleep 1000 & exec sleep 1001"]);
      const list = async (): Promise<number[]> => JSON.parse((await box.ok(["ps", "-f", "json", container.id])).stdout);
      let pids = await list();
      for (let tries = 0; pids.length < 2 && tries < 50; tries++) pids = await list();
      const inner = `${root}${cgroupOf(container.pid)}/inner`;
      mkdirSync(inner);
      writeFileSync(`${inner}/cgroup.procs`, String(pids.find((pid) => pid !== container.pid)));
      assert.deepEqual((await list()).sort(), pids.sort());
    },
  },
  {
    name: "below a cgroup with processes there are no limits: told, and that cgroup stays as it is",
    run: async (box) => {
      await withCgroup(box.tag, async (path) => {
        const child = start(SLEEP, "ignore");
        try {
          writeFileSync(`${path}/cgroup.procs`, String(child.pid));
          const bundle = box.bundle(SLEEP, limited({ memory: { limit: 64 * MiB } }, `/${box.tag}/inner`));
          const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
          assert.match(stderr, /the memory controller is not available in/);
          assert.match(stderr, /move its own processes further down/);
          assert.equal(readFileSync(`${path}/cgroup.type`, "utf8").trim(), "domain");
          assert.equal(existsSync(`${path}/inner`), false);
          const container = await box.start(SLEEP, limited({}, `/${box.tag}/inner`));
          assert.equal(cgroupOf(container.pid), `/${box.tag}/inner`);
          await container.delete("--force");
        } finally {
          killGroup(child);
          await eventually("it has left", () =>
            readFileSync(`${path}/cgroup.procs`, "utf8") === "" ? true : undefined,
          );
        }
      });
    },
  },
  {
    name: "beside a threaded cgroup: threaded, too, without limits of whole processes",
    run: async (box) => {
      await withCgroup(box.tag, async (path) => {
        mkdirSync(`${path}/threads`);
        writeFileSync(`${path}/threads/cgroup.type`, "threaded");
        try {
          const bundle = box.bundle(SLEEP, limited({ memory: { limit: 64 * MiB } }, `/${box.tag}/inner`));
          const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
          assert.match(stderr, /"memory\.max" can't be set: .* is domain invalid/);
          const container = await box.start(SLEEP, limited({}, `/${box.tag}/inner`));
          assert.equal(cgroupFile(container.pid, "cgroup.type"), "threaded");
          await container.delete("--force");
        } finally {
          rmdirSync(`${path}/threads`);
        }
      });
    },
  },
  {
    name: "below a frozen cgroup nothing is made",
    run: async (box) => {
      await withCgroup(box.tag, async (path) => {
        writeFileSync(`${path}/cgroup.freeze`, "1");
        const bundle = box.bundle(SLEEP, limited({}, `/${box.tag}/inner`));
        assert.match(await box.fails(["create", "--bundle", bundle, box.newId()]), /unexpectedly frozen/);
        assert.equal(existsSync(`${path}/inner`), false);
      });
    },
  },
  {
    name: "a writable cgroup belongs to the container's user, its limits don't",
    run: async (box) => {
      const container = await box.start(SLEEP, {
        config: (config) => {
          config.process.user = { uid: 1000, gid: 1000 };
          config.linux.namespaces = [
            ...config.linux.namespaces.filter(({ type }) => type !== "cgroup"),
            { type: "cgroup" },
          ];
          config.mounts = config.mounts.map((mount) =>
            mount.type === "cgroup" ? { ...mount, options: ["rw", "nosuid", "noexec", "nodev"] } : mount,
          );
        },
      });
      const path = `${root}${cgroupOf(container.pid)}`;
      const owner = (name: string): number => statSync(`${path}/${name}`).uid;
      assert.deepEqual(
        ["", "cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max"].map(owner),
        [1000, 1000, 1000, 0, 0],
      );
      const line = "mkdir /sys/fs/cgroup/sub && echo $$ > /sys/fs/cgroup/sub/cgroup.procs && echo moved";
      assert.equal((await box.ok(["exec", container.id, "/bin/sh", "-c", line])).stdout, "moved\n");
    },
  },
];
