/** events: statistics in runc's shape, at intervals; kills for memory as they happen, and whose limit it was. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import { Box, type Container } from "../harness/box.ts";
import { membership, v2 } from "../harness/cgroup.ts";
import { eventually, exitCode, run, sleep, start } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { repository } from "../harness/paths.ts";
import { peer } from "../harness/runtimes.ts";

const SLEEP = ["/bin/sleep", "1000"];
const HUNGRY = ["/bin/sh", "-c", "while :; do sleep 0.2; /probe alloc 200; done"];
const MiB = 1 << 20;

/** Whether a record fits our schema; the errors where it doesn't. */
const fits = new Ajv2020({ allErrors: true }).compile(
  JSON.parse(readFileSync(join(repository, "schema", "events.schema.json"), "utf8")),
);
function expectToFit(record: unknown): void {
  fits(record);
  expect(fits.errors ?? []).toEqual([]);
}

interface Watching {
  readonly lines: () => string[];
  readonly ended: Promise<number>;
}

/** Runs `events` in the background. */
function watch(box: Box, container: Container, ...flags: string[]): Watching {
  const argv = box.argv("events", ...flags, container.id);
  const child = start(argv, ["ignore", "pipe", "inherit"], { env: box.environment });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return { lines: () => text.split("\n").filter((line) => line !== ""), ended: exitCode(child, argv) };
}

describeRuntimes("events", ({ test, differs, runtime }) => {
  if (runtime.name === "crun") {
    test.skip("[crun: has no such command]", () => undefined);
    return;
  }

  test("--stats: one record", async ({ box }) => {
    const container = await box.start(SLEEP, {
      config: (config) => {
        config.linux.resources = { memory: { limit: 64 * MiB }, pids: { limit: 40 } };
      },
    });
    const { stdout } = await box.ok(["events", "--stats", container.id]);
    expect(stdout.endsWith("}\n")).toBe(true);
    const record = JSON.parse(stdout);
    expect(record).toMatchObject({
      type: "stats",
      id: container.id,
      data: {
        memory: { usage: { limit: 64 * MiB, failcnt: 0 } },
        pids: { current: 1, limit: 40 },
        network_interfaces: null,
      },
    });
    if (runtime.ours) expectToFit(record);
    expect(record.data.cpu.usage.total).toBeGreaterThan(0);
    expect(record.data.memory.usage.usage).toBeGreaterThan(0);
    expect(Object.keys(record.data).sort()).toEqual(
      ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"].sort(),
    );
  });

  test("64-bit numbers have all their digits", async ({ box }) => {
    const container = await box.start(SLEEP);
    const { stdout } = await box.ok(["events", "--stats", container.id]);
    expect(stdout).toContain(`"limit":${v2 ? "18446744073709551615" : "9223372036854771712"}`);
  });

  differs({ runc: "ends when the container is deleted" })(
    "a record at each interval, and the end with the container's",
    async ({ box }) => {
      const container = await box.start(SLEEP);
      const watching = watch(box, container, "--interval", "100ms");
      await eventually("three records", () => (watching.lines().length >= 3 ? true : undefined));
      await container.kill("KILL");
      expect(await watching.ended).toBe(0);
      for (const line of watching.lines()) expect(JSON.parse(line)).toMatchObject({ type: "stats", id: container.id });
    },
  );

  differs({ runc: "ends when the container is deleted" })("kills for memory are told", async ({ box }) => {
    const container = await box.start(HUNGRY, {
      config: (config) => {
        config.linux.resources = { memory: { limit: 24 * MiB, swap: 24 * MiB } };
      },
    });
    const watching = watch(box, container, "--interval", "1h");
    await eventually("two kills", () => (watching.lines().length >= 2 ? true : undefined));
    await container.kill("KILL");
    expect(await watching.ended).toBe(0);
    for (const line of watching.lines()) {
      const event = JSON.parse(line);
      expect(event).toMatchObject({ type: "oom", id: container.id });
      if (!runtime.ours) continue;
      expect(event.oom.level).toBe("container");
      expectToFit(event);
    }
  });

  test("a stopped container and bad intervals are errors", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.fails(["events", "--interval", "0s", container.id]);
    await box.fails(["events", "--interval", "soon", container.id]);
    await container.kill("KILL");
    await container.until("stopped");
    await box.refuses(["events", container.id], new RegExp(`container with id ${container.id} is not running`));
    await box.refuses(
      ["events", "--stats", container.id],
      new RegExp(`container with id ${container.id} is not running`),
    );
  });

  if (!runtime.ours) return;

  test("a limit above the container is told as such", async ({ box }) => {
    const parent = v2 ? `/sys/fs/cgroup/${box.tag}` : `/sys/fs/cgroup/memory/${box.tag}`;
    mkdirSync(parent);
    try {
      const container = await box.create(HUNGRY, {
        config: (config) => {
          config.linux.cgroupsPath = `/${box.tag}/inner`;
        },
      });
      writeFileSync(`${parent}/${v2 ? "memory.max" : "memory.limit_in_bytes"}`, String(24 * MiB));
      if (v2) writeFileSync(`${parent}/memory.swap.max`, "0");
      await container.start();
      const watching = watch(box, container, "--interval", "1h");
      await eventually("a kill", () => (watching.lines().length >= 1 ? true : undefined));
      await container.delete("--force");
      await watching.ended;
      const { oom } = JSON.parse(watching.lines()[0] ?? "{}");
      expect(oom).toEqual({ kills: 1, cgroup: `/${box.tag}`, level: "above" });
    } finally {
      for (const hierarchy of v2 ? [""] : readdirSync("/sys/fs/cgroup"))
        removeIfThere(`/sys/fs/cgroup/${hierarchy}/${box.tag}`);
    }
  });

  const runc = peer("runc");
  if (runc === undefined) test.skip("field by field as runc [not installed]", () => undefined);
  else {
    test("field by field as runc, for the same container", async ({ box }) => {
      const other = new Box(runc);
      try {
        const theirs = await other.start(["/bin/sh", "-c", "echo x > /tmp/x; sleep 1000"]);
        const ours = await box.start(SLEEP);
        await other.ok(["pause", theirs.id]);
        const restore = lookAt(box, ours, theirs.pid);
        try {
          // memory that is charged in advance comes and goes, and memory.stat of v2 lags by up to two seconds
          const same = async (): Promise<string[]> =>
            differences(await stats(other, theirs.id), await stats(box, ours.id));
          let different = await same();
          for (let tries = 0; different.length > 0 && tries < 10; tries++) {
            await sleep(300);
            different = await same();
          }
          expect(different).toEqual([]);
        } finally {
          restore();
        }
        await other.ok(["resume", theirs.id]);
      } finally {
        await other.close();
      }
    });
  }
});

