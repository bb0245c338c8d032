/** The life of a container through the commands that engines use (engine-contract 5 and 10). */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { alive, type State } from "../harness/box.ts";
import { exitCode, start as spawn } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { probeArgs } from "../harness/probe.ts";

const SLEEP = ["/bin/sleep", "1000"];

describeRuntimes("lifecycle", ({ test, differs, runtime }) => {
  test("create, start, kill, delete, with the state of each moment", async ({ box }) => {
    const container = await box.create(SLEEP, {
      config: (config) => {
        config.annotations = { "com.example": "yes" };
      },
    });
    const created = (await box.state(container.id)) as State;
    expect(created).toMatchObject({
      id: container.id,
      status: "created",
      pid: container.pid,
      bundle: container.bundle,
    });
    expect(created.annotations).toEqual({ "com.example": "yes" });
    expect(created.rootfs).toBe(`${container.bundle}/rootfs`);
    expect(Date.parse(created.created)).toBeGreaterThan(Date.now() - 60_000);
    await container.start();
    expect(await box.state(container.id)).toMatchObject({ status: "running", pid: container.pid });
    await container.kill("KILL");
    await container.ended();
    expect(await box.state(container.id)).toMatchObject({ status: "stopped", pid: 0 });
    await container.delete();
    expect(await box.state(container.id)).toBeUndefined();
    expect(box.leftovers()).toEqual([]);
  });

  test("success is silent on stdout and stderr", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    for (const args of [
      ["create", "--bundle", bundle, id],
      ["start", id],
      ["kill", id, "9"],
      ["delete", "--force", id],
    ]) {
      const { code, stdout, stderr } = await box.call(args);
      expect({ code, stdout, stderr }, args[0]).toEqual({ code: 0, stdout: "", stderr: "" });
    }
  });

  test("run returns what the program wrote and its exit code", async ({ box }) => {
    const result = await box.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toMatchObject({ code: 7, stdout: "out\n", stderr: "err\n" });
    expect(box.leftovers()).toEqual([]);
  });

  for (const [what, name] of [
    ["that the kernel cuts in the middle of a letter", "aaaaaaaaaaaaaa\u00e9"],
    ["with parentheses, spaces and a line feed", ") S 1\n(2 )"],
  ] as const) {
    // the name stands in /proc/PID/stat, which tells whether it is the same process, and alive
    test(`a program with a name ${what} is seen to run`, async ({ box }) => {
      const container = await box.create([`/tmp/${name}`, "1000"], {
        rootfs: (path) => copyFileSync(`${path}/bin/busybox`, `${path}/tmp/${name}`),
        config: (config) => {
          // busybox goes by its own name
          config.process.args = ["/bin/sh", "-c", 'exec -a sleep "$0" 1000', `/tmp/${name}`];
        },
      });
      await container.start();
      expect(await box.state(container.id)).toMatchObject({ status: "running", pid: container.pid });
      await container.delete("--force");
    });
  }

  test("run of a program that dies of a signal exits with 128 + signal", async ({ box }) => {
    // A pid 1 is immune to its own signals, so the shell is its child's.
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    const child = spawn(box.argv("run", "--bundle", bundle, "--pid-file", box.path("pid"), id), "ignore", {
      env: box.environment,
    });
    const ended = exitCode(child, ["run"]);
    while ((await box.state(id))?.status !== "running");
    await box.ok(["kill", id, "KILL"]);
    expect(await ended).toBe(137);
  });

  test("run in the foreground forwards SIGTERM to the container", async ({ box }) => {
    const bundle = box.bundle(["/bin/sh", "-c", "trap 'exit 42' TERM; while :; do sleep 0.05; done"]);
    const id = box.newId();
    const child = spawn(box.argv("run", "--bundle", bundle, id), "ignore", { env: box.environment });
    const ended = exitCode(child, ["run"]);
    while ((await box.state(id))?.status !== "running");
    await new Promise((resolve) => setTimeout(resolve, 100)); // the shell sets its trap
    process.kill(child.pid ?? 0, "SIGTERM");
    expect(await ended).toBe(42);
  });

  test("run --detach returns while the program runs", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    await box.ok(["run", "--detach", "--bundle", bundle, "--pid-file", box.path("pid"), id]);
    const pid = Number(readFileSync(box.path("pid"), "utf8"));
    expect(await box.state(id)).toMatchObject({ status: "running", pid });
  });

  test("run --keep leaves a stopped container with its cgroup (case 15)", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    const id = box.newId();
    const result = await box.call(["run", "--keep", "--bundle", bundle, id]);
    if (!runtime.ours && /flag provided but not defined|unrecognized option/.test(result.stderr)) return; // before runc 1.2
    expect(result.code).toBe(0);
    expect(await box.state(id)).toMatchObject({ status: "stopped", pid: 0 });
    expect(box.leftovers().some((line) => line.includes("/memory/"))).toBe(true);
    await box.ok(["delete", id]);
    expect(box.leftovers()).toEqual([]);
  });

  test("the pid file holds digits only, replaces what was there, and is absent after a failure", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    writeFileSync(box.path("pid"), ""); // pre-created, as CRI-O does
    await box.ok(["create", "--bundle", bundle, "--pid-file", "pid", id]); // relative to the caller, not to the bundle
    expect(readFileSync(box.path("pid"), "utf8")).toMatch(/^[1-9][0-9]*$/);
    expect(statSync(box.path("pid")).mode & 0o133).toBe(0);
    const broken = box.bundle(["/no/such"]);
    await box.fails(["create", "--bundle", broken, "--pid-file", "pid2", box.newId()]);
    expect(existsSync(box.path("pid2"))).toBe(false);
    expect(readdirSync(box.directory).filter((name) => name.includes("pid"))).toEqual(["pid"]);
  });

  test("delete of a created container kills it", async ({ box }) => {
    const container = await box.create(SLEEP);
    await container.delete();
    expect(alive(container.pid)).toBe(false);
    expect(box.leftovers()).toEqual([]);
  });

  test("delete of a running container is refused, --force isn't", async ({ box }) => {
    const container = await box.start(SLEEP);
    const stderr = await box.fails(["delete", container.id]);
    expect(stderr).toContain("running");
    expect(await container.status()).toBe("running");
    await container.delete("--force");
    expect(alive(container.pid)).toBe(false);
    expect(box.leftovers()).toEqual([]);
  });

  test("delete --force of an unknown id is quiet, delete isn't (case 1)", async ({ box }) => {
    expect(await box.ok(["delete", "--force", "nosuch"])).toMatchObject({ stdout: "", stderr: "" });
    await box.refuses(["delete", "nosuch"], /does not exist/);
  });

  test("kill after someone else deleted the container says so (case 2)", async ({ box }) => {
    const container = await box.start(SLEEP);
    await container.delete("--force");
    await box.refuses(["kill", container.id, "9"], /does not exist/);
    await box.refuses(["kill", "--all", container.id, "9"], /does not exist/);
  });

  test("kill of a stopped container (case 3): plain fails, --all succeeds", async ({ box }) => {
    const container = await box.start(["/bin/true"]);
    await container.until("stopped");
    await box.refuses(["kill", container.id, "15"], /container not running/);
    await box.ok(["kill", "--all", container.id, "9"]);
  });

  test("a zombie init counts as stopped and can be deleted", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    const id = box.newId();
    const argv = [
      compile("test/harness/caller.c"),
      "--zombies",
      "--",
      ...box.argv("run", "--detach", "--pid-file", box.path("pid"), "--bundle", bundle, id),
    ];
    const child = spawn(argv, ["pipe", "ignore", "pipe"], { env: box.environment });
    const ended = exitCode(child, argv);
    try {
      while (!(existsSync(box.path("pid")) && !alive(Number(readFileSync(box.path("pid"), "utf8"))))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(await box.state(id)).toMatchObject({ status: "stopped", pid: 0 });
      await box.refuses(["kill", id, "15"], /container not running/);
      await box.ok(["delete", id]);
    } finally {
      child.stdin?.end();
    }
    expect(await ended).toBe(0);
  });

  test("init killed between create and start (case 8): stopped, start fails, delete works", async ({ box }) => {
    const container = await box.create(SLEEP);
    process.kill(container.pid, "SIGKILL");
    await container.ended();
    expect(await box.state(container.id)).toMatchObject({ status: "stopped", pid: 0 });
    await box.fails(["start", container.id]);
    await container.delete();
    expect(box.leftovers()).toEqual([]);
  });

  test("start twice, start of a stopped one, start of an unknown one", async ({ box }) => {
    const container = await box.start(SLEEP);
    await box.refuses(["start", container.id], /already running|cannot start/);
    await container.kill("KILL");
    await container.until("stopped");
    await box.refuses(["start", container.id], /stopped|cannot start/);
    await box.refuses(["start", "nosuch"], /does not exist/);
  });

  test("a second create of an id is refused and leaves the first alone", async ({ box }) => {
    const container = await box.start(SLEEP);
    const other = box.bundle(SLEEP);
    await box.refuses(["create", "--bundle", other, container.id], /already exists/);
    expect(await container.status()).toBe("running");
  });

  differs({ runc: "takes names, in any case, only without spaces", crun: "the same" })(
    "signals by number, name and short name",
    async ({ box }) => {
      const container = await box.start(probeArgs(["trap", "10", "12", "15", "37"]));
      await box.ok(["kill", container.id, "0"]);
      for (const bad of ["SIGFOO", "99", "-9", "15abc", "TERM ", ""]) {
        await box.refuses(["kill", container.id, bad], /signal/);
      }
      await box.ok(["kill", container.id, "sigterm"]);
      expect((await container.report()).trap).toBe(15);
    },
  );

  for (const [given, number] of [
    ["USR1", 10],
    ["SIGUSR2", 12],
    ["37", 37],
    [undefined, 15],
  ] as const) {
    test(`kill with signal ${given ?? "(none)"} delivers ${number}`, async ({ box }) => {
      const container = await box.start(probeArgs(["trap", "10", "12", "15", "37"]));
      while (!container.output.stderr.includes("ready")) await new Promise((resolve) => setTimeout(resolve, 5));
      await box.ok(["kill", container.id, ...(given === undefined ? [] : [given])]);
      expect((await container.report()).trap).toBe(number);
    });
  }

  test("a created container ends on TERM", async ({ box }) => {
    if (runtime.name === "crun") return; // its waiting init has no handler, so a pid 1 ignores TERM
    const container = await box.create(SLEEP);
    await container.kill("TERM");
    await container.ended();
    expect(await container.status()).toBe("stopped");
  });

  test("a short-lived process: start succeeds, the state is stopped (R15)", async ({ box }) => {
    for (let round = 0; round < 5; round++) {
      const container = await box.start(["/bin/true"]);
      await container.until("stopped");
      await container.delete();
    }
    expect(box.leftovers()).toEqual([]);
  });

  test("kill --all reaches every process of a container without a pid namespace", async ({ box }) => {
    const container = await box.start(["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"], {
      config: (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await box.ok(["kill", "--all", container.id, "KILL"]);
    await container.until("stopped");
    await container.delete();
    expect(box.leftovers()).toEqual([]);
  });

  test("delete --force ends all processes of a container without a pid namespace (R13)", async ({ box }) => {
    const container = await box.start(["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"], {
      config: (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await container.delete("--force");
    expect(box.leftovers()).toEqual([]);
  });

  test("list shows all containers of the root, as table, JSON and ids", async ({ box }) => {
    const first = await box.create(SLEEP);
    const second = await box.start(["/bin/true"]);
    await second.until("stopped");
    const table = (await box.ok(["list"])).stdout.trimEnd().split("\n");
    expect(table[0]?.split(/\s+/)).toEqual(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    expect(
      table
        .find((line) => line.startsWith(first.id))
        ?.split(/\s+/)
        .slice(1, 4),
    ).toEqual([String(first.pid), "created", first.bundle]);
    const json = JSON.parse((await box.ok(["list", "--format", "json"])).stdout) as State[];
    expect(json.map(({ id, status }) => [id, status]).sort()).toEqual([
      [first.id, "created"],
      [second.id, "stopped"],
    ]);
    const ids = (await box.ok(["list", "-q"])).stdout.trimEnd().split("\n").sort();
    expect(ids).toEqual([first.id, second.id]);
  });

  test("list of an empty root is empty", async ({ box }) => {
    mkdirSync(box.root);
    expect((await box.ok(["list", "-q"])).stdout).toBe("");
    expect([[], null]).toContainEqual(JSON.parse((await box.ok(["list", "--format", "json"])).stdout));
  });

  test("commands work with an empty environment", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    const env = { XDG_RUNTIME_DIR: "" };
    for (const args of [
      ["create", "--bundle", bundle, id],
      ["start", id],
      ["state", id],
      ["kill", id, "9"],
      ["delete", "--force", id],
    ]) {
      await box.ok(args, { env });
    }
  });

  test("the bundle may be gone when the container is deleted", async ({ box }) => {
    const container = await box.start(SLEEP);
    await container.kill("KILL");
    await container.until("stopped");
    writeFileSync(`${container.bundle}/config.json`, "gone");
    await container.delete();
  });
});
