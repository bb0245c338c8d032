/**
 * checkpoint and restore by CRIU (feature-parity 1.7 and 6.1, engine-contract 6, V25). The criu is the machine's if it can
 * dump here, else that of tools/criu.sh; without either the tests that need it are skipped.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box, Container } from "../harness/box.ts";
import { type CommandOptions, eventually, exitCode, type Result, run, start } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile, repository } from "../harness/paths.ts";

/** A folder with a criu that works on this kernel; undefined when there is none. */
function criuFolder(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), join(repository, "build/criu/bin")];
  return folders.find((folder) => {
    if (!existsSync(join(folder, "criu"))) return false;
    try {
      execFileSync(join(folder, "criu"), ["check"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

const folder = criuFolder();
const why = folder === undefined ? " [no criu that works on this kernel: tools/criu.sh fetches one]" : "";

const counting = [
  "/bin/sh",
  "-c",
  "i=0; while :; do i=$((i+1)); echo $i > /tmp/next; /bin/busybox mv /tmp/next /tmp/count; sleep 0.02; done",
];

/** PATH with the criu in front. */
function withCriu(box: Box): CommandOptions {
  const environment = box.environment;
  return { env: { ...environment, PATH: `${folder ?? ""}:${environment["PATH"]}` }, deadline: 30_000 };
}

/** Restores into a new container and returns its id and pid. */
async function restore(
  box: Box,
  bundle: string,
  image: string,
  ...flags: string[]
): Promise<{ id: string; pid: number }> {
  const id = box.newId();
  const pidFile = box.path(`${id}.pid`);
  const args = ["restore", "--detach", "--image-path", image, "--work-path", box.path("work")];
  await box.ok([...args, "--bundle", bundle, "--pid-file", pidFile, ...flags, id], withCriu(box));
  return { id, pid: Number(readFileSync(pidFile, "utf8")) };
}

/** What the program has written last; not a number before it has, as in a root file system it was just restored into. */
function count(bundle: string): number {
  const file = join(bundle, "rootfs/tmp/count");
  return existsSync(file) ? Number(readFileSync(file, "utf8") || Number.NaN) : Number.NaN;
}

/** Waits until the program counts on from where it was. */
async function countsOn(bundle: string): Promise<void> {
  const before = await eventually("a number", () => (count(bundle) > 0 ? count(bundle) : undefined));
  await eventually("the next number", () => (count(bundle) > before ? true : undefined));
}

async function counter(box: Box, config?: (config: Config) => void): Promise<Container> {
  const container = await box.start(counting, config === undefined ? {} : { config });
  await eventually("the first number", () => (count(container.bundle) > 0 ? true : undefined));
  return container;
}

/** Detached containers have no file of the host as a stream: CRIU couldn't find it again. */
async function detached(box: Box, config?: (config: Config) => void): Promise<{ id: string; bundle: string }> {
  const id = box.newId();
  const bundle = box.bundle(counting, config === undefined ? {} : { config });
  const argv = box.argv("run", "--detach", "--bundle", bundle, id);
  const child = start(argv, "ignore", { env: box.environment });
  expect(await exitCode(child, argv)).toBe(0);
  await eventually("the first number", () => (count(bundle) > 0 ? true : undefined));
  return { id, bundle };
}

describeRuntimes("checkpoint", ({ runtime, test, differs }) => {
  const needsCriu = (name: string, body: (fixtures: { box: Box }) => Promise<void>): void => {
    if (folder === undefined) test.skip(`${name}${why}`, body);
    else differs({ crun: "built without CRIU", runc: "its checkpoints are its own" })(name, body);
  };

  needsCriu(
    "the container is gone afterwards, and goes on when restored: memory, mounts, masks, cgroup",
    async ({ box }) => {
      const { id, bundle } = await detached(box, (config) => {
        mkdirSync(box.path("shared"));
        writeFileSync(box.path("shared/file"), "of the host");
        config.mounts.push({ destination: "/mnt", type: "bind", source: box.path("shared"), options: ["rbind", "ro"] });
        config.mounts.push({
          destination: "/etc/one",
          type: "bind",
          source: box.path("shared/file"),
          options: ["bind"],
        });
      });
      const image = box.path("image");
      const result = await box.ok(["checkpoint", "--image-path", image, id], withCriu(box));
      expect(result.stdout + result.stderr).toBe("");
      expect(await box.state(id)).toBeUndefined();
      for (const name of ["inventory.img", "descriptors.json", "dump.log", "stats-dump"])
        expect(existsSync(join(image, name)), name).toBe(true);
      expect(statSync(image).mode & 0o777).toBe(0o700);
      expect(JSON.parse(readFileSync(join(image, "descriptors.json"), "utf8"))).toEqual([
        "/dev/null",
        "/dev/null",
        "/dev/null",
      ]);
      const stood = count(bundle);
      const restored = await restore(box, bundle, image);
      await countsOn(bundle);
      expect(count(bundle)).toBeGreaterThan(stood);
      expect(await box.state(restored.id)).toMatchObject({ status: "running", pid: restored.pid, bundle });
      expect((await box.ok(["exec", restored.id, "/bin/cat", "/mnt/file", "/etc/one"])).stdout).toBe(
        "of the hostof the host",
      );
      expect((await box.ok(["exec", restored.id, "/bin/cat", "/proc/keys"])).stdout).toBe("");
      expect((await box.call(["exec", restored.id, "/bin/touch", "/mnt/x"])).code).not.toBe(0);
      expect(readFileSync(`/proc/${restored.pid}/cgroup`, "utf8")).toContain(`/${restored.id}\n`);
      expect(readFileSync("/proc/mounts", "utf8")).not.toContain("criu-root");
      expect(readdirSync(join(box.root, restored.id))).not.toContain("criu-root");
      await box.ok(["kill", restored.id, "KILL"]);
    },
  );

  needsCriu("--leave-running: it goes on; a paused one stays paused (CRI-O)", async ({ box }) => {
    const { id, bundle } = await detached(box);
    await box.ok(["pause", id]);
    const words = [
      "checkpoint",
      "--leave-running",
      "--leave-running",
      "--file-locks",
      "--image-path",
      box.path("image"),
    ];
    await box.ok([...words, "--work-path", box.path("w/o/r/k"), id], withCriu(box));
    expect(existsSync(box.path("w/o/r/k/dump.log"))).toBe(true);
    expect((await box.state(id))?.status).toBe("paused");
    await box.ok(["resume", id]);
    await countsOn(bundle);
  });

  needsCriu("twice over: what was restored can be checkpointed again", async ({ box }) => {
    const { id, bundle } = await detached(box);
    await box.ok(["checkpoint", "--image-path", box.path("one"), id], withCriu(box));
    const first = await restore(box, bundle, box.path("one"));
    await countsOn(bundle);
    await box.ok(["checkpoint", "--image-path", box.path("two"), first.id], withCriu(box));
    await restore(box, bundle, box.path("two"));
    await countsOn(bundle);
  });

  needsCriu("into another root file system, whose mount points are missing", async ({ box }) => {
    const { id, bundle } = await detached(box, (config) => {
      mkdirSync(box.path("volume"));
      writeFileSync(box.path("volume/file"), "new place");
      config.mounts.push({ destination: "/vol/a/b", type: "bind", source: box.path("volume"), options: ["bind"] });
    });
    await box.ok(["checkpoint", "--image-path", box.path("image"), id], withCriu(box));
    const other = box.bundle(counting);
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Config;
    renameSync(box.path("volume"), box.path("moved"));
    for (const mount of config.mounts) if (mount.source === box.path("volume")) mount.source = box.path("moved");
    writeFileSync(join(other, "config.json"), JSON.stringify(config));
    const { id: restored } = await restore(box, other, box.path("image"));
    expect((await box.ok(["exec", restored, "/bin/cat", "/vol/a/b/file"])).stdout).toBe("new place");
    await countsOn(other);
  });

  needsCriu(
    "pipes of the caller are the next caller's after a restore; the exit status in the foreground",
    async ({ box }) => {
      const id = box.newId();
      const bundle = box.bundle(["/bin/sh", "-c", "echo first; read line; echo got $line; exit 7"]);
      // real pipes: what Node calls so are sockets
      const pipeline = (name: string, ...args: string[]): Promise<Result> => {
        execFileSync("mkfifo", [box.path(`${name}.in`)]);
        const file = (end: string): string => `'${box.path(`${name}.${end}`)}'`;
        const text = `cat ${file("in")} | { "$@" 2>/dev/null; echo $? > ${file("status")}; } | cat > ${file("out")}`;
        return run(["sh", "-c", text, "sh", ...box.argv(...args)], withCriu(box));
      };
      const output = (name: string, text: string): Promise<true> =>
        eventually(`"${text}"`, () => {
          const path = box.path(`${name}.out`);
          return existsSync(path) && readFileSync(path, "utf8") === text ? true : undefined;
        });
      const before = pipeline("one", "run", "--bundle", bundle, id);
      const first = openSync(box.path("one.in"), "w");
      await output("one", "first\n");
      await box.ok(["checkpoint", "--image-path", box.path("image"), id], withCriu(box));
      closeSync(first);
      await before;
      expect(JSON.parse(readFileSync(box.path("image/descriptors.json"), "utf8"))).toEqual([
        expect.stringMatching(/^pipe:\[\d+\]$/),
        expect.stringMatching(/^pipe:\[\d+\]$/),
        expect.any(String),
      ]);
      const again = box.newId();
      const after = pipeline(
        "two",
        "--log",
        box.path("log"),
        "restore",
        "--image-path",
        box.path("image"),
        "--bundle",
        bundle,
        again,
      );
      const second = openSync(box.path("two.in"), "w");
      writeSync(second, "hello\n");
      closeSync(second);
      await after;
      await output("two", "got hello\n");
      expect(readFileSync(box.path("two.status"), "utf8"), readFileSync(box.path("log"), "utf8")).toBe("7\n");
      expect(await box.state(again)).toBeUndefined();
    },
  );

  needsCriu("a terminal: the new one comes by the console socket", async ({ box }) => {
    const receive = async (name: string) => {
      const socket = box.path(name);
      let out = "";
      let err = "";
      const child = start([compile("test/harness/recvtty.c"), socket], ["pipe", "pipe", "pipe"]);
      child.stdout?.on("data", (data: Buffer) => {
        out += data.toString();
      });
      child.stderr?.on("data", (data: Buffer) => {
        err += data.toString();
      });
      await eventually("the socket", () => (err.includes("listening") ? true : undefined));
      return { child, socket, output: () => out };
    };
    const first = await receive("one.sock");
    const container = await box.start(["/bin/sh", "-c", "while read line; do echo got $line; done"], {
      config: (config) => {
        config.process.terminal = true;
      },
      flags: ["--console-socket", first.socket],
    });
    first.child.stdin?.write("a\n");
    await eventually("an answer", () => (first.output().includes("got a\r\n") ? true : undefined));
    await box.ok(["checkpoint", "--image-path", box.path("image"), container.id], withCriu(box));
    first.child.stdin?.end();
    const second = await receive("two.sock");
    await restore(box, container.bundle, box.path("image"), "--console-socket", second.socket);
    second.child.stdin?.write("b\n");
    await eventually("an answer of the restored", () => (second.output().includes("got b\r\n") ? true : undefined));
    second.child.stdin?.end();
  });

  needsCriu("a network namespace of others, and hooks that find the container's", async ({ box }) => {
    const holder = start(["unshare", "-n", "sleep", "100"], "ignore");
    const path = `/proc/${holder.pid}/ns/net`;
    await eventually("the namespace", () =>
      statSync(path).ino !== statSync("/proc/self/ns/net").ino ? true : undefined,
    );
    const { id, bundle } = await detached(box, (config) => {
      for (const namespace of config.linux.namespaces) if (namespace.type === "network") namespace.path = path;
      const args = [
        "sh",
        "-c",
        `cat > ${box.path("hook")}; readlink /proc/$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' ${box.path("hook")})/ns/mnt >> ${box.path("hook")}`,
      ];
      config.hooks = { createRuntime: [{ path: "/bin/sh", args }] };
    });
    await box.ok(["checkpoint", "--image-path", box.path("image"), id], withCriu(box));
    rmSync(box.path("hook"));
    const restored = await restore(box, bundle, box.path("image"));
    expect(statSync(`/proc/${restored.pid}/ns/net`).ino).toBe(statSync(path).ino);
    expect(readFileSync(box.path("hook"), "utf8")).toContain(`"id":"${restored.id}"`);
    expect(readFileSync(box.path("hook"), "utf8")).toMatch(/mnt:\[\d+\]/);
    await box.ok(["delete", "--force", restored.id]);
    holder.kill("SIGKILL");
  });

  needsCriu("a user namespace", async ({ box }) => {
    const { id, bundle } = await detached(box, (config) => {
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys/fs/cgroup");
    });
    const result = await box.call(["checkpoint", "--image-path", box.path("image"), id], withCriu(box));
    // what CRIU can't do here, it says
    if (result.code !== 0) {
      expect(result.stderr).toMatch(
        /^tsrunc checkpoint failed: criu failed to checkpoint: .+ \(log file: .+dump.log\)\n$/,
      );
      return;
    }
    const outcome = await restore(box, bundle, box.path("image")).catch((error: unknown) => String(error));
    if (typeof outcome === "string") expect(outcome).toMatch(/criu failed to restore: .+ \(log file: .+restore.log\)/);
    else await countsOn(bundle);
  });

  // ---- failures ----

  needsCriu("CRIU's reason is on the first line, and the container goes on", async ({ box }) => {
    const container = await counter(box, () => undefined); // its output is a file of the host: CRIU can't reach it
    const stderr = await box.fails(["checkpoint", "--image-path", box.path("image"), container.id], withCriu(box));
    expect(stderr).toMatch(
      /^tsrunc checkpoint failed: criu failed to checkpoint: .+ \(log file: .+\/image\/dump\.log\)\n$/,
    );
    expect(await container.status()).toBe("running");
    await countsOn(container.bundle);
  });

  needsCriu("a failed restore leaves nothing", async ({ box }) => {
    const { id, bundle } = await detached(box);
    const image = box.path("image");
    await box.ok(["checkpoint", "--image-path", image, id], withCriu(box));
    rmSync(join(image, readdirSync(image).find((name) => name.startsWith("mm-")) ?? ""));
    const again = box.newId();
    const words = [
      "restore",
      "--detach",
      "--image-path",
      image,
      "--bundle",
      bundle,
      "--pid-file",
      box.path("p"),
      again,
    ];
    expect(await box.fails(words, withCriu(box))).toMatch(/criu failed to restore: .+ \(log file: .+restore\.log\)\n$/);
    expect(existsSync(box.path("p"))).toBe(false);
    expect(box.leftovers()).toEqual([]);
  });

  needsCriu("mounts come from the bundle alone (V25): one that it doesn't have isn't restored", async ({ box }) => {
    const { id, bundle } = await detached(box, (config) => {
      mkdirSync(box.path("secret"));
      config.mounts.push({ destination: "/mnt", type: "bind", source: box.path("secret"), options: ["bind"] });
    });
    await box.ok(["checkpoint", "--image-path", box.path("image"), id], withCriu(box));
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Config;
    config.mounts = config.mounts.filter(({ destination }) => destination !== "/mnt");
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const words = ["restore", "--detach", "--image-path", box.path("image"), "--bundle", bundle, box.newId()];
    expect(await box.fails(words, withCriu(box))).toContain("criu failed to restore");
    expect(box.leftovers()).toEqual([]);
  });

  needsCriu("criu killed half way: an error, and no process stays", async ({ box }) => {
    const container = await counter(box);
    const bin = box.path("bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "criu"), "#!/bin/sh\nkill -9 $$\n", { mode: 0o755 });
    const env = { ...box.environment, PATH: `relative::${bin}` };
    const stderr = await box.fails(["checkpoint", "--image-path", box.path("image"), container.id], { env });
    expect(stderr).toContain("criu ended without an answer");
    expect(await container.status()).toBe("running");
  });

  const ours = { runc: "words of its own", crun: "has no checkpoint" };

  differs(ours)("without criu the error says so; relative PATH elements don't count", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"]);
    mkdirSync(box.path("bin"));
    writeFileSync(box.path("bin/criu"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const options = { env: { ...box.environment, PATH: "bin:.:" }, cwd: box.directory };
    const node = runtime.name === "node" ? options : { ...options };
    const stderr = await box.fails(["checkpoint", "--image-path", box.path("image"), container.id], node);
    expect(stderr).toMatch(/^tsrunc checkpoint failed: criu: executable file not found in \$PATH/);
  });

  differs(ours)("refusals before anything is done", async ({ box }) => {
    const created = await box.create(["/bin/sleep", "1000"]);
    const image = box.path("image");
    const checkpoint = (...args: string[]) => box.fails(["checkpoint", "--image-path", image, ...args], withCriu(box));
    expect(await checkpoint(created.id)).toMatch(/container .+ cannot be checkpointed in created state/);
    expect(await checkpoint("nosuch")).toContain("does not exist");
    await created.start();
    const { id } = created;
    expect(await checkpoint("--manage-cgroups-mode", "hard", id)).toContain("--manage-cgroups-mode");
    expect(await checkpoint("--network-lock", "no", id)).toContain("--network-lock");
    expect(await checkpoint("--empty-ns", "pid", id)).toContain("--empty-ns");
    expect(await checkpoint("--page-server", "nowhere", id)).toContain("--page-server");
    expect(await checkpoint("--parent-path", "/abs", id)).toMatch(/parent path .* relative/);
    expect(await checkpoint("--parent-path", "../nosuch", id)).toContain("is no directory");
    rmSync(image, { recursive: true });
    mkdirSync(box.path("elsewhere"));
    symlinkSync(box.path("elsewhere"), image);
    expect(await checkpoint(id)).toContain("is no directory"); // V25: a link isn't followed
    expect(readdirSync(box.path("elsewhere"))).toEqual([]);
    await box.ok(["kill", id, "KILL"]);
    await created.until("stopped");
    expect(await checkpoint(id)).toMatch(/cannot be checkpointed in stopped state/);
    const bundle = box.bundle(["/bin/true"]);
    const words = ["restore", "--bundle", bundle, "--image-path", box.path("elsewhere"), box.newId()];
    expect(await box.fails(words, withCriu(box))).toContain("inventory.img is missing");
    expect(existsSync(join(box.root, words.at(-1) ?? ""))).toBe(false);
  });

  test("what engines probe: checkpoint --help, restore --lsm-mount-context", async ({ box }) => {
    if (runtime.name === "crun") return;
    const bare = (args: string[]): Promise<Result> => run([...runtime.argv, ...args], { env: {} });
    expect((await bare(["checkpoint", "--help"])).code).toBe(0);
    const { code, stdout, stderr } = await bare(["restore", "--lsm-mount-context"]);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("flag needs an argument");
    expect(box.leftovers()).toEqual([]);
  });
});
