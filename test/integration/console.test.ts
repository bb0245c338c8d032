/** Terminals: the console socket, the pty inside, foreground relaying, preserved descriptors, the pidfd socket (engine-contract 4, V11). */
import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { eventually, exitCode, run, start as spawn } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { parseReport, probeArgs, type Report, type Stat } from "../harness/probe.ts";

/** The engine's end of a console socket. */
interface Receiver {
  readonly child: ChildProcess;
  readonly socket: string;
  output(): string;
  /** What came: number of fds, length and text of the data. Undefined while nothing has come. */
  message(): { fds: number; length: number; text: string; char: boolean; major: number; more: number } | undefined;
}

async function receiver(box: Box, mode: string[], socket = box.path("console.sock")): Promise<Receiver> {
  let output = "";
  let errors = "";
  const child = spawn([compile("test/harness/recvtty.c"), ...mode, socket], ["pipe", "pipe", "pipe"]);
  child.stdout?.on("data", (data: Buffer) => {
    output += data.toString();
  });
  child.stderr?.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  await eventually("the console socket", () => (errors.includes("listening") ? true : undefined));
  return {
    child,
    socket,
    output: () => output,
    message: () => {
      const line = /^\{.*\}$/m.exec(errors)?.[0];
      return line === undefined ? undefined : JSON.parse(line);
    },
  };
}

const terminal =
  (change: (config: Config) => void = () => undefined) =>
  (config: Config): void => {
    config.process.terminal = true;
    change(config);
  };

/** Starts a container with a terminal that asks the probe; returns what the probe wrote into the terminal. */
async function ask(
  box: Box,
  args: string[],
  change?: (config: Config) => void,
): Promise<{ report: Report; tty: Receiver }> {
  const tty = await receiver(box, []);
  await box.start(args, { config: terminal(change), flags: ["--console-socket", tty.socket] });
  await eventually("the probe's answer", () => (tty.output().includes("}\r\n") ? true : undefined));
  return { report: parseReport(tty.output()), tty };
}

