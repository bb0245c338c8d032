/** What an attacker, a crash or an unlucky caller might try across several commands. */
import { existsSync, readFileSync, rmdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box } from "../harness/box.ts";
import { eventually, exitCode, run, start as spawn } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";

const SLEEP = ["/bin/sleep", "1000"];

type Stage = "createRuntime" | "startContainer" | "poststart" | "poststop";

/** A bundle with a hook that says it has begun and then hangs; `mark` gets its pid. */
function hanging(box: Box, stage: Stage, seconds = "1000"): { bundle: string; mark: string } {
  let mark = box.path(`mark-${stage}`);
  const bundle = box.bundle(SLEEP, {
    config: (config) => {
      const inside = stage === "startContainer" ? "/tmp/mark" : mark;
      const script = `export TSRUNC_TEST=${box.tag}; echo $$ > ${inside}; exec sleep ${seconds}`;
      config.hooks = { [stage]: [{ path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"] }] };
    },
  });
  if (stage === "startContainer") mark = join(bundle, "rootfs/tmp/mark");
  return { bundle, mark };
}

/** Begins a command; returns when its hook runs. */
async function begin(box: Box, args: readonly string[], mark: string): Promise<{ pid: number; end: Promise<number> }> {
  const argv = box.argv(...args);
  const child = spawn(argv, "ignore", { env: box.environment });
  const end = exitCode(child, argv, 30_000);
  await eventually("the hook runs", () =>
    existsSync(mark) && readFileSync(mark, "utf8").endsWith("\n") ? true : undefined,
  );
  return { pid: child.pid ?? 0, end };
}

const pidIn = (mark: string): number => Number(readFileSync(mark, "utf8"));

describeRuntimes("attack", ({ differs }) => {
  const ours = differs({ runc: "words it in its own way", crun: "words it in its own way" });

  // ---- commands that are killed or told to end, in hooks ----

  differs({ runc: "its start is over before the hook is", crun: "its state says created" })(
    "start killed while a hook runs: what runs isn't taken for waiting, and not deleted without --force",
    async ({ box }) => {
      const { bundle, mark } = hanging(box, "startContainer", "1");
      const id = box.newId();
      await box.ok(["create", "--bundle", bundle, id]);
      const { pid, end } = await begin(box, ["start", id], mark);
      process.kill(pid, "SIGKILL");
      await end;
      await eventually("running", async () => ((await box.state(id))?.status === "running" ? true : undefined));
      expect(await box.fails(["delete", id])).toMatch(/not stopped/);
      expect(await box.fails(["start", id])).toMatch(/already running/);
      await box.ok(["exec", id, "/bin/true"]);
      await box.ok(["delete", "--force", id]);
    },
  );

  const leaves = { runc: "leaves the hook", crun: "leaves the hook" };

  differs(leaves)(
    "a signal to start ends its poststart hook, and the container as if it had failed",
    async ({ box }) => {
      const { bundle, mark } = hanging(box, "poststart");
      const id = box.newId();
      await box.ok(["create", "--bundle", bundle, id]);
      const { pid, end } = await begin(box, ["start", id], mark);
      process.kill(pid, "SIGTERM");
      expect(await end).toBe(128 + 15);
      expect(alive(pidIn(mark))).toBe(false);
      expect(box.leftovers()).toEqual([]);
    },
  );

  differs(leaves)(
    "a signal to start ends its waiting for a startContainer hook, not the container",
    async ({ box }) => {
      const { bundle, mark } = hanging(box, "startContainer", "1");
      const id = box.newId();
      await box.ok(["create", "--bundle", bundle, id]);
      const { pid, end } = await begin(box, ["start", id], mark);
      process.kill(pid, "SIGINT");
      expect(await end).toBe(128 + 2);
      expect((await box.state(id))?.status).toBe("running");
      await box.ok(["delete", "--force", id]);
    },
  );

  differs(leaves)("a signal to delete ends its poststop hook", async ({ box }) => {
    const { bundle, mark } = hanging(box, "poststop");
    const id = box.newId();
    await box.ok(["create", "--bundle", bundle, id]);
    const { pid, end } = await begin(box, ["delete", id], mark);
    process.kill(pid, "SIGTERM");
    expect(await end).toBe(128 + 15);
    expect(alive(pidIn(mark))).toBe(false);
    expect(box.leftovers()).toEqual([]);
  });

  // ---- delete --force gets what somebody else holds (L6) ----

  for (const stage of ["createRuntime", "poststart"] as const) {
    differs(leaves)(`delete --force ends a command that hangs in a ${stage} hook`, async ({ box }) => {
      const { bundle, mark } = hanging(box, stage);
      const id = box.newId();
      if (stage === "poststart") await box.ok(["create", "--bundle", bundle, id]);
      const command = stage === "poststart" ? ["start", id] : ["create", "--bundle", bundle, id];
      const { end } = await begin(box, command, mark);
      await box.ok(["delete", "--force", id]);
      expect(await end).not.toBe(0);
      expect(alive(pidIn(mark))).toBe(false);
      expect(box.leftovers()).toEqual([]);
    });
  }

  differs(leaves)("a stopped holder of the lock is named, and doesn't survive delete --force (L6)", async ({ box }) => {
    const { bundle, mark } = hanging(box, "poststart");
    const id = box.newId();
    await box.ok(["create", "--bundle", bundle, id]);
    const { pid, end } = await begin(box, ["start", id], mark);
    process.kill(pid, "SIGSTOP");
    await box.ok(["kill", id, "KILL"]);
    const { code, stderr } = await box.call(["delete", id], { deadline: 20_000 });
    expect(code).toBe(1);
    expect(stderr).toContain(`it is process ${pid}`);
    await box.ok(["delete", "--force", id]);
    await end;
    expect(box.leftovers()).toEqual([]);
  });

  // ---- destinations that aren't what they seem ----

  ours("a destination that a link of the image turns into the root is refused by its place", async ({ box }) => {
    const bundle = box.bundle(SLEEP, {
      rootfs: (path) => symlinkSync("/", join(path, "up")),
      config: (config) => {
        config.mounts.push({ destination: "/up", type: "tmpfs", source: "tmpfs" });
      },
    });
    const before = await run(["find", join(bundle, "rootfs"), "-xdev"]);
    expect(await box.fails(["run", "--bundle", bundle, box.newId()])).toMatch(/\/mounts\/\d+: .*root file system/);
    expect((await run(["find", join(bundle, "rootfs"), "-xdev"])).stdout.length).toBeGreaterThanOrEqual(
      before.stdout.length,
    );
    expect(box.leftovers()).toEqual([]);
  });

  ours("/dev of the image is a link to its root: refused by its place", async ({ box }) => {
    const bundle = box.bundle(SLEEP, {
      rootfs: (path) => {
        rmdirSync(join(path, "dev"));
        symlinkSync("/", join(path, "dev"));
      },
    });
    expect(await box.fails(["run", "--bundle", bundle, box.newId()])).toMatch(/\/mounts\/\d+: .*root file system/);
    expect(box.leftovers()).toEqual([]);
  });

  for (const [what, source, destination] of [
    ["a directory on a file", "/etc", "/etc/passwd"],
    ["a file on a directory", "/etc/passwd", "/etc"],
  ] as const) {
    ours(`bind of ${what}: says which is which`, async ({ box }) => {
      const bundle = box.bundle(SLEEP, {
        config: (config) => {
          config.mounts.push({ destination, source, type: "bind", options: ["bind"] });
        },
      });
      expect(await box.fails(["run", "--bundle", bundle, box.newId()])).toMatch(
        new RegExp(
          `/mounts/\\d+: .*"${destination}" is a ${what.startsWith("a file") ? "directory" : "file"}.*not a directory`,
        ),
      );
      expect(box.leftovers()).toEqual([]);
    });
  }
});
