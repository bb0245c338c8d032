/** exec where cgroup v2 is all there is: cgroups of its own for --timeout, sub-cgroups, an init that has moved. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import type { Container } from "../harness/box.ts";
import { eventually } from "../harness/command.ts";
import { cgroupFile, cgroupOf, type LabCase, SLEEP } from "./cases.ts";

const directoryOf = (container: Container): string => `/sys/fs/cgroup${cgroupOf(container.pid)}`;

const inner = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

const commands = (container: Container): string =>
  cgroupFile(container.pid, "cgroup.procs")
    .split("\n")
    .map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "))
    .join("\n");

export const execCases: readonly LabCase[] = [
  {
    name: "exec --timeout kills all that it has started, also in a paused container",
    run: async (box) => {
      const container = await box.start(SLEEP);
      const script = "(/bin/busybox setsid sleep 1003 &); sleep 1004 & sleep 1005";
      const killed = await box.call(["exec", "--timeout", "700ms", container.id, "/bin/sh", "-c", script]);
      assert.deepEqual(
        [killed.code, killed.stderr],
        [124, "tsrunc exec: the process was killed after 700ms (--timeout)\n"],
      );
      assert.doesNotMatch(commands(container), /100[345]/);
      const late = box.call(["exec", "--timeout", "1s", container.id, "/bin/sleep", "1006"]);
      await eventually("the exec", () => (inner(directoryOf(container)).length > 0 ? true : undefined));
      await box.ok(["pause", container.id]);
      assert.equal((await late).code, 124);
      assert.equal(await container.status(), "paused");
      await box.ok(["resume", container.id]);
      assert.deepEqual(inner(directoryOf(container)), []);
    },
  },
  {
    name: "exec --timeout: what it leaves running in time stays the container's",
    run: async (box) => {
      const container = await box.start(SLEEP);
      const script = "sleep 1007 >/dev/null 2>&1 & exit 7";
      assert.equal((await box.call(["exec", "--timeout", "1m", container.id, "/bin/sh", "-c", script])).code, 7);
      assert.match(commands(container), /sleep 1007/);
      assert.deepEqual(inner(directoryOf(container)), []);
    },
  },
  {
    name: "exec --cgroup: a sub-cgroup, without controllers",
    run: async (box) => {
      const container = await box.start(SLEEP);
      mkdirSync(`${directoryOf(container)}/sub`);
      const { stdout } = await box.ok(["exec", "--cgroup", "/sub", container.id, "/bin/cat", "/proc/self/cgroup"]);
      assert.equal(stdout, `0::${cgroupOf(container.pid)}/sub\n`);
      const stderr = await box.fails(["exec", "--cgroup", "cpu:/sub", container.id, "/bin/true"], { code: 255 });
      assert.match(stderr, /controllers can't be chosen on cgroup v2/);
      rmdirSync(`${directoryOf(container)}/sub`);
    },
  },
  {
    name: "exec follows an init that has moved below, where the container's cgroup takes no process",
    run: async (box) => {
      const container = await box.start(SLEEP);
      const top = directoryOf(container);
      mkdirSync(`${top}/leaf`);
      writeFileSync(`${top}/leaf/cgroup.procs`, String(container.pid));
      writeFileSync(`${top}/cgroup.subtree_control`, "+pids");
      const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/self/cgroup"]);
      assert.equal(stdout, `0::${cgroupOf(container.pid)}\n`);
      assert.equal((await box.call(["exec", "--timeout", "500ms", container.id, ...SLEEP])).code, 124);
      assert.deepEqual(inner(top), ["leaf"]);
    },
  },
];
