/**
 * A box: everything one test owns. A directory, a private state root, a tag that all its container ids contain, and
 * at the end the proof that nothing is left of it.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HostPicture, leftovers, pictureHost, sweep } from "./clean.ts";
import { type CommandOptions, eventually, type Result, run } from "./command.ts";
import { type Config, defaultConfig } from "./config.ts";
import { parseReport, probeArgs, type Question, type Report } from "./probe.ts";
import { makeRootfs } from "./rootfs.ts";
import type { Runtime } from "./runtimes.ts";

/** The state document of the OCI specification plus what runc adds. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: "creating" | "created" | "running" | "paused" | "stopped";
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Record<string, string>;
  readonly owner: string;
}

export interface BundleOptions {
  /** Changes the default config in place. */
  readonly config?: (config: Config) => void;
  /** Changes the rootfs before the container is made: where an image's own surprises go. */
  readonly rootfs?: (path: string) => void;
}

export class Box {
  readonly runtime: Runtime;
  readonly tag: string;
  readonly directory: string;
  /** The runtime's --root. */
  readonly root: string;
  /** The runtime's TMPDIR, which has to be empty again. */
  readonly temporary: string;
  readonly #before: HostPicture;
  readonly #ids = new Set<string>();
  #count = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.tag = `t${randomBytes(4).toString("hex")}`;
    this.directory = mkdtempSync(join(tmpdir(), `tsrunc-${this.tag}-`));
    chmodSync(this.directory, 0o755); // a container in a user namespace has to be able to walk to its rootfs
    this.root = join(this.directory, "state");
    this.temporary = join(this.directory, "tmp");
    mkdirSync(this.temporary);
    this.#before = pictureHost();
  }

  /** A container id that no other test uses; it's deleted at the end of the test if it still exists. */
  newId(): string {
    const id = `${this.tag}-${++this.#count}`;
    this.#ids.add(id);
    return id;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Makes a bundle whose container runs the arguments. Returns its directory. */
  bundle(args: readonly string[], options: BundleOptions = {}): string {
    const directory = this.path(`bundle${++this.#count}`);
    const config = defaultConfig(args);
    config.process.env.push(`TSRUNC_TEST=${this.tag}`); // so that its processes are recognised as ours
    makeRootfs(join(directory, "rootfs"));
    options.rootfs?.(join(directory, "rootfs"));
    options.config?.(config);
    writeFileSync(join(directory, "config.json"), JSON.stringify(config));
    return directory;
  }

  /** The complete command line: runtime, --root, then the arguments. */
  argv(...args: string[]): string[] {
    return [...this.runtime.argv, "--root", this.root, ...args];
  }

  get environment(): Record<string, string> {
    return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", TMPDIR: this.temporary, TSRUNC_TEST: this.tag };
  }

  /** Runs a command of the runtime; never throws for a failing one. */
  call(args: readonly string[], options: CommandOptions = {}): Promise<Result> {
    return run(this.argv(...args), { cwd: this.directory, env: this.environment, ...options });
  }

  /** Runs a command of the runtime that has to succeed, and silently (rule 2 of the engine contract). */
  async ok(args: readonly string[], options: CommandOptions = {}): Promise<Result> {
    const result = await this.call(args, options);
    if (result.code !== 0) throw new Error(`${args.join(" ")}: exit ${result.code}\n${result.stderr}${result.stdout}`);
    return result;
  }

  /** Runs a command of the runtime that has to fail with exit code 1 (or the given one). Returns its stderr. */
  async fails(args: readonly string[], options: CommandOptions & { code?: number } = {}): Promise<string> {
    const { code, stderr, stdout } = await this.call(args, options);
    if (code === 0) throw new Error(`${args.join(" ")}: succeeded\n${stdout}`);
    if (this.runtime.ours && code !== (options.code ?? 1)) throw new Error(`exit ${code} instead of 1: ${stderr}`);
    return stderr;
  }

  /** Makes a container of a new bundle up to `created`. */
  async create(args: readonly string[], options: BundleOptions & { flags?: string[] } = {}): Promise<Container> {
    const bundle = this.bundle(args, options);
    const id = this.newId();
    const pidFile = this.path(`${id}.pid`);
    const made = await this.ok(["create", "--bundle", bundle, "--pid-file", pidFile, ...(options.flags ?? []), id]);
    return new Container(this, id, bundle, Number(readFileSync(pidFile, "utf8")), made);
  }

  /**
   * Runs a command that has to fail with the classic words that engines look for.
   * crun words most of its errors in its own way, so there the failure alone counts.
   */
  async refuses(
    args: readonly string[],
    words: RegExp,
    options: CommandOptions & { code?: number } = {},
  ): Promise<string> {
    const stderr = await this.fails(args, options);
    if (this.runtime.name !== "crun" && !words.test(stderr))
      throw new Error(`${args.join(" ")}: ${words} isn't in: ${stderr}`);
    return stderr;
  }

  /** Creates and starts. */
  async start(args: readonly string[], options: BundleOptions & { flags?: string[] } = {}): Promise<Container> {
    const container = await this.create(args, options);
    await container.start();
    return container;
  }

  /** Runs a new bundle in the foreground to its end. */
  run(args: readonly string[], options: BundleOptions & { flags?: string[] } & CommandOptions = {}): Promise<Result> {
    const bundle = this.bundle(args, options);
    return this.call(["run", "--bundle", bundle, ...(options.flags ?? []), this.newId()], options);
  }

  /** Asks the probe inside a new container. */
  async probe(questions: readonly Question[], options: BundleOptions & CommandOptions = {}): Promise<Report> {
    const result = await this.run(probeArgs(...questions), options);
    if (result.code !== 0) throw new Error(`run: exit ${result.code}\n${result.stderr}${result.stdout}`);
    return parseReport(result.stdout);
  }

  /** The container's state, or undefined if the runtime says that there is none. */
  async state(id: string): Promise<State | undefined> {
    const { code, stdout, stderr } = await this.call(["state", id]);
    if (code === 0) return JSON.parse(stdout) as State;
    if (stderr.includes("does not exist")) return undefined;
    throw new Error(`state ${id}: ${stderr}`);
  }

  /** What of this test is still on the host. Containers that exist on purpose count too. */
  leftovers(): string[] {
    const state = existsSync(this.root) ? readdirSync(this.root).filter((name) => !name.startsWith(".")) : [];
    const temporary = readdirSync(this.temporary);
    return [
      ...leftovers(this.tag),
      ...state.map((name) => `state ${name}`),
      ...temporary.map((name) => `temporary ${name}`),
    ];
  }

  /**
   * Ends the test: deletes its containers, removes its directory (TSRUNC_TEST_KEEP=1 keeps it) and compares the host
   * with before.
   * @throws when anything is left, with one line for each thing
   */
  async close(): Promise<void> {
    for (const id of this.#ids) await this.call(["delete", "--force", id]);
    let left = this.leftovers();
    // A killed process takes a moment to disappear; a real leftover stays.
    for (let tries = 0; left.length > 0 && tries < 20; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      left = this.leftovers();
    }
    if (left.length > 0) sweep(this.tag);
    // never through a mount that couldn't be taken away: the host's files may be below it
    const mounted = this.leftovers().some((line) => line.startsWith("mount "));
    if (process.env["TSRUNC_TEST_KEEP"] === undefined && !mounted) {
      rmSync(this.directory, { recursive: true, force: true });
    }
    const changed = compare(this.#before, pictureHost());
    if (left.length + changed.length > 0) {
      throw new Error(`the host isn't as before (${this.directory}):\n${[...left, ...changed].join("\n")}`);
    }
  }
}

/** One container of a box, after `create`. */
export class Container {
  readonly box: Box;
  readonly id: string;
  readonly bundle: string;
  /** From the pid file. */
  readonly pid: number;
  readonly #created: Result;

  constructor(box: Box, id: string, bundle: string, pid: number, created: Result) {
    this.box = box;
    this.id = id;
    this.bundle = bundle;
    this.pid = pid;
    this.#created = created;
  }

  /** What the container's program has written so far. */
  get output(): { readonly stdout: string; readonly stderr: string } {
    return this.#created.later();
  }

  start(): Promise<Result> {
    return this.box.ok(["start", this.id]);
  }

  kill(signal: string): Promise<Result> {
    return this.box.ok(["kill", this.id, signal]);
  }

  delete(...flags: string[]): Promise<Result> {
    return this.box.ok(["delete", ...flags, this.id]);
  }

  async status(): Promise<State["status"] | undefined> {
    return (await this.box.state(this.id))?.status;
  }

  /** Waits until the state has the status. Asks at most every 20 ms. */
  async until(status: State["status"]): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if ((await this.status()) === status) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${this.id} didn't become ${status}: ${await this.status()}`);
  }

  /** Waits until the process is gone or a zombie. */
  ended(): Promise<true> {
    return eventually("the container's process ends", () => (alive(this.pid) ? undefined : true));
  }

  /** Waits for the output to be a probe's complete answer. */
  report(): Promise<Report> {
    return eventually("the probe answers", () => {
      const { stdout } = this.output;
      return stdout.endsWith("}\n") ? parseReport(stdout) : undefined;
    });
  }
}

/** Is there a process with this pid that still runs (not a zombie)? */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !"ZX".includes(stat.charAt(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

function compare(before: HostPicture, after: HostPicture): string[] {
  const lists = (["mounts", "devices", "links"] as const).flatMap((name) => [
    ...after[name].filter((line) => !before[name].includes(line)).map((line) => `${name}: new: ${line}`),
    ...before[name].filter((line) => !after[name].includes(line)).map((line) => `${name}: gone: ${line}`),
  ]);
  const settings = Object.entries(before.settings)
    .filter(([name, value]) => after.settings[name] !== value)
    .map(([name, value]) => `sysctl ${name}: was ${value}, is ${after.settings[name]}`);
  return [...lists, ...settings];
}
