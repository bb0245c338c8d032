/** exec: every flag, what it refuses, and that nothing of it stays (feature-parity 1.6, engine-contract 2 and 5.3). */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";
import type { Box, Container } from "../harness/box.ts";
import { alive } from "../harness/box.ts";
import { eventually, type Result, run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { parseReport, probeArgs, type Question, type Report } from "../harness/probe.ts";

const sleeper = ["/bin/sleep", "1000"];

/** A running container whose only program sleeps. */
const running = (box: Box, config?: (config: Config) => void): Promise<Container> =>
  box.start(sleeper, config === undefined ? {} : { config });

/** Asks the probe by exec. */
async function ask(box: Box, id: string, flags: string[], ...questions: Question[]): Promise<Report> {
  return parseReport((await box.ok(["exec", ...flags, id, ...probeArgs(...questions)])).stdout);
}

/** The process document of the container, changed, in a file. */
function document(box: Box, container: Container, change: (process: Config["process"]) => void): string {
  const { process } = JSON.parse(readFileSync(`${container.bundle}/config.json`, "utf8")) as Config;
  change(process);
  const file = box.path(`${container.id}.process.json`);
  writeFileSync(file, JSON.stringify(process));
  return file;
}

/** The paths of /proc/PID/cgroup by controller list. */
function cgroupsOf(pid: number | string): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(":").slice(1) as [string, string]));
}

/** The host's directory of the container's cgroup that can be frozen, and so is used for --timeout. */
function freezerDirectory(container: Container): string {
  const paths = cgroupsOf(container.pid);
  const v1 = paths["freezer"];
  return v1 === undefined ? `/sys/fs/cgroup${paths[""]}` : `/sys/fs/cgroup/freezer${v1}`;
}

const subdirectories = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