/** Makes our container's record speak of the cgroups of another process. Returns what puts it right again. */
function lookAt(box: Box, container: Container, pid: number): () => void {
  const file = `${box.root}/${container.id}/state.json`;
  const before = readFileSync(file, "utf8");
  const state = JSON.parse(before);
  const places = membership(pid);
  delete state.cgroup.inode;
  for (const directory of state.cgroup.directories) {
    const key = directory.name === "systemd" ? "name=systemd" : (directory.controllers[0] ?? "");
    directory.path = `${directory.mount}${places.get(key)}`;
  }
  writeFileSync(file, JSON.stringify(state));
  return () => writeFileSync(file, before);
}

/** Statistics with all numbers as text, so that no digit is lost. */
async function stats(box: Box, id: string): Promise<unknown> {
  const { stdout } = await run(box.argv("events", "--stats", id), { env: box.environment });
  return JSON.parse(stdout.replace(/:(\d+)(?=[,}])/g, ':"$1"').replace(/(?<=[[,])(\d+)(?=[\],])/g, '"$1"')).data;
}

/** The paths at which we don't say what runc says. What runc doesn't have is ours to add. */
function differences(expected: unknown, got: unknown, at = ""): string[] {
  if (typeof expected !== "object" || expected === null) {
    return expected === got ? [] : [`${at}: ${JSON.stringify(expected)} is ${JSON.stringify(got)}`];
  }
  if (typeof got !== "object" || got === null) return [`${at}: missing`];
  return Object.entries(expected).flatMap(([key, value]) =>
    differences(value, (got as Record<string, unknown>)[key], `${at}/${key}`),
  );
}

function removeIfThere(path: string): void {
  if (existsSync(path)) rmdirSync(path);
}
