/** run and exec in front of a user's terminal (feature-parity 1.14 and 1.15, security-cases R16 and R17). */
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box } from "../harness/box.ts";
import { eventually, exitCode, sleep, start } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

/** A user at a terminal of 24 rows and 80 columns, with a command running there (test/harness/ptyrun.c). */
class Terminal {
  readonly child: ChildProcess;
  readonly file: string;
  readonly #exit: Promise<number>;
  #answers = "";
  #asked = 1; // the first line is the pid

  constructor(box: Box, argv: string[]) {
    this.file = box.path(`terminal-${Math.random()}`);
    const command = [compile("test/harness/ptyrun.c"), this.file, "24", "80", ...argv];
    this.child = start(command, ["pipe", "pipe", "inherit"], { env: box.environment });
    // asked for now: later it may have ended already
    this.#exit = exitCode(this.child, ["ptyrun", ...argv], 28_000);
    this.#exit.catch(() => undefined);
    this.child.stdout?.on("data", (data: Buffer) => {
      this.#answers += data.toString();
    });
  }

  get output(): string {
    return existsSync(this.file) ? readFileSync(this.file, "latin1") : "";
  }

  async do(command: string): Promise<string> {
    const number = this.#asked++;
    this.child.stdin?.write(`${command}\n`);
    return eventually(`the answer to ${command}`, () => {
      const lines = this.#answers.split("\n");
      return lines.length > number + 1 ? lines[number] : undefined;
    });
  }

  type(text: string): Promise<string> {
    return this.do(`type ${Buffer.from(text, "latin1").toString("hex")}`);
  }