describeRuntimes("exec", ({ runtime, test, differs }) => {
  const ours = (reason: string): { runc: string; crun: string } => ({ runc: reason, crun: reason });

  test("the exit status is the program's, 128 + signal when it is killed", async ({ box }) => {
    const { id } = await running(box);
    expect((await box.call(["exec", id, "/bin/sh", "-c", "exit 42"])).code).toBe(42);
    expect((await box.call(["exec", id, "/bin/sh", "-c", "kill -9 $$"])).code).toBe(137);
  });

  test("stdin, stdout and stderr are the caller's own", async ({ box }) => {
    const { id } = await running(box);
    const result = await box.call(["exec", id, "/bin/sh", "-c", "cat; echo two >&2"], { input: "one\n" });
    expect(result).toMatchObject({ code: 0, stdout: "one\n", stderr: "two\n" });
  });

  test("what follows the id belongs to the command", async ({ box }) => {
    const { id } = await running(box);
    const { stdout } = await box.ok(["exec", id, "/bin/echo", "-d", "--tty", "--help"]);
    expect(stdout).toBe("-d --tty --help\n");
  });

  test("everything of the container's process applies: namespaces, cgroups, capabilities, limits, user", async ({
    box,
  }) => {
    const container = await running(box, (config) => {
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [2000] };
      config.process.cwd = "/tmp";
      config.process.oomScoreAdj = 321;
    });
    const report = await ask(box, container.id, [], "ids", "caps", "cwd", "limits", "ns", "process", "env", [
      "read",
      "/proc/self/cgroup",
    ]);
    expect(report.ids).toEqual({ uid: [1000, 1000, 1000], gid: [1000, 1000, 1000], groups: [2000] });
    expect(report.limits["NOFILE"]).toMatchObject({ soft: "1024", hard: "1024" });
    expect(report.process).toMatchObject({ noNewPrivs: 1, dumpable: 1, parentDeathSignal: 0 });
    if (runtime.ours) expect(report.process.oomScoreAdj.trim()).toBe("321");
    if (runtime.name !== "crun") expect(report.cwd).toBe("/tmp");
    for (const type of ["pid", "mnt", "net", "ipc", "uts"])
      expect(report.ns[type], type).toBe(readlinkSync(`/proc/${container.pid}/ns/${type}`));
    expect(report.read["/proc/self/cgroup"]?.text).toBe(readFileSync(`/proc/${container.pid}/cgroup`, "utf8"));
  });

  test("--cwd, --env, --user, --additional-gids, --no-new-privs", async ({ box }) => {
    const { id } = await running(box, (config) => {
      config.process.noNewPrivileges = false;
      config.process.env.push("KEEP=1", "CHANGE=old");
    });
    const flags = ["--cwd", "/etc", "-e", "CHANGE=new", "--env", "MORE=x=y", "--user", "7:8", "--no-new-privs"];
    if (runtime.name !== "crun") flags.push("-g", "9", "--additional-gids", "10");
    const report = await ask(box, id, flags, "ids", "cwd", "env", "process");
    expect(report.cwd).toBe("/etc");
    expect(report.ids.uid).toEqual([7, 7, 7]);
    expect(report.ids.gid).toEqual([8, 8, 8]);
    if (runtime.name !== "crun") expect(report.ids.groups).toEqual([9, 10]);
    expect(report.env).toEqual(expect.arrayContaining(["KEEP=1", "CHANGE=new", "MORE=x=y"]));
    expect(report.env).not.toContain("CHANGE=old");
    expect(report.process.noNewPrivs).toBe(1);
  });

  differs({ crun: "--cap replaces the sets there" })("--cap adds, but never to inheritable", async ({ box }) => {
    const { id } = await running(box);
    const before = await ask(box, id, [], "caps");
    const { caps } = await ask(box, id, ["--cap", "CAP_SYS_PTRACE", "-c", "CAP_SYS_TIME"], "caps");
    const bit = (1n << 19n) | (1n << 25n);
    for (const set of ["bounding", "effective", "permitted"] as const)
      expect(BigInt(`0x${caps[set]}`), set).toBe(BigInt(`0x${before.caps[set]}`) | bit);
    expect(BigInt(`0x${caps.inheritable}`)).toBe(0n);
    expect(BigInt(`0x${caps.ambient}`)).toBe(0n);
  });

  test("--process describes everything; its file may go at once", async ({ box }) => {
    const container = await running(box);
    const file = document(box, container, (process) => {
      process.args = probeArgs("ids", "env", "cwd", "process", "caps");
      process.env = ["ONLY=this"];
      process.cwd = "/var";
      process.user = { uid: 5, gid: 6, umask: 0o077 };
      delete process.capabilities;
      process["scheduler"] = { policy: "SCHED_BATCH", nice: 3 };
    });
    const report = parseReport((await box.ok(["exec", "--process", file, container.id])).stdout);
    expect(report.ids.uid).toEqual([5, 5, 5]);
    expect(report.env.filter((entry) => !entry.startsWith("HOME="))).toEqual(["ONLY=this"]);
    expect(report.cwd).toBe("/var");
    if (runtime.ours) {
      expect(report.caps.bounding).toBe("0000000000000000");
      expect(report.process.scheduler).toBe(3);
    }
    const sleeping = document(box, container, (process) => {
      process.args = ["/bin/sleep", "1000"];
    });
    await box.ok(["exec", "--detach", "--process", sleeping, "--pid-file", box.path("pid"), container.id]);
    rmSync(sleeping);
    expect(alive(Number(readFileSync(box.path("pid"), "utf8")))).toBe(true);
  });

  differs(ours("execCPUAffinity is younger"))("execCPUAffinity: final is what the program gets", async ({ box }) => {
    const container = await running(box);
    const cpus = async (affinity: object | undefined): Promise<number> => {
      const file = document(box, container, (process) => {
        process.args = probeArgs("process");
        Object.assign(process, affinity === undefined ? {} : { execCPUAffinity: affinity });
      });
      return parseReport((await box.ok(["exec", "-p", file, container.id])).stdout).process.cpus;
    };
    const all = await cpus(undefined);
    expect(all).toBeGreaterThan(1);
    expect(await cpus({ initial: "0", final: "1" })).toBe(1);
    expect(await cpus({ final: "0" })).toBe(1);
    const bad = document(box, container, (process) => Object.assign(process, { execCPUAffinity: { final: "x" } }));
    expect(await box.fails(["exec", "-p", bad, container.id], { code: 255 })).toContain("bad CPUAffinity.Final");
  });

  test("--detach: the pid file has the pid, the process is in the container and outlives us", async ({ box }) => {
    const container = await running(box);
    await box.ok(["exec", "-d", "--pid-file", box.path("pid"), container.id, "/bin/sleep", "1001"]);
    const text = readFileSync(box.path("pid"), "utf8");
    expect(text).toMatch(/^\d+$/);
    expect(readlinkSync(`/proc/${text}/ns/pid`)).toBe(readlinkSync(`/proc/${container.pid}/ns/pid`));
    expect(cgroupsOf(text)).toEqual(cgroupsOf(container.pid));
  });

  test("--detach of a program that ends at once still succeeds with its pid (R15)", async ({ box }) => {
    const { id } = await running(box);
    for (let count = 0; count < 10; count++) {
      writeFileSync(box.path("pid"), ""); // CRI-O makes it beforehand
      await box.ok(["exec", "-d", "--pid-file", box.path("pid"), id, "/bin/true"]);
      expect(readFileSync(box.path("pid"), "utf8")).toMatch(/^\d+$/);
    }
  });

  test("a container that is only created", async ({ box }) => {
    const container = await box.create(sleeper);
    const { process, ns } = await ask(box, container.id, [], "process", "ns");
    expect(process.pid).toBeGreaterThan(1);
    expect(ns["mnt"]).toBe(readlinkSync(`/proc/${container.pid}/ns/mnt`));
    expect(await container.status()).toBe("created");
  });

  test("a user namespace: root of it, with its capabilities and no others", async ({ box }) => {
    const container = await running(box, (config) => {
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys/fs/cgroup");
    });
    const report = await ask(box, container.id, ["--user", "12:13"], "ids", "ns", ["read", "/proc/self/uid_map"]);
    expect(report.ns["user"]).toBe(readlinkSync(`/proc/${container.pid}/ns/user`));
    expect(report.ids.uid).toEqual([12, 12, 12]);
    expect(report.read["/proc/self/uid_map"]?.text).toMatch(/0\s+100000\s+65536/);
  });

  test("a container in the host's pid and network namespaces", async ({ box }) => {
    const container = await running(box, (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid" && type !== "network");
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys");
    });
    const report = await ask(box, container.id, [], "ns", ["ls", "/"]);
    expect(report.ns["pid"]).toBe(readlinkSync("/proc/self/ns/pid"));
    expect(report.ns["mnt"]).toBe(readlinkSync(`/proc/${container.pid}/ns/mnt`));
    expect(report.ls["/"]).toContain("probe");
    process.kill(container.pid, "SIGKILL");
  });

  // ---- descriptors, terminals ----

  test("HOME is that of the user, also when the environment has none", async ({ box }) => {
    const { id } = await running(box);
    const home = async (...flags: string[]): Promise<string | undefined> =>
      (await ask(box, id, flags, "env")).env.find((entry) => entry.startsWith("HOME="));
    expect(await home()).toBe("HOME=/root");
    expect(await home("--user", "1000")).toBe("HOME=/home/user");
    expect(await home("--env", "HOME=/given")).toBe("HOME=/given");
  });

  test("--preserve-fds passes those, LISTEN_FDS with our pid come first", async ({ box }) => {
    const { id } = await running(box);
    for (const name of ["a", "b", "c"]) writeFileSync(box.path(name), name);
    const opened = ["a", "b", "c"].flatMap((name, index) => ["--open", box.path(name), String(3 + index)]);
    const command = (listen: string[]): string[] => [
      compile("test/harness/caller.c"),
      ...opened,
      ...listen,
      "--",
      ...box.argv("exec", "--preserve-fds", "1", id, ...probeArgs("fds", "env")),
    ];
    const plain = parseReport((await run(command([]), { env: box.environment })).stdout);
    expect(Object.keys(plain.fds)).toEqual(["0", "1", "2", "3"]);
    const listening = parseReport(
      (await run(command(["--setenv", "LISTEN_FDS=1", "--listen-pid"]), { env: box.environment })).stdout,
    );
    expect(Object.keys(listening.fds)).toEqual(["0", "1", "2", "3", "4"]);
    expect(listening.env).toContain("LISTEN_FDS=1");
  });

  const misuses: [string, string[], RegExp][] = [
    ["no command", [], /exec args cannot be empty/],
    ["a detached terminal without console socket", ["-d", "-t", "ID", "/bin/true"], /cannot allocate tty/],
    ["a console socket without terminal", ["--console-socket", "/x", "ID", "/bin/true"], /cannot use console socket/],
    ["a relative --cwd", ["--cwd", "etc", "ID", "/bin/true"], /absolute/i],
    ["a --cwd that isn't there", ["--cwd", "/nosuch", "ID", "/bin/true"], /"?\/nosuch"?.*no such file or directory/],
    ["a bad --user", ["--user", "root", "ID", "/bin/true"], /root/],
    ["an unknown capability", ["--cap", "CAP_NOSUCH", "ID", "/bin/true"], /CAP_NOSUCH/],
    ["a program that isn't there", ["ID", "nosuchprogram"], /executable file not found in \$PATH/],
    ["a path that isn't there", ["ID", "/no/such"], /no such file or directory/],
    ["a file that is no program", ["ID", "/etc/passwd"], /permission denied/],
    ["a directory", ["ID", "/etc"], /is a directory|permission denied/],
    ["a document that isn't there", ["--process", "/no/such", "ID"], /no such file or directory/],
    ["an unknown container", ["nosuch", "/bin/true"], /does not exist/],
    ["a container id that leads elsewhere", ["../x", "/bin/true"], /invalid container ID|does not exist/],
  ];
  differs({ crun: "words and exit codes of its own", runc: "1.1 lets some pass" })(
    "misuse is refused with 255, the known words, and no pid file",
    async ({ box }) => {
      const { id } = await running(box);
      for (const [what, words, text] of misuses) {
        const pid = box.path("pid");
        const args = ["exec", "--pid-file", pid, ...words.map((word) => (word === "ID" ? id : word))];
        const stderr = await box.fails(what === "no command" ? [...args, id] : args, { code: 255 });
        expect(stderr, what).toMatch(text);
        expect(stderr.trimEnd().split("\n").length, what).toBe(1);
        expect(existsSync(pid), what).toBe(false);
      }
    },
  );

  differs(ours("not refused there"))(
    "labels of security modules that this machine lacks are refused",
    async ({ box }) => {
      const { id } = await running(box);
      if (!existsSync("/sys/module/apparmor/parameters/enabled"))
        expect(await box.fails(["exec", "--apparmor", "p", id, "/bin/true"], { code: 255 })).toContain("apparmor");
      if (!existsSync("/sys/fs/selinux/enforce"))
        expect(await box.fails(["exec", "--process-label", "l", id, "/bin/true"], { code: 255 })).toContain("selinux");
    },
  );

  test("a stopped container is refused", async ({ box }) => {
    const container = await box.start(["/bin/true"]);
    await container.until("stopped");
    await box.refuses(["exec", container.id, "/bin/true"], /cannot exec in a stopped container/, { code: 255 });
  });

  // ---- pausing ----

  test("a paused container is refused; --ignore-paused waits until it goes on (R5)", async ({ box }) => {
    const { id } = await running(box);
    await box.ok(["pause", id]);
    await box.refuses(["exec", id, "/bin/true"], /paused/, { code: 255 });
    if (runtime.name === "crun") return void (await box.ok(["resume", id]));
    let result: Result | undefined;
    const waiting = box.call(["exec", "--ignore-paused", id, "/bin/echo", "awake"]).then((it) => {
      result = it;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(result).toBeUndefined();
    await box.ok(["resume", id]);
    await waiting;
    expect(result).toMatchObject({ code: 0, stdout: "awake\n" });
  });

  differs(ours("hangs or leaves the process"))("a signal ends the waiting for a paused container", async ({ box }) => {
    const { id } = await running(box);
    await box.ok(["pause", id]);
    const argv = box.argv("exec", "--ignore-paused", id, "/bin/sleep", "1002");
    const result = await run(["timeout", "-s", "TERM", "1", ...argv], { env: box.environment });
    expect(result.code).toBe(124); // timeout's own: it was our end that it waited for
    expect(result.stderr).toContain("interrupted by signal 15");
    await box.ok(["resume", id]);
  });

  test("while another pauses and resumes, each exec succeeds or refuses (R5)", async ({ box }) => {
    const { id } = await running(box);
    let stop = false;
    const toggling = (async () => {
      while (!stop) {
        await box.call(["pause", id]);
        await box.call(["resume", id]);
      }
    })();
    for (let count = 0; count < 10; count++) {
      const { code, stderr } = await box.call(["exec", id, "/bin/true"]);
      if (code !== 0) expect(stderr).toMatch(/paused/);
    }
    stop = true;
    await toggling;
  });

  // ---- cgroups ----

  test("--cgroup joins a sub-cgroup that exists, and no other", async ({ box }) => {
    const container = await running(box);
    const freezer = freezerDirectory(container);
    const isV1 = freezer.startsWith("/sys/fs/cgroup/freezer/");
    const wanted = isV1 ? "freezer:/sub" : "/sub";
    if (runtime.name === "crun") return;
    await box.refuses(["exec", "--cgroup", wanted, container.id, "/bin/true"], /sub/, { code: 255 });
    await box.refuses(["exec", "--cgroup", "../x", container.id, "/bin/true"], /\.\.|sub/, { code: 255 });
    mkdirSync(`${freezer}/sub`);
    const script = ["/bin/sh", "-c", "cat /proc/self/cgroup"];
    const inside = (await box.ok(["exec", "--cgroup", wanted, container.id, ...script])).stdout;
    const key = isV1 ? "freezer" : "";
    const line = (text: string): string | undefined =>
      text.split("\n").find((candidate) => candidate.split(":")[1] === key);
    expect(line(inside)).toBe(`${line(readFileSync(`/proc/${container.pid}/cgroup`, "utf8"))}/sub`);
    for (const [controllers, path] of Object.entries(cgroupsOf(container.pid)))
      if (controllers !== key) expect(inside).toContain(`:${controllers}:${path}\n`);
    expect(line((await box.ok(["exec", "--cgroup", "/", container.id, ...script])).stdout)).not.toContain("/sub");
    if (!runtime.ours) return;
    const unknown = await box.fails(["exec", "--cgroup", "nosuch:/sub", container.id, "/bin/true"], { code: 255 });
    expect(unknown).toMatch(/nosuch|controllers can't be chosen/);
  });

  // ---- --timeout ----

  differs(ours("has no --timeout"))(
    "--timeout kills all that the process has started, and says so",
    async ({ box }) => {
      const container = await running(box);
      const from = Date.now();
      // sessions and double forks: nothing but the cgroup holds them together
      const script = "(setsid sleep 1003 &) ; (sleep 1004 & sleep 1005) & wait; sleep 1006";
      const result = await box.call(["exec", "--timeout", "500ms", container.id, "/bin/sh", "-c", script]);
      expect(result.code).toBe(124);
      expect(result.stderr).toBe("tsrunc exec: the process was killed after 500ms (--timeout)\n");
      expect(Date.now() - from).toBeGreaterThanOrEqual(500);
      const { stdout } = await box.ok(["exec", container.id, "/bin/ps"]);
      expect(stdout).not.toMatch(/sleep 100[3-6]/);
      expect(subdirectories(freezerDirectory(container))).toEqual([]);
      expect(await container.status()).toBe("running");
    },
  );

  differs(ours("has no --timeout"))(
    "--timeout leaves who is in time alone, and what it leaves behind",
    async ({ box }) => {
      const container = await running(box);
      const script = "sleep 1007 >/dev/null 2>&1 & exit 7";
      expect((await box.call(["exec", "--timeout", "1m", container.id, "/bin/sh", "-c", script])).code).toBe(7);
      const { stdout } = await box.ok(["exec", container.id, "/bin/ps"]);
      expect(stdout).toContain("sleep 1007");
      expect(subdirectories(freezerDirectory(container))).toEqual([]);
    },
  );

  differs(ours("has no --timeout"))("--timeout: bad values, --detach, and a failing program", async ({ box }) => {
    const container = await running(box);
    const { id } = container;
    for (const value of ["", "5", "-1s", "0s", "1x", "1e3s"])
      expect(await box.fails(["exec", `--timeout=${value}`, id, "/bin/true"], { code: 255 })).toContain("duration");
    expect(await box.fails(["exec", "-d", "--timeout", "1s", id, "/bin/true"], { code: 255 })).toContain("--detach");
    await box.fails(["exec", "--timeout", "1s", id, "/no/such"], { code: 255 });
    expect(subdirectories(freezerDirectory(container))).toEqual([]);
  });

  differs(ours("has no --timeout"))("--timeout in a container that is paused meanwhile", async ({ box }) => {
    const container = await running(box);
    const exec = box.call(["exec", "--timeout", "1s", container.id, "/bin/sleep", "1008"], { deadline: 25_000 });
    await eventually("the exec", () =>
      subdirectories(freezerDirectory(container)).length > 0 &&
      readFileSync(
        `${freezerDirectory(container)}/${subdirectories(freezerDirectory(container))[0]}/cgroup.procs`,
        "utf8",
      ) !== ""
        ? true
        : undefined,
    );
    await box.ok(["pause", container.id]);
    expect(await exec).toMatchObject({ code: 124 });
    await box.ok(["resume", container.id]);
    await eventually("the end of the killed", () => (execOutput(container).includes("sleep 1008") ? undefined : true));
  });

  // ---- endings ----

  test("init dies while exec joins: success, 137, or a clear refusal (R10)", async ({ box }) => {
    const rounds = 12;
    for (let round = 0; round < rounds; round++) {
      const container = await running(box);
      const exec = box.call(["exec", container.id, "/bin/true"]);
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      process.kill(container.pid, "SIGKILL");
      const { code, stderr } = await exec;
      if (code === 0 || code === 137) continue;
      if (!runtime.ours) continue;
      expect(code, stderr).toBe(255);
      expect(stderr).toMatch(/container not running|cannot exec in a stopped container/);
    }
  });

  test("a storm of execs loses no exit status and leaves nothing", async ({ box }) => {
    const container = await running(box);
    // a Node.js start costs ten of the static binary's
    const total = runtime.name === "node" ? 100 : 1000;
    let next = 0;
    const wrong: string[] = [];
    const worker = async (): Promise<void> => {
      while (next < total) {
        const number = next++ % 200;
        const { code, stderr } = await box.call(["exec", container.id, "/bin/sh", "-c", `exit ${number}`], {
          deadline: 30_000,
        });
        if (code !== number) wrong.push(`${number}: ${code} ${stderr}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(wrong).toEqual([]);
    const left = readFileSync(`${freezerDirectory(container)}/cgroup.procs`, "utf8")
      .trim()
      .split("\n");
    expect(left).toEqual([String(container.pid)]);
    expect(subdirectories(freezerDirectory(container))).toEqual([]);
    const state = readdirSync(dirname(`${box.root}/${container.id}/x`)).sort();
    expect(state.filter((name) => name.includes("tmp"))).toEqual([]);
  }, 120_000);

  test("signals to the foreground exec reach the process (R17)", async ({ box }) => {
    const { id } = await running(box);
    const script =
      'trap "echo got usr1" USR1; trap "echo got term; exit 9" TERM; echo ready; while :; do sleep 0.1; done';
    const argv = box.argv("exec", id, "/bin/sh", "-c", script);
    const shell = `"$@" > '${box.path("out")}' & pid=$!
      while ! grep -q ready '${box.path("out")}'; do sleep 0.05; done
      kill -USR1 $pid; while ! grep -q usr1 '${box.path("out")}'; do sleep 0.05; done
      kill -TERM $pid; wait $pid; echo status $?`;
    const result = await run(["sh", "-c", shell, "sh", ...argv], { env: box.environment });
    expect(readFileSync(box.path("out"), "utf8")).toBe("ready\ngot usr1\ngot term\n");
    expect(result.stdout).toBe("status 9\n");
  });
});

/** Command lines of the container's processes. */
function execOutput(container: Container): string {
  return readFileSync(`${freezerDirectory(container)}/cgroup.procs`, "utf8")
    .trim()
    .split("\n")
    .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : ""))
    .join("\n")
    .replaceAll("\0", " ");
}
