// The library: `import { Runtime } from "tsrunc"`. The same core as the command line's, on the Node.js host, synchronous.
// What the command line loads on demand is simply imported here. types/tsrunc.d.ts is what users see of it.

import { host } from "#host";
import type { Ended, ExecOptions, NewOptions, RuntimeOptions } from "../types/tsrunc.d.ts";
import { provideSystemd } from "./cgroup/driver.ts";
import { planCgroup } from "./cgroup/record.ts";
import type { Stats } from "./cgroup/stats.ts";
import * as systemd from "./cgroup/systemd.ts";
import { type Bundle, loadBundle } from "./container/bundle.ts";
import { type CreateOptions, type CreateTools, compilePlan, create } from "./container/create.ts";
import { remove } from "./container/delete.ts";
import { statsOf } from "./container/events.ts";
import { exec } from "./container/exec.ts";
import * as extras from "./container/extras.ts";
import { readFacts } from "./container/facts.ts";
import { checkId } from "./container/id.ts";
import { type Finding, inspectBundle } from "./container/inspect.ts";
import { kill } from "./container/kill.ts";
import { addMounts, removeMounts } from "./container/mounts.ts";
import { pause, resume } from "./container/pause.ts";
import { containerPids } from "./container/ps.ts";
import { readerFor } from "./container/reader.ts";
import { savedConfig, savedConfigIfAny } from "./container/saved.ts";
import { start } from "./container/start.ts";
import { type ContainerState, listContainers, stateOf } from "./container/state.ts";
import { defaultRoot, load, type Store, storeAt } from "./container/store.ts";
import { update } from "./container/update.ts";
import { Errno, isErrno, KernelError, UserError } from "./errors.ts";
import { execProcess } from "./plan/exec-process.ts";
import type { Plan } from "./plan/plan.ts";
import { prepareSeccomp } from "./seccomp/compile.ts";
import { SchemaBreach } from "./spec/breach.ts";
import type { Mount, Process, Resources } from "./spec/config.ts";
import { explain } from "./spec/explain.ts";
import type { Facts } from "./spec/facts.ts";
import { jsonText } from "./spec/json-text.ts";
import { parseMounts, parseProcess, parseResources } from "./spec/load.ts";
import { signalNumber } from "./spec/tables/signals.ts";

// what users see is the one description of the options; test/unit/library.ts compares the rest
export type { Ended, ExecOptions, NewOptions, RuntimeOptions, Stdio } from "../types/tsrunc.d.ts";
export { UserError } from "./errors.ts";
export { printPlan } from "./plan/print.ts";

const SIGTERM = 15;

// The signals of a Node program are its own: nothing of ours may stop them from ending it.
host.catchSignals = () => {};
provideSystemd(systemd);

export class Runtime {
  private readonly root: string;
  private readonly facts: Facts;
  private readonly cgroupManager: CreateOptions["cgroupManager"];
  private readonly rootless: boolean | undefined;

  constructor({ root, rootless, cgroupManager = "cgroupfs" }: RuntimeOptions = {}) {
    this.root = root === undefined ? defaultRoot() : absolute(root);
    this.facts = { rootless: host.ids()[1] !== 0, systemdCgroup: cgroupManager === "systemd" };
    this.cgroupManager = cgroupManager;
    this.rootless = rootless;
  }

  /** Looked at for each call: the directory may be another by now. */
  private get store(): Store {
    return storeAt(this.root);
  }

  create(id: string, { bundle: path, ...options }: NewOptions): ContainerState {
    return told(() => {
      checkId(id);
      const bundle = loadBundle(absolute(path), this.facts);
      create(this.store, id, bundle, this.createOptions(options), toolsFor(bundle));
      return stateOf(this.store, id);
    });
  }

  start(id: string): void {
    told(() => start(this.store, id, (name) => savedConfig(this.store, name)));
  }

  exec(id: string, process: readonly string[] | Process, options: ExecOptions = {}): number {
    return told(() => {
      const config = savedConfig(this.store, checkId(id));
      const wanted = this.process(process, config, options);
      extras.checkLabels(wanted, undefined);
      const seccomp = config.linux?.seccomp === undefined ? undefined : prepareSeccomp;
      return exec(this.store, id, config, wanted, execOptions(options), { seccomp });
    });
  }