describeRuntimes("console", ({ test, differs, runtime }) => {
  test("one fd arrives with create, and it is a terminal of the container's devpts", async ({ box }) => {
    const tty = await receiver(box, []);
    const container = await box.create(probeArgs("tty"), {
      config: terminal(),
      flags: ["--console-socket", tty.socket],
    });
    const message = await eventually("the message", tty.message);
    expect(message).toMatchObject({ fds: 1, char: true, more: 0 });
    expect(message.length).toBeGreaterThan(0);
    expect(message.length).toBeLessThan(4096);
    await container.start();
    const report = parseReport(
      await eventually("the answer", () => (tty.output().includes("}\r\n") ? tty.output() : undefined)),
    );
    for (const fd of report.tty)
      expect(fd).toMatchObject({ isatty: 1, name: expect.stringMatching(/^\/dev\/(pts\/0|console)$/) as unknown });
  });

  test("it's the controlling terminal, /dev/console too, of the given size, owned by the user", async ({ box }) => {
    const { report } = await ask(
      box,
      probeArgs("tty", "ctty", "process", ["stat", "/dev/console", "/dev/pts/0"]),
      (config) => {
        config.process.consoleSize = { height: 33, width: 111 };
        config.process.user = { uid: 1000, gid: 1000 };
      },
    );
    expect(report.ctty).toBe("ok");
    expect(report.tty[0]).toMatchObject({ rows: 33, columns: 111, session: 1 });
    expect(report.stat["/dev/console"]).toMatchObject({ type: "char", major: 136 });
    expect((report.stat["/dev/pts/0"] as Stat).uid).toBe(1000);
    expect((report.stat["/dev/pts/0"] as Stat).gid).toBe(5);
  });

  test("what is typed arrives, what is printed comes back", async ({ box }) => {
    const tty = await receiver(box, []);
    const container = await box.start(["/bin/sh", "-c", "read line; echo got:$line"], {
      config: terminal(),
      flags: ["--console-socket", tty.socket],
    });
    await eventually("the message", tty.message);
    tty.child.stdin?.write("hello\n");
    await eventually("the echo", () => (tty.output().includes("got:hello\r\n") ? true : undefined));
    await container.until("stopped");
  });

  test("a listener that never accepts doesn't hold create up (case 6)", async ({ box }) => {
    const tty = await receiver(box, ["--deaf"]);
    const from = Date.now();
    await box.create(["/bin/sleep", "1000"], { config: terminal(), flags: ["--console-socket", tty.socket] });
    expect(Date.now() - from).toBeLessThan(5000);
    tty.child.stdin?.end();
  });

  test("the runtime's own output closes when create returns: nothing of ours keeps it open", async ({ box }) => {
    const tty = await receiver(box, []);
    const bundle = box.bundle(["/bin/sleep", "1000"], { config: terminal() });
    const argv = box.argv("create", "--bundle", bundle, "--console-socket", tty.socket, box.newId());
    const child = spawn(argv, ["ignore", "pipe", "pipe"], { env: box.environment });
    const closed = new Promise((resolve) => child.on("close", resolve)); // exit, and both pipes at their end
    await exitCode(child, argv);
    await Promise.race([
      closed,
      new Promise((_, reject) => setTimeout(() => reject(new Error("a pipe is still open")), 3000)),
    ]);
  });

  for (const length of [107, 108, 300]) {
    differs(length > 107 ? { runc: "fails beyond 107 bytes", crun: "the same" } : {})(
      `a socket path of ${length} bytes`,
      async ({ box }) => {
        const directory = join(
          box.directory,
          "d".repeat(Math.max(1, Math.min(200, length - box.directory.length - 20))),
        );
        mkdirSync(directory);
        const name = "s".repeat(Math.max(1, Math.min(100, length - directory.length - 1)));
        const socket = join(directory, name);
        expect(socket.length).toBe(length);
        const tty = await receiver(box, [], socket);
        await box.create(["/bin/sleep", "1000"], { config: terminal(), flags: ["--console-socket", socket] });
        expect(await eventually("the message", tty.message)).toMatchObject({ fds: 1 });
      },
    );
  }

  const refused: [string, (config: Config) => void, (box: Box) => string[]][] = [
    ["a detached terminal without a console socket", terminal(), () => []],
    ["a console socket without a terminal", () => undefined, (box) => ["--console-socket", box.path("console.sock")]],
    ["a console socket that isn't there", terminal(), (box) => ["--console-socket", box.path("nosuch.sock")]],
  ];
  for (const [what, change, flags] of refused) {
    differs(what.includes("without a terminal") ? { crun: "ignores it" } : {})(
      `${what} is refused`,
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], { config: change });
        await box.fails(["create", "--bundle", bundle, ...flags(box), box.newId()]);
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  // ---- V11: the image prepares /dev/console or devpts ----

  const consoles: [string, (dev: string) => void][] = [
    ["a link to a procfs file", (dev) => symlinkSync("/proc/sys/kernel/core_pattern", join(dev, "console"))],
    ["a directory", (dev) => mkdirSync(join(dev, "console"))],
    ["a file with content", (dev) => writeFileSync(join(dev, "console"), "precious")],
    [
      "a FIFO",
      (dev) => {
        execFileSync("mkfifo", [join(dev, "console")]);
      },
    ],
  ];
  for (const [what, make] of consoles) {
    test(`/dev/console of a bind-mounted /dev is ${what} (V11)`, async ({ box }) => {
      const dev = box.path("dev");
      mkdirSync(join(dev, "pts"), { recursive: true });
      make(dev);
      const tty = await receiver(box, []);
      const bundle = box.bundle(probeArgs(["openrw", "/proc/sys/kernel/core_pattern"]), {
        config: terminal((config) => {
          config.mounts = config.mounts.filter(({ destination }) => !/^\/dev(\/shm|\/mqueue)?$/.test(destination));
          config.mounts.unshift({ destination: "/dev", type: "bind", source: dev, options: ["bind"] });
        }),
      });
      const id = box.newId();
      const made = await box.call(["create", "--bundle", bundle, "--console-socket", tty.socket, id]);
      tty.child.kill("SIGKILL");
      if (what === "a file with content") expect(readFileSync(join(dev, "console"), "utf8")).toBe("precious");
      if (made.code !== 0 || !runtime.ours) return;
      await box.ok(["start", id]);
    });
  }

  test("without a terminal the program has none, though the caller has (V11)", async ({ box }) => {
    const bundle = box.bundle(["/bin/sh", "-c", "/probe ctty , tiocsti , process > /tmp/answer"]);
    const line = box
      .argv("run", "--bundle", bundle, box.newId())
      .map((word) => `'${word}'`)
      .join(" ");
    await run(["script", "-qec", line, "/dev/null"], { env: { ...box.environment, SHELL: "/bin/sh" }, input: "" });
    const report = parseReport(readFileSync(join(bundle, "rootfs/tmp/answer"), "utf8"));
    expect(report.process.sid).toBe(1);
    expect(report.ctty).toBe("ENXIO");
    expect(report.tiocsti).not.toBe("ok");
  });

  // ---- the runtime as relay ----

  test("run with a terminal in the foreground relays input, output and exit code", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/sh", "-c", "test -t 0 && test -t 1 || exit 9; read line; echo got:$line; exit 5"],
      { config: terminal() },
    );
    const line = box
      .argv("run", "--bundle", bundle, box.newId())
      .map((word) => `'${word}'`)
      .join(" ");
    const result = await run(["script", "-qec", line, "/dev/null"], {
      env: { ...box.environment, SHELL: "/bin/sh" },
      input: "hello\n",
    });
    expect(result.stdout).toContain("got:hello");
    expect(result.code).toBe(5);
  });

  test("run with a terminal works when its own stdin is no terminal", async ({ box }) => {
    if (runtime.name === "crun") return; // wants one
    const bundle = box.bundle(["/bin/sh", "-c", "test -t 1 && echo terminal"], { config: terminal() });
    const result = await box.call(["run", "--bundle", bundle, box.newId()], { input: "" });
    if (runtime.ours) expect(result).toMatchObject({ code: 0, stdout: "terminal\r\n" });
  });

  // ---- other descriptors ----

  test("--preserve-fds passes exactly those", async ({ box }) => {
    for (const name of ["a", "b", "c"]) writeFileSync(box.path(name), name);
    const bundle = box.bundle(probeArgs("fds", "env"));
    const argv = [
      compile("test/harness/caller.c"),
      "--open",
      box.path("a"),
      "3",
      "--open",
      box.path("b"),
      "4",
      "--open",
      box.path("c"),
      "5",
      "--",
      ...box.argv("run", "--preserve-fds", "2", "--bundle", bundle, box.newId()),
    ];
    const report = parseReport((await run(argv, { env: box.environment })).stdout);
    expect(Object.keys(report.fds)).toEqual(["0", "1", "2", "3", "4"]);
    expect([report.fds["3"]?.target, report.fds["4"]?.target].map((target) => target?.split("/").at(-1))).toEqual([
      "a",
      "b",
    ]);
  });

  differs({ runc: "1.1 passes whatever it opened there", node: "Node's own descriptors look like the caller's" })(
    "--preserve-fds of one that isn't open is an error that names it",
    async ({ box }) => {
      const bundle = box.bundle(probeArgs("fds"));
      const argv = [
        compile("test/harness/caller.c"),
        "--open",
        "/etc/passwd",
        "3",
        "--close",
        "4",
        "--",
        ...box.argv("run", "--preserve-fds", "2", "--bundle", bundle, box.newId()),
      ];
      const result = await run(argv, { env: box.environment });
      expect(result.code).not.toBe(0);
      if (runtime.ours) expect(result.stderr).toContain("4");
      expect(box.leftovers()).toEqual([]);
    },
  );

  differs({ crun: "doesn't look at LISTEN_PID" })("LISTEN_FDS counts only with our own LISTEN_PID", async ({ box }) => {
    writeFileSync(box.path("a"), "a");
    const ask = async (...options: string[]): Promise<Report> => {
      const argv = [
        compile("test/harness/caller.c"),
        "--open",
        box.path("a"),
        "3",
        "--setenv",
        "LISTEN_FDS=1",
        ...options,
        "--",
        ...box.argv("run", "--bundle", box.bundle(probeArgs("fds", "env")), box.newId()),
      ];
      const result = await run(argv, { env: box.environment });
      expect(result.code, result.stderr).toBe(0);
      return parseReport(result.stdout);
    };
    const ours = await ask("--listen-pid");
    expect(Object.keys(ours.fds)).toEqual(["0", "1", "2", "3"]);
    expect(ours.env).toEqual(expect.arrayContaining(["LISTEN_FDS=1", "LISTEN_PID=1"]));
    const foreign = await ask("--setenv", "LISTEN_PID=1");
    expect(Object.keys(foreign.fds)).toEqual(["0", "1", "2"]);
    expect(foreign.env.filter((entry) => entry.startsWith("LISTEN"))).toEqual([]);
  });

  test("stdio pipes belong to the container's user", async ({ box }) => {
    const bundle = box.bundle(["/bin/sh", "-c", "/probe fds"], {
      config: (config) => {
        config.process.user = { uid: 1000, gid: 1000 };
      },
    });
    const argv = box.argv("run", "--bundle", bundle, box.newId());
    const child = spawn(argv, ["pipe", "pipe", "pipe"], { env: box.environment });
    let output = "";
    child.stdout?.on("data", (data: Buffer) => {
      output += data.toString();
    });
    const closed = new Promise((resolve) => child.on("close", resolve));
    await exitCode(child, argv);
    await closed;
    const report = parseReport(output);
    for (const fd of ["0", "1", "2"]) expect(report.fds[fd], fd).toMatchObject({ uid: 1000 });
  });

  differs({ runc: "since 1.2", crun: "since 1.9" })(
    "--pidfd-socket sends one pidfd of the process",
    async ({ box }) => {
      const pidfd = await receiver(box, ["--count"], box.path("pidfd.sock"));
      const container = await box.create(["/bin/sleep", "1000"], { flags: ["--pidfd-socket", pidfd.socket] });
      expect(await eventually("the message", pidfd.message)).toMatchObject({ fds: 1, char: false, more: 0 });
      const info = await eventually("the pidfd", () => pidfdTarget(pidfd.child.pid ?? 0));
      expect(info).toBe(container.pid);
      pidfd.child.stdin?.end();
    },
  );

  test("the session keyring is named after the container, unless --no-new-keyring", async ({ box }) => {
    const ask = async (...flags: string[]): Promise<string> => {
      const id = box.newId();
      const result = await box.ok(["run", ...flags, "--bundle", box.bundle(probeArgs("keyring")), id]);
      return parseReport(result.stdout).keyring.replace(id, "ID");
    };
    if (runtime.name !== "crun") expect(await ask()).toContain("_ses.ID");
    expect(await ask("--no-new-keyring")).not.toContain("_ses.ID");
  });

  test("a full stderr pipe that nobody reads doesn't block (case 5)", async ({ box }) => {
    const bundle = box.bundle(["/no/such"]);
    const fifo = box.path("fifo");
    execFileSync("mkfifo", [fifo]);
    // The shell fills the pipe (64 KiB) and keeps it open, unread, while the command fails.
    const line = `exec 9<>${fifo}; head -c 65536 /dev/zero >&9; exec "$@" 2>&9`;
    const result = await run(["sh", "-c", line, "sh", ...box.argv("create", "--bundle", bundle, box.newId())], {
      env: box.environment,
      deadline: 9000,
    }).catch((error: unknown) => error);
    if (runtime.ours) expect(result).toMatchObject({ code: 1 });
    rmSync(fifo);
  });
});

/** The pid of the pidfd that the process holds, from its fdinfo. */
function pidfdTarget(holder: number): number | undefined {
  for (let fd = 3; fd < 16; fd++) {
    try {
      const pid = /^Pid:\s+(\d+)$/m.exec(readFileSync(`/proc/${holder}/fdinfo/${fd}`, "utf8"))?.[1];
      if (pid !== undefined) return Number(pid);
    } catch {
      // no such fd
    }
  }
  return undefined;
}