  /** The pid of the command. */
  pid(): Promise<number> {
    return eventually("the pid", () => {
      const pid = /^pid (\d+)$/m.exec(this.#answers)?.[1];
      return pid === undefined ? undefined : Number(pid);
    });
  }

  shows(text: string): Promise<true> {
    return eventually(`"${text}" on the terminal`, () => (this.output.includes(text) ? true : undefined));
  }

  /** Its end: exit status of the command, and "restored" or "changed". */
  async end(): Promise<string> {
    await this.#exit;
    return eventually("the last line", () => /^exit (\d+ \w+)$/m.exec(this.#answers)?.[1]);
  }
}

describeRuntimes("terminal", ({ test, differs, runtime }) => {
  const inTerminal = async (box: Box, script: string, how: "run" | "exec"): Promise<Terminal> => {
    if (how === "exec") {
      const { id } = await box.start(["/bin/sleep", "1000"]);
      return new Terminal(box, box.argv("exec", "--tty", id, "/bin/sh", "-c", script));
    }
    const bundle = box.bundle(["/bin/sh", "-c", script], {
      config: (config) => {
        config.process.terminal = true;
      },
    });
    return new Terminal(box, box.argv("run", "--bundle", bundle, box.newId()));
  };

  for (const how of ["run", "exec"] as const) {
    test(`${how}: raw while it runs, what is typed arrives, restored at its end`, async ({ box }) => {
      const terminal = await inTerminal(box, "echo ready; read line; echo got:$line; exit 5", how);
      await terminal.shows("ready\r\n");
      expect(await terminal.do("mode")).toBe("raw");
      await terminal.type("hello\r");
      await terminal.shows("got:hello\r\n");
      expect(await terminal.end()).toBe("5 restored");
    });

    test(`${how}: the window's size, at the start and whenever it changes`, async ({ box }) => {
      const script = 'trap "stty size" WINCH; stty size; echo ready; while :; do sleep 0.1; done';
      const terminal = await inTerminal(box, script, how);
      await terminal.shows("ready\r\n");
      expect(terminal.output).toContain("24 80\r\n");
      await terminal.do("size 33 111");
      await terminal.shows("33 111\r\n");
      await terminal.do("signal 9").catch(() => undefined);
      await terminal.end();
    });

    test(`${how}: keys for signals act on the program in there, not on us`, async ({ box }) => {
      const terminal = await inTerminal(
        box,
        'trap "echo int" INT; trap "echo quit; exit 3" QUIT; echo ready; while :; do sleep 0.1; done',
        how,
      );
      await terminal.shows("ready\r\n");
      await terminal.type("\x03");
      await terminal.shows("int\r\n");
      await terminal.type("\x1c");
      expect(await terminal.end()).toBe("3 restored");
    });

    test(`${how}: restored when a signal ends the program that we passed it on to`, async ({ box }) => {
      const terminal = await inTerminal(box, 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done', how);
      await terminal.shows("ready\r\n");
      expect(await terminal.do("mode")).toBe("raw");
      await terminal.do("signal 15");
      expect(await terminal.end()).toBe("9 restored");
    });
  }

  test("restored when the container is killed, and when the program isn't there", async ({ box }) => {
    const { id, pid } = await box.start(["/bin/sleep", "1000"]);
    const terminal = new Terminal(box, box.argv("exec", "--tty", id, "/bin/sh", "-c", "echo ready; sleep 1000"));
    await terminal.shows("ready\r\n");
    process.kill(pid, "SIGKILL");
    expect(await terminal.end()).toBe("137 restored");
    const failing = new Terminal(box, box.argv("exec", "--tty", id, "/bin/true"));
    expect(await failing.end()).toMatch(/^(255|1) restored$/);
  });

  test("^D ends the input", async ({ box }) => {
    const terminal = await inTerminal(box, "echo ready; cat; echo end", "exec");
    await terminal.shows("ready\r\n");
    await terminal.type("a line\r");
    await terminal.type("\x04");
    await terminal.shows("end\r\n");
    expect(await terminal.end()).toBe("0 restored");
  });

  test("the user goes: the program gets SIGHUP, and nothing stays", async ({ box }) => {
    const terminal = await inTerminal(box, 'trap "exit 4" HUP; echo ready; while :; do sleep 0.1; done', "run");
    await terminal.shows("ready\r\n");
    const pid = await terminal.pid();
    await terminal.do("hangup");
    await terminal.end();
    expect(alive(pid)).toBe(false);
  });

  const bytes = randomBytes(4 << 20);

  test("output is byte-exact and complete, though the program ends with it", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"], {
      rootfs: (path) => writeFileSync(join(path, "big"), bytes),
    });
    const script = "stty raw -echo; cat /big";
    const terminal = new Terminal(box, box.argv("exec", "--tty", container.id, "/bin/sh", "-c", script));
    expect(await terminal.end()).toBe("0 restored");
    expect(statSync(terminal.file).size).toBe(bytes.length);
    expect(hash(readFileSync(terminal.file))).toBe(hash(bytes));
  });

  test("a reader that stops stops the writer, without costing time; nothing is lost (R16)", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"], {
      rootfs: (path) => writeFileSync(join(path, "big"), bytes),
    });
    const script = "stty raw -echo; echo; cat /big";
    const terminal = new Terminal(box, box.argv("exec", "--tty", container.id, "/bin/sh", "-c", script));
    await eventually("some output", () => (terminal.output.length > 100 ? true : undefined));
    await terminal.do("stop");
    await sleep(300);
    const before = cpuTicks(await terminal.pid());
    const size = statSync(terminal.file).size;
    await sleep(1000);
    const after = cpuTicks(await terminal.pid());
    expect(size).toBeLessThan(bytes.length);
    expect(statSync(terminal.file).size).toBe(size);
    if (runtime.name !== "crun") expect(after - before).toBeLessThan(10); // of 100
    await terminal.do("go");
    expect(await terminal.end()).toBe("0 restored");
    expect(hash(readFileSync(terminal.file).subarray(1))).toBe(hash(bytes));
  });

  differs({ runc: "ends with the program", crun: "the same" })(
    "what a program leaves in the background on the terminal doesn't hold us up",
    async ({ box }) => {
      const terminal = await inTerminal(box, "(trap '' HUP; sleep 1000) & echo done", "exec");
      await terminal.shows("done\r\n");
      expect(await terminal.end()).toBe("0 restored");
    },
  );

  test("a large paste arrives whole", async ({ box }) => {
    const terminal = await inTerminal(box, "stty raw -echo; echo ready; head -c 20000 | wc -c", "exec");
    await terminal.shows("ready");
    for (let count = 0; count < 20; count++) await terminal.type("x".repeat(1000));
    await terminal.shows("20000");
    expect(await terminal.end()).toBe("0 restored");
  });
});

const hash = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

/** User and system time of a process, in hundredths of a second. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
