/** ps: the processes of a container, for engines as JSON and for people as a table. */
import { mkdirSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { cgroupDirectory } from "../harness/cgroup.ts";
import { describeRuntimes } from "../harness/describe.ts";

const THREE = ["/bin/sh", "-c", "sleep 1000 & sleep 1001 & wait"];

describeRuntimes("ps", ({ test, differs, runtime }) => {
  test("as JSON: pids as the host knows them, of sub-cgroups too", async ({ box }) => {
    const container = await box.start(THREE);
    const list = async (): Promise<number[]> =>
      JSON.parse((await box.ok(["ps", "--format", "json", container.id])).stdout);
    let pids = await list();
    for (let tries = 0; pids.length < 3 && tries < 100; tries++) pids = await list();
    expect(pids).toHaveLength(3);
    expect(pids).toContain(container.pid);
    const inner = `${cgroupDirectory(container, runtime.ours ? "freezer" : "devices")}/inner`;
    mkdirSync(inner);
    writeFileSync(`${inner}/cgroup.procs`, String(pids.find((pid) => pid !== container.pid)));
    expect((await list()).sort()).toEqual([...pids].sort());
  });

  differs({ crun: "has no table of ps" })("as a table: ps -ef of the host, cut down", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1234"]);
    const { stdout } = await box.ok(["ps", container.id]);
    const [header = "", ...rows] = stdout.trimEnd().split("\n");
    expect(header.split(/\s+/)).toContain("PID");
    expect(rows).toHaveLength(1);
    expect(rows[0]).toContain(` ${container.pid} `);
    expect(rows[0]).toContain("sleep 1234");
  });

  differs({ crun: "has no table of ps" })("with options of ps after the id", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1234"]);
    const { stdout } = await box.ok(["ps", "--format", "table", container.id, "-o", "pid,comm", "-e"]);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.trim().split(/\s+/)),
    ).toEqual([
      ["PID", "COMMAND"],
      [String(container.pid), "sleep"],
    ]);
    await box.refuses(["ps", container.id, "-o", "comm"], /couldn't find PID field in ps output/);
    await box.fails(["ps", container.id, "--nonsense"]);
  });

  test("an unknown id and an unknown format are errors", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"]);
    await box.fails(["ps", "nosuch"]);
    if (runtime.ours) {
      expect(await box.fails(["ps", "--format", "yaml", container.id])).toContain('invalid format option: "yaml"');
    }
  });

  if (!runtime.ours) return;

  test("without PATH, and of a container that has stopped", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"]);
    expect((await box.ok(["ps", container.id], { env: {} })).stdout).toContain("sleep 1000");
    await container.kill("KILL");
    await container.until("stopped");
    expect(JSON.parse((await box.ok(["ps", "-f", "json", container.id])).stdout)).toEqual([]);
  });
});
