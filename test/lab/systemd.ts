/** The systemd driver, with a real systemd. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { alive, type Box } from "../harness/box.ts";
import { eventually, exitCode, run, start } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { mayUse, questions, questionText, ruleCases } from "../harness/device-rules.ts";
import { deviceAnswers } from "../harness/device-script.ts";
import { makeRootfs } from "../harness/rootfs.ts";
import { cgroupFile, cgroupOf, type LabCase, SLEEP } from "./cases.ts";
import { loaded, scope, show, withSystemd } from "./units.ts";

const MiB = 1 << 20;

/** A podman with everything of its own, and our runtime. */
async function podman(box: Box): Promise<unknown> {
  if (!existsSync("/usr/bin/podman")) return "podman is not installed";
  const [runtime] = box.runtime.argv.slice(-1);
  const file = box.path("containers.conf");
  writeFileSync(
    file,
    [
      ...["[engine]", 'runtime="tsrunc"', 'cgroup_manager="systemd"', 'events_logger="file"'],
      ...["[engine.runtimes]", `tsrunc=["${runtime}"]`, "[containers]", 'netns="none"', 'seccomp_profile="unconfined"'],
    ].join("\n"),
  );
  const store = ["--root", box.path("root"), "--runroot", box.path("runroot"), "--tmpdir", box.path("tmp2")];
  const call = async (...args: string[]): Promise<string> => {
    const argv = ["podman", ...store, "--storage-driver", "vfs", ...args];
    const result = await run(argv, { env: { ...process.env, CONTAINERS_CONF: file } as Record<string, string> });
    if (result.code !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`);
    return result.stdout.trim();
  };
  makeRootfs(box.path("image"));
  execFileSync("tar", ["-C", box.path("image"), "-cf", box.path("image.tar"), "."]);
  await call("import", box.path("image.tar"), "localhost/lab:1");
  const id = await call("run", "-d", "--memory", "64m", "--name", box.tag, "localhost/lab:1", ...SLEEP);
  const unit = `libpod-${id}.scope`;
  assert.deepEqual(show(unit, "MemoryMax", "ActiveState"), { MemoryMax: String(64 * MiB), ActiveState: "active" });
  assert.equal(await call("exec", box.tag, "/bin/cat", "/proc/self/cgroup"), "0::/");
  await call("pause", box.tag);
  await call("unpause", box.tag);
  assert.match(await call("stats", "--no-stream", "--format", "{{.MemUsage}}", box.tag), /67.11MB/);
  await call("rm", "-f", "-t", "0", box.tag);
  assert.equal(loaded(unit), false);
  return undefined;
}

export const systemdCases: readonly LabCase[] = [
  {
    name: "a container is a scope with its limits as properties, and the unit is gone after delete",
    run: async (box) => {
      const container = await withSystemd(box).create(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `system.slice:${box.tag}:a`;
          config.linux.resources = {
            memory: { limit: 64 * MiB, reservation: 32 * MiB },
            pids: { limit: 17 },
            cpu: { shares: 512, quota: 50000, period: 100000 },
            devices: [{ allow: false, access: "rwm" }],
            unified: { "memory.high": String(48 * MiB) },
          };
        },
      });
      const unit = scope(box, "a");
      assert.equal(cgroupOf(container.pid), `/system.slice/${unit}`);
      assert.deepEqual(
        show(
          unit,
          "MemoryMax",
          "MemoryLow",
          "MemoryHigh",
          "TasksMax",
          "CPUWeight",
          "CPUQuotaPerSecUSec",
          "Delegate",
          "Slice",
          "DevicePolicy",
        ),
        {
          MemoryMax: String(64 * MiB),
          MemoryLow: String(32 * MiB),
          MemoryHigh: String(48 * MiB),
          TasksMax: "17",
          CPUWeight: "59",
          CPUQuotaPerSecUSec: "500ms",
          Delegate: "yes",
          Slice: "system.slice",
          DevicePolicy: "strict",
        },
      );
      assert.equal(cgroupFile(container.pid, "memory.max"), String(64 * MiB));
      assert.equal(cgroupFile(container.pid, "cpu.max"), "50000 100000");
      await container.start();
      const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/self/cgroup"]);
      assert.equal(stdout, `0::/system.slice/${unit}\n`);
      await container.kill("KILL");
      await container.until("stopped");
      await container.delete();
      assert.equal(loaded(unit), false);
      assert.equal(existsSync(`/sys/fs/cgroup/system.slice/${unit}`), false);
    },
  },
  {
    name: "without cgroupsPath the scope is called after the container; other slices have their directories",
    run: async (box) => {
      const container = await withSystemd(box).create(SLEEP);
      assert.equal(cgroupOf(container.pid), `/system.slice/tsrunc-${container.id}.scope`);
      await container.delete("--force");
      const other = await box.create(SLEEP, {
        config: (config) => (config.linux.cgroupsPath = `lab-a-b.slice:${box.tag}:b`),
      });
      assert.equal(cgroupOf(other.pid), `/lab.slice/lab-a.slice/lab-a-b.slice/${scope(box, "b")}`);
      await other.delete("--force");
    },
  },
  {
    name: "the saved driver wins: later commands take no flag, and --systemd-cgroup changes nothing",
    run: async (box) => {
      const container = await withSystemd(box).start(SLEEP);
      await box.ok(["pause", container.id]);
      assert.equal(await container.status(), "paused");
      await box.ok(["resume", container.id]);
      await box.ok(["update", "--memory", "40M", "--pids-limit", "9", container.id]);
      const unit = `tsrunc-${container.id}.scope`;
      assert.deepEqual(show(unit, "MemoryMax", "TasksMax"), { MemoryMax: String(40 * MiB), TasksMax: "9" });
      assert.equal(cgroupFile(container.pid, "memory.max"), String(40 * MiB));
      await box.ok(["--systemd-cgroup", "kill", container.id, "KILL"]);
      await container.until("stopped");
      await box.ok(["--systemd-cgroup", "delete", container.id]);
      assert.equal(loaded(unit), false);
    },
  },
  {
    name: "limits survive a daemon-reload",
    run: async (box) => {
      const container = await withSystemd(box).start(SLEEP, {
        config: (config) => {
          config.linux.resources = {
            memory: { limit: 32 * MiB },
            pids: { limit: 11 },
            devices: [{ allow: false, access: "rwm" }],
          };
        },
      });
      execFileSync("systemctl", ["daemon-reload"]);
      assert.equal(cgroupFile(container.pid, "memory.max"), String(32 * MiB));
      assert.equal(cgroupFile(container.pid, "pids.max"), "11");
      const { stdout } = await box.ok(["exec", container.id, "/bin/sh", "-c", "echo fine >/dev/null && echo yes"]);
      assert.equal(stdout, "yes\n");
    },
  },
  {
    name: "annotations become properties; what isn't about the scope is refused and leaves nothing",
    run: async (box) => {
      withSystemd(box);
      const annotated = (annotations: Record<string, string>) => ({
        config: (config: Config) => {
          config.annotations = annotations;
        },
      });
      const container = await box.create(
        SLEEP,
        annotated({
          "org.systemd.property.TimeoutStopUSec": "uint64 5000000",
          "org.systemd.property.CollectMode": "'inactive-or-failed'",
          "org.systemd.property.After": "['dbus.service']",
        }),
      );
      const properties = show(`tsrunc-${container.id}.scope`, "TimeoutStopUSec", "CollectMode", "After");
      assert.equal(properties["TimeoutStopUSec"], "5s");
      assert.equal(properties["CollectMode"], "inactive-or-failed");
      assert.match(properties["After"] ?? "", /dbus\.service/);
      for (const [name, value, words] of [
        ["ExecStart", "[('/bin/sh', ['sh'], false)]", /may not have/],
        ["KillMode", "'no such mode'", /systemd refuses to start/],
        ["KillMode", "[", /can't be read/],
      ] as const) {
        const bundle = box.bundle(SLEEP, annotated({ [`org.systemd.property.${name}`]: value }));
        const id = box.newId();
        assert.match(await box.fails(["create", "--bundle", bundle, id]), words);
        assert.equal(await box.state(id), undefined);
        assert.equal(loaded(`tsrunc-${id}.scope`), false);
      }
    },
  },
  {
    name: "a unit that is in use is refused, and stays; a failed one of that name is reset",
    run: async (box) => {
      const path = (config: Config): void => {
        config.linux.cgroupsPath = `system.slice:${box.tag}:same`;
      };
      const container = await withSystemd(box).start(SLEEP, { config: path });
      const second = box.newId();
      await box.fails(["create", "--bundle", box.bundle(SLEEP, { config: path }), second]);
      assert.equal(await container.status(), "running");
      assert.equal(await box.state(second), undefined);
      await container.delete("--force");

      // a scope whose time is over fails, and keeps its name
      const unit = scope(box, "same");
      const options = [`--unit=${unit}`, "--property=DefaultDependencies=no", "--property=RuntimeMaxSec=1"];
      try {
        execFileSync("systemd-run", ["--scope", ...options, "sleep", "20"], { stdio: "ignore" });
      } catch {
        // it is killed
      }
      assert.equal(show(unit, "ActiveState")["ActiveState"], "failed");
      const third = await box.create(SLEEP, { config: path });
      assert.equal(show(unit, "ActiveState")["ActiveState"], "active");
      await third.delete("--force");
      assert.equal(loaded(unit), false);
    },
  },
  {
    name: "a container that is killed for memory leaves no failed unit",
    run: async (box) => {
      const container = await withSystemd(box).start(["/probe", "alloc", "200", ",", "hold"], {
        config: (config) => {
          config.linux.resources = { memory: { limit: 16 * MiB }, unified: { "memory.oom.group": "1" } };
        },
      });
      await container.ended();
      await container.delete();
      assert.equal(loaded(`tsrunc-${container.id}.scope`), false);
    },
  },
  {
    name: "delete --force after the runtime was killed removes the unit",
    run: async (box) => {
      const id = box.newId();
      const command = withSystemd(box).argv("run", "--bundle", box.bundle(SLEEP), id);
      const child = start(command, "ignore", { env: box.environment });
      await eventually("it runs", () => (existsSync(`${box.root}/${id}/state.json`) ? true : undefined));
      child.kill("SIGKILL");
      await exitCode(child, command);
      await box.ok(["delete", "--force", id]);
      assert.equal(loaded(`tsrunc-${id}.scope`), false);
    },
  },
  {
    name: "thirty containers leave no unit and no cgroup",
    run: async (box) => {
      const bundle = withSystemd(box).bundle(["/bin/true"]);
      for (let i = 0; i < 30; i++) await box.ok(["run", "--bundle", bundle, box.newId()]);
      const units = execFileSync("systemctl", ["list-units", "--all", "--plain", "--no-legend", `tsrunc-${box.tag}*`], {
        encoding: "utf8",
      });
      assert.equal(units, "");
    },
  },
  {
    name: "by way of the D-Bus daemon it works, too",
    run: async (box) => {
      const environment = { ...box.environment, DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/run/dbus/system_bus_socket" };
      const id = box.newId();
      withSystemd(box);
      await box.ok(["create", "--bundle", box.bundle(SLEEP), id], { env: environment });
      const unit = `tsrunc-${id}.scope`;
      assert.equal(show(unit, "ActiveState")["ActiveState"], "active");
      await box.ok(["delete", "--force", id], { env: environment });
      assert.equal(loaded(unit), false);
    },
  },
  {
    name: "all processes of a container without a pid namespace end with its scope",
    run: async (box) => {
      const container = await withSystemd(box).start(["/bin/sh", "-c", "sleep 1000 & sleep 1000 & echo ready; wait"], {
        config: (config) => {
          config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
        },
      });
      await eventually("it starts", () => (container.output.stdout.includes("ready") ? true : undefined));
      const pids = cgroupFile(container.pid, "cgroup.procs").split("\n").map(Number);
      assert.equal(pids.length, 3);
      await container.delete("--force");
      assert.deepEqual(pids.filter(alive), []);
    },
  },
  {
    name: "root of the user namespace that systemd runs in asks the machine's (LXC); --rootless=true the user's",
    run: async (box) => {
      const bundle = withSystemd(box).bundle(SLEEP, {
        config: ({ mounts }) => {
          // of which nobody is called 5 there
          for (const mount of mounts) mount.options = mount.options?.filter((option) => option !== "gid=5") ?? [];
        },
      });
      const id = box.newId();
      const inside = ["unshare", "--user", "--map-root-user"];
      const made = await run([...inside, ...box.argv("create", "--bundle", bundle, id)], { env: box.environment });
      assert.deepEqual([made.code, made.stderr], [0, ""]);
      assert.equal(show(`tsrunc-${id}.scope`, "Slice")["Slice"], "system.slice");
      await box.ok(["delete", "--force", id]);
      const error = await box.fails(["--systemd-cgroup", "--rootless=true", "create", "--bundle", bundle, box.newId()]);
      assert.match(error, /systemd of this user can't be reached/);
    },
  },
  {
    name: "exec of somebody who may not enter the scope is moved there by systemd",
    run: async (box) => {
      const container = await withSystemd(box).start(SLEEP);
      const path = cgroupOf(container.pid);
      chmodSync(`/sys/fs/cgroup${path}/cgroup.procs`, 0o444);
      // without this capability root is bound by the file's mode, as a user is
      const weak = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"];
      const command = [...weak, ...box.argv("exec", container.id, "/bin/cat", "/proc/self/cgroup")];
      assert.equal(execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8" }), `0::${path}\n`);
      assert.equal(await container.status(), "running");
    },
  },
  {
    name: "a scope that somebody stops takes its container with it",
    run: async (box) => {
      // which as process 1 of its namespace doesn't hear SIGTERM
      const annotations = { "org.systemd.property.TimeoutStopUSec": "uint64 300000" };
      const container = await withSystemd(box).start(SLEEP, { config: (config) => (config.annotations = annotations) });
      execFileSync("systemctl", ["stop", `tsrunc-${container.id}.scope`]);
      await container.until("stopped");
      await container.delete();
    },
  },
  {
    name: "podman with the systemd manager: run, exec, pause, stats, rm",
    run: podman,
  },
  {
    name: "a cgroup namespace begins at the scope",
    run: async (box) => {
      const report = await withSystemd(box).probe([["read", "/proc/self/cgroup"]], {
        config: (config) => config.linux.namespaces.push({ type: "cgroup" }),
      });
      assert.equal(report.read["/proc/self/cgroup"]?.text, "0::/\n");
    },
  },
  ...ruleCases
    .filter(({ name }) =>
      ["no rules", "allow all", "one device", "a hole in a major", "allow all but one"].includes(name),
    )
    .map(
      (rules): LabCase => ({
        name: `devices: ${rules.name}`,
        run: async (box) => {
          const expected = Object.fromEntries(
            questions.map((question) => [questionText(question), mayUse(rules, question)]),
          );
          assert.deepEqual(await deviceAnswers(withSystemd(box), rules.rules), expected);
        },
      }),
    ),
];