  output(
    id: string,
    process: readonly string[] | Process,
    options: Omit<ExecOptions, "stdio"> = {},
  ): { readonly status: number; readonly stdout: string; readonly stderr: string } {
    const files = [told(temporaryFile), told(temporaryFile)] as const;
    try {
      const status = this.exec(id, process, { ...options, stdio: [-1, ...files] });
      const [stdout, stderr] = files.map((fd) => told(() => host.readText(`/proc/self/fd/${fd}`, maxOutput)));
      return { status, stdout: stdout ?? "", stderr: stderr ?? "" };
    } finally {
      for (const fd of files) host.close(fd);
    }
  }

  kill(id: string, signal: string | number = SIGTERM, { all = false }: { readonly all?: boolean } = {}): void {
    told(() => {
      const number = signalNumber(String(signal));
      if (number === undefined) throw new UserError(`unknown signal ${JSON.stringify(signal)}`, { code: "usage" });
      kill(this.store, id, number, all);
    });
  }

  wait(id: string, { timeoutMs = -1 }: { readonly timeoutMs?: number } = {}): Ended | undefined {
    return told(() => waitForInit(load(this.store, id).pid, timeoutMs));
  }

  delete(id: string, { force = false }: { readonly force?: boolean } = {}): void {
    told(() => {
      const pid = pidOf(this.store, id);
      remove(this.store, id, force, (name) => savedConfigIfAny(this.store, name));
      // a container that this very process has made is its child
      if (pid > 0) waitForInit(pid, 0);
    });
  }

  pause(id: string): void {
    told(() => pause(this.store, id));
  }

  resume(id: string): void {
    told(() => resume(this.store, id));
  }

  ps(id: string): readonly number[] {
    return told(() => containerPids(this.store, id));
  }

  stats(id: string): Stats {
    return told(() => statsOf(this.store, id));
  }

  update(id: string, resources: Resources): void {
    told(() => {
      const asked = parseResources(jsonText(resources), readerFor(this.facts)).resources;
      update(this.store, id, asked, (name) => savedConfig(this.store, name));
    });
  }

  addMounts(id: string, mounts: readonly Mount[]): void {
    this.changeMounts(id, mounts, "add");
  }

  removeMounts(id: string, mounts: readonly Mount[]): void {
    this.changeMounts(id, mounts, "remove");
  }

  state(id: string): ContainerState {
    return told(() => stateOf(this.store, id));
  }

  list(): readonly ContainerState[] {
    return told(() => listContainers(this.store, false, (uid) => `#${uid}`, ignore));
  }

  plan(path: string, options: { readonly noPivot?: boolean; readonly noNewKeyring?: boolean } = {}): Plan {
    return told(() => {
      const bundle = loadBundle(absolute(path), this.facts);
      const facts = readFacts();
      const id = "ID";
      return compilePlan(bundle, facts, {
        id,
        start: "later",
        preserved: { descriptors: [], environment: [] },
        cgroup:
          this.cgroupManager === "cgroupfs"
            ? planCgroup(facts.cgroup, bundle.config.linux?.cgroupsPath, id)
            : { driver: "none" },
        options: { noPivot: options.noPivot ?? false, noNewKeyring: options.noNewKeyring ?? false },
        ...toolsFor(bundle),
      });
    });
  }

  validate(
    path: string,
    { machine = false }: { readonly machine?: boolean } = {},
  ): { readonly valid: boolean; readonly problems: readonly Finding[] } {
    return told(() => {
      const tools = { explain, seccomp: prepareSeccomp, machine };
      const { findings } = inspectBundle(absolute(path), this.facts, tools);
      return { valid: findings.every(({ severity }) => severity !== "error"), problems: findings };
    });
  }

  private changeMounts(id: string, given: readonly Mount[], action: "add" | "remove"): void {
    told(() => {
      const config = savedConfig(this.store, checkId(id));
      const { mounts } = parseMounts(jsonText(given), action, config, readerFor(this.facts));
      (action === "add" ? addMounts : removeMounts)(this.store, id, mounts, config);
    });
  }

