/** Containers where cgroup v2 is all there is. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { alive, type Container } from "../harness/box.ts";
import { eventually, exitCode, start } from "../harness/command.ts";
import { cgroupFile, cgroupOf, type LabCase, SLEEP } from "./cases.ts";

const ROOT = "/sys/fs/cgroup";
const MiB = 1 << 20;

/** All processes of the container, as its cgroup has them. */
function processes(container: Container): string[] {
  return cgroupFile(container.pid, "cgroup.procs").split("\n");
}

export const unifiedCases: readonly LabCase[] = [
  {
    name: "this guest has v2 alone",
    run: async () => {
      assert.equal(readFileSync("/proc/self/cgroup", "utf8").trim().split("\n").length, 1);
      assert.match(cgroupOf("self"), /^\/lab\//);
    },
  },
  {
    name: "create, start, exec, kill, delete",
    run: async (box) => {
      const container = await box.create(SLEEP);
      assert.equal(await container.status(), "created");
      await container.start();
      assert.equal(await container.status(), "running");
      const path = cgroupOf(container.pid);
      const { stdout } = await box.ok(["exec", container.id, "/bin/sh", "-c", "echo joined; cat /proc/self/cgroup"]);
      assert.match(stdout, /^joined\n0::/);
      await container.kill("KILL");
      await container.until("stopped");
      await container.delete();
      assert.equal(existsSync(`${ROOT}${path}`), false);
    },
  },
  {
    name: "init and exec are in the container's cgroup",
    run: async (box) => {
      const container = await box.start(SLEEP, { config: (config) => (config.linux.cgroupsPath = `/${box.tag}/c`) });
      assert.equal(cgroupOf(container.pid), `/${box.tag}/c`);
      const pidFile = box.path("exec.pid");
      await box.ok(["exec", "--detach", "--pid-file", pidFile, container.id, ...SLEEP]);
      assert.deepEqual(processes(container), [String(container.pid), readFileSync(pidFile, "utf8")]);
      await container.delete("--force");
      rmdirSync(`${ROOT}/${box.tag}`);
    },
  },
  {
    name: "init is born in it: a full cgroup of the caller's is no obstacle",
    run: async (box) => {
      const full = `${ROOT}/lab/${box.tag}-full`;
      mkdirSync(full);
      writeFileSync(`${full}/pids.max`, "1");
      const id = box.newId();
      const command = box.argv("create", "--bundle", box.bundle(SLEEP), id);
      const script = `echo $$ >${full}/cgroup.procs && exec "$@"`;
      const child = start(["/bin/sh", "-c", script, "sh", ...command], "ignore", { env: box.environment });
      assert.equal(await exitCode(child, command), 0);
      await box.ok(["delete", "--force", id]);
      rmdirSync(full);
    },
  },
  {
    name: "cgroupsPath: absolute, relative, none",
    run: async (box) => {
      const beside = cgroupOf("self").replace(/\/[^/]*$/, "");
      for (const [path, expected] of [
        [`/${box.tag}-absolute`, `/${box.tag}-absolute`],
        [`${box.tag}-relative/inner`, `${beside}/${box.tag}-relative/inner`],
        [undefined, undefined],
      ] as const) {
        const container = await box.create(SLEEP, {
          config: (config) => {
            if (path !== undefined) config.linux.cgroupsPath = path;
          },
        });
        assert.equal(cgroupOf(container.pid), expected ?? `${beside}/${container.id}`);
        await container.delete("--force");
      }
      rmdirSync(`${ROOT}${beside}/${box.tag}-relative`);
    },
  },
  {
    name: "a cgroup with processes is refused, and so is the root",
    run: async (box) => {
      for (const path of ["/", cgroupOf("self")]) {
        const id = box.newId();
        const bundle = box.bundle(SLEEP, {
          config: (config) => {
            config.linux.cgroupsPath = path;
            config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
          },
        });
        const error = await box.fails(["create", "--bundle", bundle, id]);
        assert.match(error, /cgroup/);
        await box.ok(["delete", "--force", id]);
      }
      // we are still here, and so is process 1
      assert.equal(alive(1), true);
    },
  },
  {
    name: "limits are written as v2 has them",
    run: async (box) => {
      const container = await box.create(SLEEP, {
        config: (config) => {
          config.linux.resources = {
            memory: { limit: 64 * MiB, reservation: 32 * MiB, swap: 96 * MiB },
            pids: { limit: 17 },
            cpu: { shares: 512, quota: 50000, period: 200000 },
            unified: { "memory.high": String(48 * MiB) },
          };
        },
      });
      const file = (name: string): string => cgroupFile(container.pid, name);
      assert.equal(file("memory.max"), String(64 * MiB));
      assert.equal(file("memory.low"), String(32 * MiB));
      assert.equal(file("memory.high"), String(48 * MiB));
      assert.equal(file("pids.max"), "17");
      assert.equal(file("cpu.max"), "50000 200000");
      assert.equal(file("cpu.weight"), "59");
    },
  },
  {
    name: "io limits of a block device are written",
    run: async (box) => {
      if (!existsSync("/sys/block/loop0")) return "there is no loop device";
      writeFileSync(box.path("disk"), Buffer.alloc(MiB));
      execFileSync("losetup", ["/dev/loop0", box.path("disk")]);
      try {
        const container = await box.create(SLEEP, {
          config: (config) => {
            config.linux.resources = {
              blockIO: {
                throttleReadBpsDevice: [{ major: 7, minor: 0, rate: MiB }],
                throttleWriteIOPSDevice: [{ major: 7, minor: 0, rate: 50 }],
              },
            };
          },
        });
        assert.equal(cgroupFile(container.pid, "io.max"), `7:0 rbps=${MiB} wbps=max riops=max wiops=50`);
        await container.delete("--force");
      } finally {
        execFileSync("losetup", ["-d", "/dev/loop0"]);
      }
      return undefined;
    },
  },
  {
    name: "a missing controller is named",
    run: async (box) => {
      const bundle = box.bundle(SLEEP, { config: (config) => (config.linux.resources = { cpu: { cpus: "0" } }) });
      const error = await box.fails(["create", "--bundle", bundle, box.newId()]);
      assert.match(error, /cpuset controller is not available/);
    },
  },
  {
    name: "--systemd-cgroup where there is no systemd: told, and nothing is left",
    run: async (box) => {
      const id = box.newId();
      const error = await box.fails(["--systemd-cgroup", "create", "--bundle", box.bundle(SLEEP), id]);
      assert.match(error, /systemd can't be reached: \/run\/systemd\/private: no such file or directory/);
      assert.equal(await box.state(id), undefined);
    },
  },
  {
    name: "the pids limit holds",
    run: async (box) => {
      const report = await box.probe([["forks", "50"]], {
        config: (config) => (config.linux.resources = { pids: { limit: 10 } }),
      });
      assert.equal(report.forks > 3 && report.forks < 11, true, `${report.forks} forks`);
    },
  },
  {
    name: "the memory limit holds: the kernel kills inside the container",
    run: async (box) => {
      const report = await box.probe([["alloc", "200"]], {
        config: (config) => (config.linux.resources = { memory: { limit: 32 * MiB } }),
      });
      assert.equal(report.alloc & 0x7f, 9);
    },
  },
  {
    name: "a limit that kills init while it is set up is told",
    run: async (box) => {
      const bundle = box.bundle(SLEEP, {
        config: (config) => (config.linux.resources = { memory: { limit: 16384 } }),
      });
      const error = await box.fails(["create", "--bundle", bundle, box.newId()]);
      assert.match(error, /OOM-killed \(memory limit too low\?\)|cannot allocate memory/);
    },
  },
  {
    name: "a cgroup namespace shows the container's cgroup as the root",
    run: async (box) => {
      const files = ["/proc/self/cgroup", "/sys/fs/cgroup/memory.max"];
      const report = await box.probe(
        [
          ["read", ...files],
          ["write", "/sys/fs/cgroup/memory.max", "1"],
        ],
        {
          config: (config) => {
            config.linux.namespaces.push({ type: "cgroup" });
            config.linux.resources = { memory: { limit: 48 * MiB } };
          },
        },
      );
      assert.equal(report.read["/proc/self/cgroup"]?.text, "0::/\n");
      assert.equal(report.read["/sys/fs/cgroup/memory.max"]?.text, `${48 * MiB}\n`);
      assert.equal(report.write, "EROFS");
    },
  },
  {
    name: "a writable cgroup mount is the container's own to divide; exec then joins where init is",
    run: async (box) => {
      const script =
        "cd /sys/fs/cgroup && mkdir inner && echo 1 >inner/cgroup.procs && echo +pids >cgroup.subtree_control && echo moved && exec sleep 1000";
      const container = await box.start(["/bin/sh", "-c", script], {
        config: (config) => {
          config.linux.namespaces.push({ type: "cgroup" });
          const mount = config.mounts.find(({ type }) => type === "cgroup");
          if (mount !== undefined) mount.options = ["rw", "nosuid", "nodev", "noexec"];
        },
      });
      await eventually("it moves", () => (container.output.stdout.includes("moved") ? true : undefined));
      const path = cgroupOf(container.pid);
      assert.match(path, /\/inner$/);
      const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/self/cgroup"]);
      assert.equal(stdout, "0::/inner\n");
      await container.delete("--force");
      assert.equal(existsSync(`${ROOT}${path}`), false);
    },
  },
  {
    name: "pause and resume",
    run: async (box) => {
      const container = await box.start(SLEEP);
      await box.ok(["pause", container.id]);
      assert.equal(await container.status(), "paused");
      assert.equal(cgroupFile(container.pid, "cgroup.freeze"), "1");
      assert.match(await box.fails(["exec", container.id, "/bin/true"], { code: 255 }), /paused/);
      await box.ok(["resume", container.id]);
      assert.equal(await container.status(), "running");
      await box.ok(["pause", container.id]);
      await container.delete("--force");
      assert.equal(alive(container.pid), false);
    },
  },
  {
    name: "kill --all and delete --force end every process, without a pid namespace too",
    run: async (box) => {
      const script = "for i in 1 2 3; do (while :; do sleep 1000; done) & done; echo ready; sleep 1000";
      const shared = {
        config: (config: { linux: { namespaces: { type: string }[] } }) => {
          config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
        },
      };
      for (const [command, ...flags] of [
        ["kill", "--all"],
        ["delete", "--force"],
      ] as const) {
        const container = await box.start(["/bin/sh", "-c", script], shared);
        await eventually("it starts", () => (container.output.stdout.includes("ready") ? true : undefined));
        const pids = await eventually("all run", () => {
          const list = processes(container);
          return list.length === 7 ? list : undefined;
        });
        await box.ok([command, ...flags, container.id, ...(command === "kill" ? ["KILL"] : [])]);
        await eventually("they end", () => (pids.some((pid) => alive(Number(pid))) ? undefined : true));
        await container.delete("--force");
      }
    },
  },
  {
    name: "after a killed runtime, delete --force leaves nothing",
    run: async (box) => {
      const id = box.newId();
      const command = box.argv("run", "--bundle", box.bundle(["/probe", "hold"]), id);
      const child = start(command, "ignore", { env: box.environment });
      await eventually("it runs", () => (existsSync(`${box.root}/${id}/state.json`) ? true : undefined));
      const beside = `${ROOT}${cgroupOf("self").replace(/\/[^/]*$/, "")}/${id}`;
      assert.equal(existsSync(beside), true);
      child.kill("SIGKILL");
      await exitCode(child, command);
      await box.ok(["delete", "--force", id]);
      assert.equal(existsSync(beside), false);
    },
  },
  {
    name: "thirty containers leave no cgroup",
    run: async (box) => {
      const parent = `${ROOT}${cgroupOf("self").replace(/\/[^/]*$/, "")}`;
      const before = readdirSync(parent);
      const bundle = box.bundle(["/bin/true"]);
      for (let i = 0; i < 30; i++) await box.ok(["run", "--bundle", bundle, box.newId()]);
      assert.deepEqual(readdirSync(parent), before);
    },
  },
];
