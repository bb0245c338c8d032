/** The runtime dies at any moment: what is left can be deleted completely (case 23, L-tests, R14). */
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box } from "../harness/box.ts";
import { exitCode, type Result, run, sleep, start as spawn } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

const SLEEP = ["/bin/sleep", "1000"];

/** Starts the command and kills the runtime's own process (not its children) after so many milliseconds. */
async function killAfter(
  box: Box,
  ms: number,
  args: readonly string[],
  signal: NodeJS.Signals = "SIGKILL",
): Promise<number> {
  const argv = box.argv(...args);
  const child = spawn(argv, "ignore", { env: box.environment });
  const ended = exitCode(child, argv);
  await sleep(ms);
  try {
    process.kill(child.pid ?? 0, signal);
  } catch {
    // it was faster
  }
  return ended;
}

/** The processes that the test still has, as `leftovers` tells them. */
const processes = (box: Box): string[] => box.leftovers().filter((line) => line.startsWith("process"));

async function within(ms: number, holds: () => boolean): Promise<boolean> {
  for (const until = Date.now() + ms; Date.now() < until; await sleep(10)) if (holds()) return true;
  return holds();
}

describeRuntimes("crash", ({ test, differs, runtime }) => {
  /** After whatever happened to the create: nothing runs that isn't a container, delete --force leaves nothing. */
  async function cleansUp(box: Box, id: string, when: string): Promise<void> {
    const committed =
      existsSync(box.path(`${id}.pid`)) || (await box.state(id).catch(() => undefined))?.status === "created";
    // Rule 10: no commit, no life.
    if (!committed)
      expect(await within(1000, () => processes(box).length === 0), `${when}: ${processes(box)}`).toBe(true);
    await box.ok(["delete", "--force", id]);
    expect(await within(1000, () => box.leftovers().length === 0), `${when}: ${box.leftovers().join("\n")}`).toBe(true);
  }

  const leaks = { runc: "leaves cgroups and processes", crun: "leaves cgroups and processes" };

  differs({ ...leaks, node: "thousands of calls before it begins; see the next test" })(
    "create killed at each of its system calls: delete --force leaves nothing (L1)",
    async ({ box }) => {
      const bundle = box.bundle(SLEEP);
      const create = (at: number, id: string): Promise<Result> =>
        run(
          [
            compile("test/harness/killat.c"),
            String(at),
            ...box.argv("create", "--bundle", bundle, "--pid-file", box.path(`${id}.pid`), id),
          ],
          {
            cwd: box.directory,
            env: box.environment,
          },
        );
      const whole = box.newId();
      const calls = Number(/calls (\d+)/.exec((await create(0, whole)).stderr)?.[1]);
      await box.ok(["delete", "--force", whole]);
      expect(calls).toBeGreaterThan(50);
      for (let at = 1; at <= calls; at++) {
        const id = box.newId();
        await create(at, id);
        await cleansUp(box, id, `killed at call ${at} of ${calls}`);
      }
    },
    120_000,
  );

  differs(leaks)("create killed at twelve moments; the same id can be created again (case 23)", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const args = (id: string): string[] => ["create", "--bundle", bundle, "--pid-file", box.path(`${id}.pid`), id];
    const from = Date.now();
    const first = box.newId();
    await box.ok(args(first));
    const duration = Date.now() - from;
    await box.ok(["delete", "--force", first]);
    for (let i = 0; i < 12; i++) {
      const id = box.newId();
      await killAfter(box, (duration * i) / 10, args(id));
      await cleansUp(box, id, `after ${i} tenths of ${duration} ms`);
      await box.ok(args(id));
      await box.ok(["delete", "--force", id]);
    }
  });

  differs({ runc: "leaves the hook and the cgroups", crun: "leaves the hook and the cgroups" })(
    "create killed while a hook runs",
    async ({ box }) => {
      for (const stage of ["prestart", "createRuntime", "createContainer"] as const) {
        const mark = box.path(`mark-${stage}`);
        const bundle = box.bundle(SLEEP, {
          config: (config) => {
            config.hooks = {
              [stage]: [
                { path: "/bin/sh", args: ["sh", "-c", `export TSRUNC_TEST=${box.tag}; echo > ${mark}; exec sleep 20`] },
              ],
            };
          },
        });
        const id = box.newId();
        const argv = box.argv("create", "--bundle", bundle, id);
        const child = spawn(argv, "ignore", { env: box.environment });
        const ended = exitCode(child, argv);
        expect(await within(5000, () => existsSync(mark))).toBe(true);
        process.kill(child.pid ?? 0, "SIGKILL");
        await ended;
        await box.ok(["delete", "--force", id]);
        // A hook in the runtime's namespaces is the host's own program: it may finish by itself, but not as the container's.
        const left = box.leftovers().filter((line) => stage === "createContainer" || !line.startsWith("process"));
        expect(left, stage).toEqual([]);
        for (const line of processes(box)) process.kill(Number(/process (\d+)/.exec(line)?.[1]), "SIGKILL");
      }
    },
  );

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    differs({ runc: "leaves things", crun: "leaves things" })(
      `create ended by ${signal} at ten moments cleans up by itself (L3)`,
      async ({ box }) => {
        const bundle = box.bundle(SLEEP);
        for (let i = 0; i < 10; i++) {
          const id = box.newId();
          const code = await killAfter(box, 1 + i * 2, ["create", "--bundle", bundle, id], signal);
          if (code === 0) {
            await box.ok(["delete", "--force", id]);
          } else {
            // Very early the signal finds a process that has done nothing yet.
            expect(await within(1000, () => processes(box).length === 0)).toBe(true);
            await box.ok(["delete", "--force", id]);
          }
          expect(await within(1000, () => box.leftovers().length === 0), box.leftovers().join("\n")).toBe(true);
        }
      },
    );
  }

  differs({ runc: "leaves things", crun: "leaves things" })(
    "start and delete killed at ten moments each",
    async ({ box }) => {
      for (let i = 0; i < 10; i++) {
        const container = await box.create(SLEEP);
        await killAfter(box, i, ["start", container.id]);
        await killAfter(box, i, ["delete", "--force", container.id]);
        await box.ok(["delete", "--force", container.id]);
        expect(await within(1000, () => box.leftovers().length === 0), box.leftovers().join("\n")).toBe(true);
      }
    },
  );

  differs({ runc: "leaves cgroups", crun: "leaves cgroups" })("run killed at ten moments", async ({ box }) => {
    const bundle = box.bundle(["/bin/sleep", "1000"]);
    for (let i = 0; i < 10; i++) {
      const id = box.newId();
      await killAfter(box, i * 3, ["run", "--bundle", bundle, id]);
      await box.ok(["delete", "--force", id]);
      expect(await within(1000, () => box.leftovers().length === 0), box.leftovers().join("\n")).toBe(true);
    }
  });

  // ---- L4: the state directory is damaged ----

  const damages: [string, (file: string) => void][] = [
    ["missing", (file) => unlinkSync(file)],
    ["empty", (file) => writeFileSync(file, "")],
    ["cut", (file) => writeFileSync(file, readFileSync(file).subarray(0, 64))],
    ["garbage", (file) => writeFileSync(file, "\0\xff{]")],
    [
      "a link to a file of the host",
      (file) => {
        unlinkSync(file);
        symlinkSync("/etc/hostname", file);
      },
    ],
  ];
  for (const [how, damage] of damages) {
    differs({ runc: "can't delete it then", crun: "loses the container then" })(
      `a state file that is ${how}: one clear error, and delete --force cleans`,
      async ({ box }) => {
        const hostname = readFileSync("/etc/hostname", "utf8");
        const example = await exampleDirectory(box);
        const names = readdirSync(example.path);
        await box.ok(["delete", "--force", example.id]);
        for (const name of names) {
          const { path, id, pid } = await exampleDirectory(box);
          const file = join(path, name);
          if (!existsSync(file)) continue;
          damage(file);
          for (const command of ["state", "kill"]) {
            const { code, stderr } = await box.call([command, id]);
            if (code !== 0) expect(stderr.trimEnd().split("\n"), `${command} with ${name}`).toHaveLength(1);
          }
          expect((await box.call(["list"])).code, `list with ${name}`).toBe(0);
          await box.ok(["delete", "--force", id]);
          expect(await within(1000, () => !alive(pid)), `${name} ${how}: the process lives`).toBe(true);
          expect(box.leftovers(), name).toEqual([]);
        }
        expect(readFileSync("/etc/hostname", "utf8")).toBe(hostname);
      },
    );
  }

  /** A running container and its directory below the root. */
  async function exampleDirectory(box: Box): Promise<{ path: string; id: string; pid: number }> {
    const container = await box.start(SLEEP);
    return { path: join(box.root, container.id), id: container.id, pid: container.pid };
  }

  test("an altered start time means: another process, stopped (R1)", async ({ box }) => {
    if (!runtime.ours) return; // their files are theirs
    const container = await box.start(SLEEP);
    const stat = readFileSync(`/proc/${container.pid}/stat`, "utf8");
    const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
    const directory = join(box.root, container.id);
    for (const name of readdirSync(directory).filter((file) => file.endsWith(".json"))) {
      const file = join(directory, name);
      writeFileSync(file, readFileSync(file, "utf8").replaceAll(new RegExp(`\\b${startTime}\\b`, "g"), "1"));
    }
    expect(await container.status()).toBe("stopped");
    await box.refuses(["kill", container.id, "9"], /container not running/);
    expect(alive(container.pid)).toBe(true);
    process.kill(container.pid, "SIGKILL");
    await container.ended();
    await box.ok(["delete", "--force", container.id]);
  });

  // ---- R14: the start FIFO ----

  differs({ runc: "some hang", crun: "more than one succeeds" })(
    "six starts at once: exactly one succeeds, none hangs",
    async ({ box }) => {
      const container = await box.create(SLEEP);
      const starts = await Promise.all(Array.from({ length: 6 }, () => box.call(["start", container.id])));
      expect(starts.filter(({ code }) => code === 0)).toHaveLength(1);
      expect(await container.status()).toBe("running");
    },
  );

  test("init dies while start is on its way: an error, not a hang", async ({ box }) => {
    for (let i = 0; i < 10; i++) {
      const container = await box.create(SLEEP);
      const started = box.call(["start", container.id]);
      await sleep(i);
      try {
        process.kill(container.pid, "SIGKILL");
      } catch {
        /* gone */
      }
      await started;
      await container.until("stopped");
      await container.delete();
    }
  });

  for (const how of ["deleted", "a regular file", "a link"] as const) {
    test(`a start FIFO that is ${how}: start fails, delete works`, async ({ box }) => {
      const container = await box.create(SLEEP);
      const fifo = readdirSync(join(box.root, container.id)).find((name) => /^(start|exec)\.fifo$/.test(name)) ?? "";
      const path = join(box.root, container.id, fifo);
      rmSync(path);
      writeFileSync(box.path("victim"), "precious");
      if (how === "a regular file") writeFileSync(path, "");
      if (how === "a link") symlinkSync(box.path("victim"), path);
      const { code } = await box.call(["start", container.id]);
      if (runtime.ours) expect(code).toBe(1);
      expect(readFileSync(box.path("victim"), "utf8")).toBe("precious");
      await container.delete("--force");
      expect(box.leftovers()).toEqual([]);
    });
  }
});
