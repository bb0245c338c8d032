/** pause, resume, and signals to all of a container: frozen ones, sub-cgroups, and whoever forks meanwhile. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { alive, type Container } from "../harness/box.ts";
import { cgroupDirectory } from "../harness/cgroup.ts";
import { eventually, sleep } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";

const SLEEP = ["/bin/sleep", "1000"];
const COUNT = ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"];

/** Without a pid namespace nobody dies with init. */
function sharedPids(config: Config): void {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
}

/** The processes of the container's cgroup itself, as the kernel tells. */
function processes(directory: string): number[] {
  const text = readFileSync(`${directory}/cgroup.procs`, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

const lines = (container: Container): number => container.output.stdout.split("\n").length;

describeRuntimes("pause", ({ test, differs, runtime }) => {
  test("nothing moves until resume", async ({ box }) => {
    const container = await box.start(COUNT);
    await eventually("it counts", () => (lines(container) > 3 ? true : undefined));
    await box.ok(["pause", container.id]);
    expect(await container.status()).toBe("paused");
    const stopped = lines(container);
    await sleep(150);
    expect(lines(container)).toBe(stopped);
    await box.ok(["resume", container.id]);
    expect(await container.status()).toBe("running");
    await eventually("it counts again", () => (lines(container) > stopped + 2 ? true : undefined));
  });

  differs({ crun: "resumes a running one" })("twice is an error, and so is resume without pause", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.refuses(["resume", container.id], /container not paused/);
    await box.ok(["pause", container.id]);
    await box.refuses(["pause", container.id], /container not running/);
    expect(await container.status()).toBe("paused");
    await box.ok(["resume", container.id]);
    await box.refuses(["resume", container.id], /container not paused/);
  });

  differs({ crun: "calls it created all the time" })(
    "a created container can be paused, and is created again afterwards",
    async ({ box }) => {
      const container = await box.create(SLEEP);
      await box.ok(["pause", container.id]);
      expect(await container.status()).toBe("paused");
      await box.fails(["start", container.id]);
      await box.ok(["resume", container.id]);
      expect(await container.status()).toBe("created");
      await container.start();
      expect(await container.status()).toBe("running");
    },
  );

  test("a stopped one can't, nor one that doesn't exist", async ({ box }) => {
    const container = await box.start(["/bin/true"]);
    await container.until("stopped");
    await box.refuses(["pause", container.id], /container not running/);
    await box.refuses(["resume", container.id], /container not paused/);
    await box.fails(["pause", "nosuch"]);
    await box.fails(["resume", "nosuch"]);
  });

  differs({ crun: "leaves it frozen" })("KILL ends a paused container (R4)", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.ok(["pause", container.id]);
    await container.kill("KILL");
    await container.ended();
    await container.until("stopped");
    await container.delete();
  });

  test("TERM waits for resume (R4)", async ({ box }) => {
    const container = await box.start([
      "/bin/sh",
      "-c",
      "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done",
    ]);
    await eventually("the handler is there", () => (container.output.stdout.includes("ready") ? true : undefined));
    await box.ok(["pause", container.id]);
    await container.kill("TERM");
    await sleep(50);
    expect(await container.status()).toBe("paused");
    await box.ok(["resume", container.id]);
    await container.until("stopped");
  });

  test("delete refuses a paused container, and with --force removes it", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.ok(["pause", container.id]);
    await box.fails(["delete", container.id]);
    await container.delete("--force");
    expect(box.leftovers()).toEqual([]);
  });

  if (!runtime.ours) return;

  test("a clear environment is enough (case 9)", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.ok(["pause", container.id], { env: { XDG_RUNTIME_DIR: "" } });
    await box.ok(["resume", container.id], { env: {} });
  });

  test("kill --all reaches sub-cgroups 20 deep, and keeps a pause (R7)", async ({ box }) => {
    const container = await box.start(["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"], { config: sharedPids });
    const directory = cgroupDirectory(container, "freezer");
    const all = await eventually("three processes", () => {
      const found = processes(directory);
      return found.length === 3 ? found : undefined;
    });
    const deep = `${directory}${"/d".repeat(20)}`;
    mkdirSync(deep, { recursive: true });
    const hidden = all.find((pid) => pid !== container.pid);
    writeFileSync(`${deep}/cgroup.procs`, String(hidden));
    await box.ok(["pause", container.id]);
    // a signal that ends nobody: cgroup v2 lets fatal ones through to frozen processes
    await box.ok(["kill", "--all", container.id, "WINCH"]);
    expect(await container.status()).toBe("paused");
    expect(all.filter(alive)).toEqual(all);
    await box.ok(["kill", "--all", container.id, "KILL"]);
    await eventually("all are gone", () => (all.some(alive) ? undefined : true));
    await container.delete();
    expect(box.leftovers()).toEqual([]);
  });

  test("kill --all gets those who are never the same (R7)", async ({ box }) => {
    // each lives for a moment and leaves a child: a list of pids is old as soon as it is made
    const chains = "f() { sleep 0.01; f & }; for i in 1 2 3 4 5 6 7 8; do f & done; exec sleep 1000";
    const container = await box.create(["/bin/sh", "-c", chains], { config: sharedPids });
    const directory = cgroupDirectory(container, "freezer");
    await container.start();
    const first = await eventually("they are many", () => {
      const found = processes(directory);
      return found.length > 8 ? found : undefined;
    });
    await eventually("they are others", () => {
      const now = processes(directory);
      return now.length > 8 && now.filter((pid) => first.includes(pid)).length < 4 ? true : undefined;
    });
    await box.ok(["kill", "--all", container.id, "KILL"]);
    expect(processes(directory)).toEqual([]);
    await container.delete();
  });

  test("kill --all gets what a dead init has left (contract 5.4)", async ({ box }) => {
    const container = await box.start(["/bin/sh", "-c", "sleep 1000 & exec sleep 1001"], { config: sharedPids });
    const directory = cgroupDirectory(container, "freezer");
    const all = await eventually("two processes", () => {
      const found = processes(directory);
      return found.length === 2 ? found : undefined;
    });
    process.kill(container.pid, "SIGKILL");
    await container.until("stopped");
    expect(all.filter(alive)).toHaveLength(1);
    await box.ok(["kill", "--all", container.id, "KILL"]);
    await eventually("it is gone", () => (all.some(alive) ? undefined : true));
    await container.delete();
  });
});
