/** Runs a command under a deadline, and says what it was doing when the deadline passes. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Every command of a test has to end within this time. */
export const DEADLINE_MS = 10_000;

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment; default: this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the command's stdin, which is closed afterwards; default: stdin is /dev/null. */
  readonly input?: string;
  readonly deadline?: number;
}

export interface Result {
  /** The exit code, or 128 + the signal's number. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Reads what has arrived on stdout since: the container writes to the same file after the command returned. */
  later(): { readonly stdout: string; readonly stderr: string };
}

export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Runs a command to its end.
 *
 * stdout and stderr are files, not pipes: a container started by the command inherits them and outlives it, and a
 * pipe would then never reach its end. Tests about pipes make their own.
 *
 * @returns exit code and output, whatever the code is
 * @throws DeadlineError with the kernel stacks of the command's processes when it takes too long; it is killed then
 */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "tsrunc-out-"));
  const files = { stdout: join(scratch, "stdout"), stderr: join(scratch, "stderr") };
  const out = openSync(files.stdout, "a");
  const err = openSync(files.stderr, "a");
  const reader = { stdout: openSync(files.stdout, "r"), stderr: openSync(files.stderr, "r") };
  try {
    const child = start(argv, [options.input === undefined ? "ignore" : "pipe", out, err], options);
    child.stdin?.on("error", () => undefined); // a command that doesn't read its input is no failure
    child.stdin?.end(options.input);
    const code = await exitCode(child, argv, options.deadline ?? DEADLINE_MS);
    return { code, ...read(reader), later: () => read(reader) };
  } finally {
    closeSync(out);
    closeSync(err);
    rmSync(scratch, { recursive: true });
  }
}

/** Starts a command in a process group of its own, so that all of it can be killed. */
export function start(argv: readonly string[], stdio: StdioOptions, options: CommandOptions = {}): ChildProcess {
  const [program, ...rest] = argv;
  if (program === undefined) throw new Error("empty command");
  return spawn(program, rest, {
    stdio,
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
}

/** Waits for a started command to exit (not for its pipes to close). */
export function exitCode(child: ChildProcess, argv: readonly string[], deadline = DEADLINE_MS): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const report = describeProcessGroup(child.pid ?? 0);
      killGroup(child);
      reject(new DeadlineError(`no end after ${deadline} ms: ${argv.join(" ")}\n${report}`));
    }, deadline);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? 128 + signalNumber(signal));
    });
  });
}

/** Kills a started command with everything in its process group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it has ended meanwhile
  }
}

/** Calls the function until it returns something other than undefined. */
export async function eventually<T>(what: string, probe: () => T | undefined, deadline = DEADLINE_MS): Promise<T> {
  const until = Date.now() + deadline;
  for (;;) {
    const found = probe();
    if (found !== undefined) return found;
    if (Date.now() > until) throw new DeadlineError(`${what}: not within ${deadline} ms`);
    await sleep(5);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function read(files: { stdout: number; stderr: number }): { stdout: string; stderr: string } {
  return { stdout: readAll(files.stdout), stderr: readAll(files.stderr) };
}

/** From the beginning, whatever has been read before. */
function readAll(fd: number): string {
  return readFileSync(`/proc/self/fd/${fd}`, "utf8");
}

function signalNumber(signal: NodeJS.Signals | null): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGILL: 4,
    SIGABRT: 6,
    SIGBUS: 7,
    SIGKILL: 9,
    SIGUSR1: 10,
    SIGSEGV: 11,
    SIGUSR2: 12,
    SIGPIPE: 13,
    SIGALRM: 14,
    SIGTERM: 15,
    SIGSYS: 31,
  };
  return (signal === null ? undefined : numbers[signal]) ?? 127;
}

/** What each process of the group sleeps in: the first thing to know about a hang. */
function describeProcessGroup(leader: number): string {
  const lines: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readProc(name, "stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[2] !== String(leader) && fields[1] !== String(leader) && name !== String(leader)) continue;
    const command = readProc(name, "cmdline").replaceAll("\0", " ").slice(0, 200);
    lines.push(
      `${name} state ${fields[0]} wchan ${readProc(name, "wchan")} syscall ${readProc(name, "syscall").trim()}`,
    );
    lines.push(`  ${command}`, readProc(name, "stack").replace(/^/gm, "  ").trimEnd());
  }
  return lines.join("\n");
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "?";
  }
}
