/**
 * A private place for one engine and one runtime: scratch directory, images made without network, the recording
 * runtime wrapper, and daemons that are started and ended by their pid.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { leftovers, removeCgroups, sweep } from "../harness/clean.ts";
import { type CommandOptions, eventually, type Result, run, sleep } from "../harness/command.ts";
import { compile, repository } from "../harness/paths.ts";
import { parseMounts } from "../harness/probe.ts";
import { chosenRuntimes, type Runtime } from "../harness/runtimes.ts";

const applets = "sh true sleep id cat echo env hostname tty kill test ls nc rm touch stat ps grep seq dd tail".split(
  " ",
);
const commandNames =
  "create start state kill delete run list exec features pause resume ps update events checkpoint restore spec".split(
    " ",
  );
/** The cgroups that engines put all their containers' into, and never remove. */
const engineCgroups = ["docker", "libpod_parent", "libpod", "k8s.io", "buildkit"];

/** One call of the runtime, as the wrapper recorded it. */
export type Call = readonly string[];

/**
 * The runtimes to run an engine's tests with: our two and, to prove the tests themselves, runc.
 * Where the engine can't be run, one skipped test says why, and there are none.
 */
export function runtimesFor(engine: string, ...programs: string[]): Runtime[] {
  const folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
  const missing = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  const reason = process.getuid?.() !== 0 ? "only root can start engines" : `${missing.join(", ")} not installed`;
  if (process.getuid?.() === 0 && missing.length === 0) return chosenRuntimes().filter(({ name }) => name !== "crun");
  test(engine, (context) => context.skip(reason));
  return [];
}

export class EngineLab {
  readonly directory: string;
  /** Occurs in everything the engine makes: directory, cgroup parent, containerd namespace. */
  readonly tag: string;
  /** The wrapper: what the engine is told to use as runtime. */
  readonly runtime: string;
  readonly #calls: string;
  readonly #stateRoot: string;
  readonly #daemons: ChildProcess[] = [];
  #network: ChildProcess | undefined;

