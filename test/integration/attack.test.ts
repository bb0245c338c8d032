/** What an attacker, a crash or an unlucky caller might try across several commands. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box } from "../harness/box.ts";
import { eventually, exitCode, run, start as spawn } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

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

describeRuntimes("attack", ({ test: plain, differs, runtime }) => {
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

  /** How often a race is tried; Node.js takes long to start, and what is raced is the same init. */
  const rounds = runtime.name === "node" ? 8 : 40;
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

  ours("delete --force of an id that a killed delete has freed removes what that left", async ({ box }) => {
    const { id } = await box.create(SLEEP);
    for (const grave of [`~${id}~1`, `~${id}~999999`, `~${id}x~1`]) mkdirSync(join(box.root, grave));
    await box.ok(["delete", "--force", id]);
    await box.ok(["delete", "--force", id]);
    expect(readdirSync(box.root)).toEqual([`~${id}x~1`]);
    rmdirSync(join(box.root, `~${id}x~1`));
  });

  // ---- few descriptors ----

  differs({ runc: "Go needs more", crun: "leaves its directory", node: "Node.js needs more" })(
    "whatever the limit of descriptors is: a container, or an error and nothing left (B6)",
    async ({ box }) => {
      const bundle = box.bundle(["/bin/true"], {
        config: (config) => {
          config.process.rlimits = [];
        },
      });
      let made = 0;
      for (let limit = 7; limit < 60 && made < 2; limit++) {
        const argv = box.argv("run", "--bundle", bundle, box.newId());
        const limited = ["/bin/sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh", ...argv];
        const { code, stderr } = await run(limited, { cwd: box.directory, env: box.environment });
        if (code === 0) made++;
        else expect(stderr, `${limit}`).toMatch(/too many open files|No file descriptors/);
        expect(box.leftovers(), `with ${limit}: ${stderr}`).toEqual([]);
        expect(existsSync(box.root) ? readdirSync(box.root) : [], `with ${limit}: ${stderr}`).toEqual([]);
      }
      expect(made).toBe(2);
    },
  );

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

  // ---- users (V14) ----

  ours(
    "exec as a user: exactly that id, or an error; no number becomes another, and no name is looked up (V14)",
    async ({ box }) => {
      const container = await box.start(SLEEP, {
        rootfs: (path) =>
          writeFileSync(
            join(path, "etc/passwd"),
            "1:x:0:0::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\nwho:x:5:6::/:/bin/sh\n",
          ),
      });
      const ids = async (user: string): Promise<string> =>
        (await box.ok(["exec", "--user", user, container.id, "/bin/sh", "-c", "id -u; id -g"])).stdout;
      expect(await ids("1")).toBe("1\n0\n");
      expect(await ids("1:2")).toBe("1\n2\n");
      expect(await ids("4294967294:7")).toBe("4294967294\n7\n");
      const none =
        "4294967295 4294967296 18446744073709551616 -1 1:-1 1:4294967295 0x1 1e1 +1 1. : 1: :1 who who:1 1:2:3";
      for (const user of [...none.split(" "), " 1", "1 ", ""]) {
        const stderr = await box.fails(["exec", "--user", user, container.id, "/bin/id"], { code: 255 });
        expect(stderr, user).toContain("--user");
      }
    },
  );

  // ---- files that are none ----

  ours("a file to be read that is a FIFO is told as such, at once", async ({ box }) => {
    const container = await box.create(SLEEP);
    const fifo = box.path("fifo");
    await run(["mkfifo", fifo]);
    const told = /fifo: not a regular file/;
    expect(await box.fails(["exec", "--process", fifo, container.id], { code: 255 })).toMatch(told);
    expect(await box.fails(["update", "--resources", fifo, container.id])).toMatch(told);
    const isNone = /--bundle: bundle directory ".*fifo" is not a directory/;
    expect(await box.fails(["create", "--bundle", fifo, box.newId()])).toMatch(isNone);
  });

  // ---- a neighbour exchanges names while the container is made (V04, V06, V07) ----

  const links: [string, (box: Box, victim: string) => string][] = [
    ["an absolute link", (_box, victim) => victim],
    ["a link upwards", (_box, victim) => `${"../".repeat(20)}${victim.slice(1)}`],
  ];
  for (const [what, target] of links) {
    differs({ runc: "1.1.5 makes directories there, CVE-2024-45310", crun: "not tried" })(
      `a directory on the way that is exchanged with ${what}: nothing of the host is reached`,
      async ({ box }) => {
        const victim = box.path("victim");
        mkdirSync(victim);
        writeFileSync(join(victim, "f"), "precious");
        const picture = async (): Promise<string> =>
          (await run(["find", victim, "-printf", "%i %m %u %y %s %p\\n"])).stdout;
        const before = await picture();
        const seen = box.path("mounts");
        const bundle = box.bundle(["/bin/true"], {
          rootfs: (path) => {
            mkdirSync(join(path, "vol/x"), { recursive: true });
            symlinkSync(target(box, victim), join(path, "vol/y"));
          },
          config: (config) => {
            config.mounts.push(
              { destination: "/vol/x/tmpfs/deep", type: "tmpfs", source: "tmpfs" },
              { destination: "/vol/x/d", source: "/etc", type: "bind", options: ["rbind", "ro"] },
              { destination: "/vol/x/f", source: "/etc/hostname", type: "bind", options: ["bind", "ro"] },
            );
            config.linux.devices = [{ path: "/vol/x/null", type: "c", major: 1, minor: 3 }];
            config.linux.maskedPaths?.push("/vol/x/f");
            config.linux.readonlyPaths?.push("/vol/x/d");
            const script = `cat /proc/self/mountinfo >> ${seen}`;
            config.hooks = {
              createContainer: [{ path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"] }],
            };
          },
        });
        const rootfs = join(bundle, "rootfs");
        await racing([join(rootfs, "vol/x"), join(rootfs, "vol/y")], async () => {
          let made = 0;
          for (let i = 0; i < rounds; i++) {
            const { code, stderr } = await box.call(["run", "--bundle", bundle, box.newId()]);
            if (code === 0) made++;
            else expect(stderr).toMatch(/vol\/x/);
          }
          expect(made).toBeGreaterThan(0);
        });
        expect(await picture()).toBe(before);
        const points = readFileSync(seen, "utf8")
          .split("\n")
          .map((line) => line.split(" ")[4] ?? "");
        expect(points.filter((point) => point.startsWith(victim))).toEqual([]);
        expect(points.filter((point) => point.startsWith(rootfs)).length).toBeGreaterThan(rounds);
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  plain("a read-only path that is exchanged with a link: what got the mount is read-only (V10)", async ({ box }) => {
    const bundle = box.bundle(["/bin/cat", "/proc/self/mountinfo"], {
      rootfs: (path) => {
        mkdirSync(join(path, "vol/x"), { recursive: true });
        mkdirSync(join(path, "other"));
        symlinkSync("/other", join(path, "vol/y"));
      },
      config: (config) => {
        config.linux.readonlyPaths?.push("/vol/x");
      },
    });
    const rootfs = join(bundle, "rootfs");
    const mounts: string[] = [];
    await racing([join(rootfs, "vol/x"), join(rootfs, "vol/y")], async () => {
      for (let i = 0; i < rounds; i++) mounts.push((await box.ok(["run", "--bundle", bundle, box.newId()])).stdout);
    });
    for (const text of mounts) {
      const made = text.split("\n").filter((line) => /^(\S+ ){4}\/(vol\/|other)/.test(line));
      expect(made, text).toHaveLength(1);
      expect(made[0]?.split(" ")[5]).toMatch(/^ro\b/);
    }
    expect(box.leftovers()).toEqual([]);
  });

  plain("/proc that is exchanged with a link: procfs lies on /proc, or create fails (V04)", async ({ box }) => {
    const bundle = box.bundle(["/bin/cat", "/proc/self/mountinfo"], {
      rootfs: (path) => {
        mkdirSync(join(path, "bad"));
        symlinkSync("/bad", join(path, "proc2"));
      },
    });
    const rootfs = join(bundle, "rootfs");
    const fields: string[] = [];
    await racing([join(rootfs, "proc"), join(rootfs, "proc2")], async () => {
      for (let i = 0; i < rounds; i++) {
        const { stdout } = await box.call(["run", "--bundle", bundle, box.newId()]);
        // without a /proc at its place the program finds none and says nothing
        fields.push(
          ...stdout
            .split("\n")
            .filter((line) => / - proc proc /.test(line))
            .map((line) => line.split(" ")[4] ?? ""),
        );
      }
    });
    expect(fields.filter((point) => point.startsWith("/bad"))).toEqual([]);
    expect(box.leftovers()).toEqual([]);
  });
});

/** Does something while a neighbour exchanges two names all the time. */
async function racing(names: readonly [string, string], work: () => Promise<void>): Promise<void> {
  const racer = spawn([compile("test/harness/racer.c"), ...names], ["ignore", "pipe", "inherit"]);
  const over = new Promise<void>((resolve) => racer.once("exit", () => resolve()));
  await new Promise<void>((resolve) => racer.stdout?.once("data", () => resolve()));
  try {
    await work();
    expect(racer.exitCode).toBe(null);
  } finally {
    racer.kill("SIGKILL");
    await over;
  }
}