  private createOptions(options: Omit<NewOptions, "bundle">): CreateOptions {
    const { stdio } = options;
    return {
      pidFile: absoluteOrNone(options.pidFile),
      consoleSocket: absoluteOrNone(options.consoleSocket),
      pidfdSocket: absoluteOrNone(options.pidfdSocket),
      noPivot: options.noPivot ?? false,
      noNewKeyring: options.noNewKeyring ?? false,
      preserveFds: options.preserveFds ?? 0,
      cgroupManager: this.cgroupManager,
      rootless: this.rootless,
      ...(stdio === undefined ? {} : { stdio }),
    };
  }

  /** A command with changes to the container's own process, or a process of its own, which is checked like a config. */
  private process(
    given: readonly string[] | Process,
    config: Parameters<typeof execProcess>[0],
    options: ExecOptions,
  ): Process {
    if (!isCommand(given)) return parseProcess(JSON.stringify(given), readerFor(this.facts)).process;
    if (given.length === 0) throw new UserError("exec args cannot be empty", { code: "usage" });
    return execProcess(config, given, {
      cwd: options.cwd,
      env: options.env ?? [],
      user: options.user,
      additionalGids: (options.additionalGids ?? []).map(String),
      capabilities: options.capabilities ?? [],
      apparmor: undefined,
      label: undefined,
      noNewPrivileges: options.noNewPrivileges ?? false,
    });
  }
}

/** Runs it; whatever fails is thrown as a UserError. */
function told<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SchemaBreach) throw error.explained(explain);
    if (error instanceof KernelError) {
      throw new UserError(error.message, { code: "kernel", errno: error.errno, cause: error });
    }
    throw error;
  }
}

function toolsFor({ config }: Bundle): CreateTools {
  return { seccomp: config.linux?.seccomp === undefined ? undefined : prepareSeccomp, extras };
}

function execOptions(options: ExecOptions): Parameters<typeof exec>[4] {
  const { stdio } = options;
  return {
    // a child that nobody reaps would keep the container's pid namespace from ending
    detach: false,
    pidFile: undefined,
    consoleSocket: undefined,
    pidfdSocket: undefined,
    preserveFds: 0,
    ignorePaused: options.ignorePaused ?? false,
    subCgroups: [],
    timeoutMs: options.timeoutMs ?? 0,
    ...(stdio === undefined ? {} : { stdio }),
  };
}

function isCommand(process: readonly string[] | Process): process is readonly string[] {
  return Array.isArray(process);
}

/** Waits for the process to end, at most so long; how it ended, where it is our child. */
function waitForInit(pid: number, timeoutMs: number): Ended | undefined {
  let pidfd: number;
  try {
    pidfd = host.openPid(pid);
  } catch (error) {
    if (isErrno(error, Errno.ESRCH, Errno.EINVAL)) return undefined;
    throw error;
  }
  try {
    if (host.poll([pidfd], timeoutMs).length === 0) return undefined;
    const [status, signal] = host.reap(pidfd, false) ?? [0, 0];
    return { status, signal };
  } catch (error) {
    // somebody else's child
    if (isErrno(error, Errno.ECHILD)) return undefined;
    throw error;
  } finally {
    host.close(pidfd);
  }
}

function pidOf(store: Store, id: string): number {
  try {
    return load(store, id).pid;
  } catch (error) {
    if (error instanceof UserError) return 0;
    throw error;
  }
}

const maxOutput = 64 << 20;
const O_RDWR = 2;
const O_TMPFILE = 0o20200000;

/** A file without a name, for a program to write to. */
function temporaryFile(): number {
  return host.open(host.env("TMPDIR") || "/tmp", O_TMPFILE | O_RDWR, 0o600);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${host.cwd()}/${path}`;
}

function absoluteOrNone(path: string | undefined): string | undefined {
  return path === undefined ? undefined : absolute(path);
}

function ignore(): void {
  // a container whose state can't be read is not in the list
}