  /**
   * @param engine name of the engine, for the directory
   * @param roots where the runtime keeps its state, below the lab's directory; an engine that doesn't say `--root`
   *   itself gets one of the lab's from the wrapper ("own")
   */
  constructor(engine: string, runtime: Runtime, roots: "own" | string) {
    this.directory = mkdtempSync(join(tmpdir(), `tsrunc-${engine}-`));
    chmodSync(this.directory, 0o755);
    this.tag = this.directory.slice(this.directory.lastIndexOf("/") + 1);
    this.#calls = this.path("calls");
    this.runtime = this.path("runtime");
    const text = readFileSync(join(repository, "test/engines/wrapper.sh"), "utf8").replace("#!/bin/sh\n", "");
    this.#stateRoot = this.path(roots === "own" ? "rtroot" : roots);
    const command = [...runtime.argv, ...(roots === "own" ? ["--root", this.#stateRoot] : [])];
    const settings = `WRAPPER_LOG=${this.#calls}\nWRAPPER_RUNTIME='${command.join(" ")}'\n`;
    writeFileSync(this.runtime, `#!/bin/sh\n${settings}${text}`, { mode: 0o755 });
    writeFileSync(this.#calls, "");
    chmodSync(this.#calls, 0o666); // whoever the runtime runs as
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A configuration from deploy/, as an administrator would install it, with the lab's runtime. */
  deployed(file: string): string {
    const text = readFileSync(join(repository, "deploy", file), "utf8");
    return text.replaceAll("/usr/local/bin/tsrunc", this.runtime);
  }

  /** What the engine called the runtime with so far. Proof that the runtime under test was really used. */
  calls(): Call[] {
    return readFileSync(this.#calls, "utf8")
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => [...line.matchAll(/\[([^\]]*)\]/g)].map((match) => match[1] ?? ""));
  }

  /** The commands (create, start, ...) among the calls. */
  commands(): string[] {
    return this.calls().map((call) => call.find((word) => commandNames.includes(word)) ?? call[0] ?? "");
  }

  /** Makes the busybox image `localhost/bb:1` (and `localhost/pause:1`); returns the tar's path. */
  image(name: "bb" | "pause"): string {
    const tar = this.path(`${name}.tar`);
    if (existsSync(tar)) return tar;
    const root = this.path(`${name}-root`);
    mkdirSync(root);
    if (name === "pause") {
      copyFileSync(compile("test/engines/pause.c"), join(root, "pause"));
    } else {
      for (const directory of ["bin", "etc", "tmp", "proc", "sys", "dev", "run"]) mkdirSync(join(root, directory));
      copyFileSync("/bin/busybox", join(root, "bin/busybox"));
      copyFileSync(compile("test/harness/probe.c"), join(root, "probe"));
      for (const applet of applets) symlinkSync("busybox", join(root, "bin", applet));
      writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n");
      writeFileSync(join(root, "etc/group"), "root:x:0:\nuser:x:1000:\n");
    }
    const command = name === "pause" ? '["/pause"]' : '["/bin/sh"]';
    execFileSync("sh", [join(repository, "test/engines/mkimg.sh"), root, `localhost/${name}:1`, tar, command]);
    return tar;
  }

  /**
   * Makes the lab's network namespace: bridges and rules that engines make are gone with it.
   * @returns what to put in front of a command that runs in it (not `ip netns exec`: that hides the cgroup mounts)
   */
  async startNetwork(): Promise<string[]> {
    const script = "ip link set lo up && echo ready; exec sleep 3600";
    const holder = spawn("unshare", ["--net", "sh", "-c", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, TSRUNC_LAB: this.tag },
    });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    this.#network = holder;
    return ["nsenter", `--net=/proc/${holder.pid}/ns/net`];
  }

  /**
   * Makes a mount namespace in which other files stand for some of the machine's, such as /etc/subuid.
   * @param files path and text
   * @returns what to put in front of a command that is to see them
   */
  async startWithFiles(files: Readonly<Record<string, string>>): Promise<string[]> {
    const binds = Object.entries(files).map(([path, text], index) => {
      const file = this.path(`file${index}`);
      writeFileSync(file, text);
      return `mount --bind ${file} ${path}`;
    });
    const mark = this.path("mounted");
    const script = [...binds, `echo $$ > ${mark}`, "exec sleep 3600"].join(" && ");
    await this.daemon(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], mark);
    const pid = await eventually("the mounts are made", () => readFileSync(mark, "utf8").trim() || undefined);
    return ["nsenter", `--mount=/proc/${pid}/ns/mnt`];
  }

  /** The name of the lab's network namespace, as links in /proc/PID/ns have it. */
  get networkNamespace(): string {
    return readlinkSync(`/proc/${this.#network?.pid}/ns/net`);
  }

  /** Ends the daemon that was started last, as an update of the engine would. */
  async stopDaemon(): Promise<void> {
    const daemon = this.#daemons.pop();
    daemon?.kill("SIGTERM");
    if (daemon !== undefined) await ended(daemon);
  }

  /** Starts a daemon and waits for its socket. It's ended by `close`. */
  async daemon(argv: readonly string[], socket: string, env: Record<string, string> = {}): Promise<void> {
    const log = openSync(this.path("daemon.log"), "a");
    const [program = "", ...args] = argv;
    const child = spawn(program, args, {
      stdio: ["ignore", log, log],
      detached: true,
      env: { ...process.env, ...env },
    });
    this.#daemons.push(child);
    await eventually(
      `${program} listens`,
      () => {
        if (child.exitCode !== null) throw new Error(`${program} ended:\n${this.log()}`);
        return existsSync(socket) ? true : undefined;
      },
      20_000,
    );
  }

  /** The end of the daemon's log. */
  log(): string {
    const path = this.path("daemon.log");
    return existsSync(path) ? readFileSync(path, "utf8").slice(-4000) : "";
  }

  /** Runs a client command under a deadline fit for engines. */
  async call(argv: readonly string[], options: CommandOptions = {}): Promise<Result> {
    return run(argv, { deadline: 60_000, ...options });
  }

  /** Runs a client command on a terminal of its own. */
  async onTerminal(argv: readonly string[], options: CommandOptions = {}): Promise<Result> {
    const line = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const env = { ...options.env, SHELL: "/bin/sh" };
    return this.call(["script", "-qec", line, "/dev/null"], { ...options, env });
  }

  /** Ends the daemons and takes everything away. @throws if a process, cgroup or mount is left */
  async close(): Promise<void> {
    for (const daemon of this.#daemons) daemon.kill("SIGTERM");
    for (const daemon of this.#daemons) await ended(daemon);
    this.#network?.kill("SIGKILL");
    // dockerd's own containerd, shims and conmons end a little later.
    for (let tries = 0; tries < 40 && this.#processes().length > 0; tries++) await sleep(100);
    const left = [...this.#processes(), ...states(this.#stateRoot)];
    for (const mount of parseMounts(readFileSync("/proc/self/mountinfo", "utf8")).reverse()) {
      if (mount.at.startsWith(`${this.directory}/`)) execFileSync("umount", ["-l", mount.at]);
    }
    removeCgroups(this.tag); // engines leave the empty parents of their containers' cgroups
    removeEngineCgroups();
    left.push(...leftovers(this.tag).filter((line) => line.startsWith("cgroup")));
    if (left.length > 0) sweep(this.tag);
    // Never through a mount that wouldn't go away.
    const mounts = leftovers(this.tag).filter((line) => line.startsWith("mount"));
    if (mounts.length === 0) rmSync(this.directory, { recursive: true, force: true });
    left.push(...mounts);
    if (left.length > 0) throw new Error(`left behind:\n${left.join("\n")}`);
  }

  #processes(): string[] {
    return leftovers(this.tag).filter((line) => line.startsWith("process"));
  }
}

/** What the runtime still knows: containers, in the root itself or in a folder for each namespace of the engine. */
function states(root: string): string[] {
  if (!existsSync(root)) return [];
  const entries = readdirSync(root, { withFileTypes: true }).filter((entry) => !entry.name.startsWith("."));
  return entries.flatMap(({ name }) => {
    const namespace = ["moby", "k8s.io"].includes(name) || name.startsWith("tsrunc-");
    return namespace ? states(join(root, name)) : [`state ${join(root, name)}`];
  });
}

/** As far as they are empty: another engine on this machine may be using them. */
function removeEngineCgroups(): void {
  const roots = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))];
  const paths = roots.flatMap((root) => engineCgroups.map((name) => join(root, name))).filter(existsSync);
  for (const path of paths) spawnSync("find", [path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
}

async function ended(daemon: ChildProcess): Promise<void> {
  const gone = (): true | undefined => (daemon.exitCode !== null || daemon.signalCode !== null ? true : undefined);
  await eventually("the daemon ends", gone, 20_000);
}
