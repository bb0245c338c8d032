// create: from a bundle to a process that waits for `start`. The steps, in the order that makes a crash between any two
// of them harmless (docs/architecture.md, "Crash safety"):
//
//   1 read and check everything, compile the plan            nothing has happened yet
//   2 claim ROOT/ID, lock it                                 the name is ours
//   3 write down the cgroup that will be; make and limit it
//   4 start init in it; write down who it is                 if we die, so does init
//   5 init works through the plan; hooks, id maps at its stops
//   6 state.json, console, pid file; commit                  init may outlive us

import { host } from "#host";
import { delegate } from "../cgroup/delegate.ts";
import { type SystemdDriver, systemdDriver } from "../cgroup/driver.ts";
import { killAll } from "../cgroup/kill.ts";
import { applyResources, completeCgroup, createCgroup, refuseForeign, removeCgroup } from "../cgroup/manager.ts";
import { type CgroupRecord, planCgroup } from "../cgroup/record.ts";
import { unlessRefused } from "../cgroup/rootless.ts";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { compileCreate } from "../plan/compile.ts";
import type { CreateRequest, HostFacts } from "../plan/facts.ts";
import { PLAN_MOUNT_RECURSIVE, PLAN_MOUNT_SOURCE_NOFOLLOW, SyncPoint } from "../plan/ops.generated.ts";
import type { Plan, Step } from "../plan/plan.ts";
import type { Config, IdMapping } from "../spec/config.ts";
import { measure, traceEnvironment } from "../trace.ts";
import type { Bundle } from "./bundle.ts";
import { readFacts } from "./facts.ts";
import { operationFailure } from "./failure.ts";
import { runHooks, runPoststop } from "./hooks.ts";
import { checkId } from "./id.ts";
import type { Idmaps } from "./idmap.ts";
import { abandon, converse, type Init, release, startInit } from "./init.ts";
import type { ResctrlPlan } from "./intel-rdt.ts";
import { sendListener, takeListener } from "./listener.ts";
import { inheritedDescriptors, type Preserved } from "./preserve.ts";
import { removeResctrl } from "./resctrl.ts";
import { raiseRlimits } from "./rlimits.ts";
import { closeSlots, openSlots } from "./slots.ts";
import { bootId } from "./status.ts";
import {
  type AfterStart,
  claim,
  forget,
  type Intent,
  prepareStore,
  type Store,
  writeConfig,
  writeIntent,
  writeState,
} from "./store.ts";

export interface CreateOptions {
  /** Absolute path of the file to get the pid; undefined: none */
  readonly pidFile: string | undefined;
  /** Absolute path of the socket to get the terminal's master */
  readonly consoleSocket: string | undefined;
  /** Absolute path of the socket to get a pidfd of init */
  readonly pidfdSocket: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** How many descriptors from 3 on the program gets, besides those of LISTEN_FDS */
  readonly preserveFds: number;
  /** Who makes the cgroup, if anybody does */
  readonly cgroupManager: "cgroupfs" | "systemd" | "disabled";
  /** Let everything pass that the seccomp profile would deny, and note it (tsrunc seccomp trace) */
  readonly traceSeccomp?: boolean;
}

/** A container that has committed, in the hands of the command that made it. */
export interface Created {
  readonly store: Store;
  readonly intent: Intent;
  readonly config: Config;
  readonly plan: Plan;
  readonly init: Init;
  /** Descriptor of the container's lock */
  readonly lock: number;
  /** The terminal's master, when nobody else took it; -1 for none */
  readonly master: number;
  /** What the seccomp profile would have denied (host.listenerReport), with `traceSeccomp`; else -1 */
  readonly seccompReport: number;
}

/** Code that only some configs need, loaded by the command line before anything is done. */
export type CreateTools = Pick<CreateRequest, "seccomp"> & {
  readonly extras: typeof import("./extras.ts") | undefined;
};

/** The create command. */
export function create(store: Store, id: string, bundle: Bundle, options: CreateOptions, tools: CreateTools): void {
  const created = setUp(store, id, bundle, options, tools, "later", true);
  release(created.init);
  host.close(created.lock);
}

/**
 * Sets a container up to its commit. With start "now" (run) init doesn't wait for `start`, and our end of its socket
 * stays open. On any failure nothing is left: no process, cgroup, directory or pid file.
 */
export function setUp(
  store: Store,
  id: string,
  bundle: Bundle,
  options: CreateOptions,
  tools: CreateTools,
  start: CreateRequest["start"],
  detach: boolean,
): Created {
  checkId(id);
  checkTerminal(bundle.config, options, detach);
  tools.extras?.checkLabels(bundle.config.process, bundle.config.linux);
  const preserved = inheritedDescriptors(options.preserveFds);
  const facts = readFacts();
  const cgroup = planContainerCgroup(facts, bundle.config, id, options);
  const plan = measure("compile the plan", () =>
    compilePlan(bundle, facts, { id, start, preserved, cgroup, options, ...tools }),
  );
  const rdt = bundle.config.linux?.intelRdt;
  const resctrl = rdt === undefined ? undefined : tools.extras?.planResctrl(rdt, id);
  prepareStore(store);
  host.catchSignals();
  const lock = claim(store, id);
  const attempt = new Attempt(store, id, bundle, plan, cgroup, facts, options, lock, start, { ...tools, resctrl });
  try {
    return attempt.run();
  } catch (error) {
    attempt.undo(error);
    throw error;
  }
}

/** Where the container's cgroup will be. */
export function planContainerCgroup(
  facts: HostFacts,
  config: Config,
  id: string,
  { cgroupManager }: Pick<CreateOptions, "cgroupManager">,
): CgroupRecord {
  switch (cgroupManager) {
    case "disabled":
      return { driver: "none" };
    case "cgroupfs":
      return plannedCgroup(facts, config, id);
    case "systemd":
      return loadedSystemd().planScope(facts.cgroup, config, id, facts.privileged);
  }
}

/** Without privilege there may be no cgroup to be had, which only matters to who asks for one. */
function plannedCgroup(facts: HostFacts, config: Config, id: string): CgroupRecord {
  const planned = planCgroup(facts.cgroup, config.linux?.cgroupsPath, id);
  return facts.privileged ? planned : unlessRefused(planned, config);
}

function loadedSystemd(): SystemdDriver {
  const driver = systemdDriver();
  if (driver === undefined) throw new TypeError("the systemd driver is not loaded");
  return driver;
}

/** The plan for a bundle: shared with `tsrunc plan`, which has no descriptors and makes no container. */
export function compilePlan(
  bundle: Bundle,
  facts: HostFacts,
  request: {
    readonly id: string;
    readonly start: CreateRequest["start"];
    readonly preserved: Preserved;
    readonly cgroup: CgroupRecord;
    readonly options: Pick<CreateOptions, "noPivot" | "noNewKeyring">;
  } & CreateTools,
): Plan {
  return compileCreate(bundle.config, facts, {
    id: request.id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    start: request.start,
    root: request.options.noPivot ? "move" : "pivot",
    keyring: request.options.noNewKeyring ? "inherited" : "new",
    preserved: request.preserved.descriptors,
    environment: request.preserved.environment,
    hookEnvironment: traceEnvironment(),
    cgroup: request.cgroup,
    seccomp: request.seccomp,
    ...(request.extras === undefined ? {} : { links: request.extras.sourceLinks(bundle.path, bundle.config.mounts) }),
  });
}

/** A terminal needs somebody at its other end, known before anything is done. */
function checkTerminal(config: Config, options: CreateOptions, detach: boolean): void {
  const terminal = config.process?.terminal === true;
  if (terminal && detach && options.consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if tsrunc will detach without setting console socket", {
      at: "/process/terminal",
      code: "usage",
      hint: "give --console-socket, or set process.terminal to false",
    });
  }
  if (options.consoleSocket !== undefined && !(terminal && detach)) {
    throw new UserError("cannot use console socket if tsrunc will not detach or allocate tty", {
      at: "--console-socket",
      code: "usage",
    });
  }
}

/** The tools, and what they have found out before the container is begun. */
interface Extras extends Pick<CreateTools, "extras"> {
  readonly resctrl: ResctrlPlan | undefined;
}

/** One try at making a container, which knows how far it has come. */
class Attempt {
  private init: Init | undefined;
  private cgroupBegun = false;
  private hooksBegun = false;
  private master = -1;
  private seccompReport = -1;
  private intent: Intent;

  private readonly store: Store;
  private readonly bundle: Bundle;
  private readonly plan: Plan;
  private readonly facts: HostFacts;
  private readonly options: CreateOptions;
  private readonly lock: number;
  private readonly start: CreateRequest["start"];
  private readonly extras: Extras;
  private readonly idmaps: Idmaps | undefined;
  private resctrlMade: readonly string[] = [];

  constructor(
    store: Store,
    id: string,
    bundle: Bundle,
    plan: Plan,
    cgroup: CgroupRecord,
    facts: HostFacts,
    options: CreateOptions,
    lock: number,
    start: CreateRequest["start"],
    extras: Extras,
  ) {
    this.extras = extras;
    this.idmaps = extras.extras === undefined ? undefined : new extras.extras.Idmaps();
    this.store = store;
    this.bundle = bundle;
    this.plan = plan;
    this.facts = facts;
    this.options = options;
    this.lock = lock;
    this.start = start;
    const { resctrl } = extras;
    this.intent = {
      id,
      bundle: bundle.path,
      rootfs: bundle.rootfs,
      created: timestamp(),
      annotations: bundle.config.annotations ?? {},
      cgroup,
      ownPid: bundle.config.linux?.namespaces?.some(({ type }) => type === "pid") ?? false,
      bootId: bootId(),
      pid: 0,
      startTime: 0,
      afterStart: afterStart(plan),
      ...(resctrl === undefined ? {} : { resctrl: { tasks: resctrl.tasks, remove: resctrl.remove } }),
    };
  }

  run(): Created {
    const { plan, bundle, store, lock } = this;
    refuseForeign(this.intent.cgroup);
    writeIntent(store, this.intent);
    // systemd makes a cgroup only for a process that is there: at init's first stop
    if (this.intent.cgroup.driver !== "systemd") {
      this.limitCgroup(measure("make cgroups", () => createCgroup(this.intent.cgroup)));
    }
    const init = this.launch();
    converse(init, plan, this.intent.cgroup, {
      sync: (point) => this.atSync(point),
      meanwhile: () => writeConfig(store, this.intent.id, bundle.text),
      commit: () => this.atCommit(),
      descriptor: (_op, fd) => {
        this.master = fd;
      },
      tree: (step) => this.openTree(step),
      listener: (number) => this.atListener(number),
    });
    this.idmaps?.close();
    const { intent, master, seccompReport } = this;
    return { store, intent, config: bundle.config, plan, init, lock, master, seccompReport };
  }

  private limitCgroup(cgroup: CgroupRecord): void {
    const { config } = this.bundle;
    this.cgroupBegun = true;
    this.intent = { ...this.intent, cgroup };
    measure("set limits", () => applyResources(cgroup, config.linux?.resources ?? {}, this.facts.privileged));
    delegate(cgroup, config);
  }

  /** Has systemd put init into a scope, before init has done anything. */
  private enterScope(pid: number): void {
    const { cgroup, id } = this.intent;
    if (cgroup.driver !== "systemd") return;
    this.cgroupBegun = true;
    loadedSystemd().startScope(cgroup, this.bundle.config, id, pid);
    const complete = completeCgroup(cgroup);
    loadedSystemd().enterDirectories(cgroup, pid);
    this.limitCgroup(complete);
    writeIntent(this.store, this.intent);
  }

  private launch(): Init {
    const { plan, bundle, store, intent } = this;
    const slots = openSlots(plan, store, intent.id, bundle.config);
    const terminal = bundle.config.process?.terminal === true;
    this.init = startInit(plan, slots, terminal ? [-1, -1, -1] : [0, 1, 2], intent.cgroup);
    closeSlots(plan, slots);
    return this.init;
  }

  private atSync(point: number): void {
    const { config } = this.bundle;
    const { pid } = this.liveInit();
    const { extras, resctrl } = this.extras;
    switch (point) {
      case SyncPoint.launched:
        this.rememberInit();
        this.enterScope(pid);
        if (resctrl !== undefined) this.resctrlMade = extras?.enterResctrl(resctrl, pid) ?? [];
        raiseRlimits(pid, config.process?.rlimits ?? []);
        if (config.process?.oomScoreAdj !== undefined) setOomScore(pid, config.process.oomScoreAdj);
        return;
      case SyncPoint.userns:
        writeIdMap(pid, "uid_map", config.linux?.uidMappings ?? []);
        writeIdMap(pid, "gid_map", config.linux?.gidMappings ?? []);
        return;
      case SyncPoint.timens:
        writeTimeOffsets(pid, config);
        return;
      case SyncPoint.namespaces:
        if (pid !== this.intent.pid) this.rememberInit();
        extras?.moveNetDevices(config, pid);
        this.hooksBegun = true;
        runHooks(config, "prestart", this.intent);
        runHooks(config, "createRuntime", this.intent);
        return;
    }
  }

  /** The source of a bind mount for init, which may not reach it in its user namespace. */
  private openTree(step: Step): number {
    const { op } = step;
    if (op.op !== "bind" && op.op !== "device_bind") throw new TypeError(`${op.op} wants no mount tree`);
    if (step.idmap !== undefined && this.idmaps !== undefined) return this.idmaps.openTree(step, this.liveInit().pid);
    const recursive = (op.flags & PLAN_MOUNT_RECURSIVE) !== 0;
    const nofollow = (op.flags & PLAN_MOUNT_SOURCE_NOFOLLOW) !== 0;
    try {
      return host.openTree(op.hostPath, recursive, nofollow, -1, false);
    } catch (error) {
      if (!isErrno(error)) throw error;
      throw operationFailure(step, error.call, error.errno, `source "${op.hostPath}"`);
    }
  }

  private atListener(number: number): void {
    const init = this.liveInit();
    const profile = this.bundle.config.linux?.seccomp;
    const listener = takeListener(init, number);
    if (this.options.traceSeccomp === true) this.seccompReport = host.serveListener(listener);
    else if (profile !== undefined) sendListener(listener, profile, init.pid, this.intent, "creating");
    host.close(listener);
  }

  private atCommit(): void {
    measure("commit", () => this.commit());
  }

  private commit(): void {
    const { store, options, start } = this;
    const init = this.liveInit();
    if (init.pid !== this.intent.pid) this.rememberInit();
    writeState(store, this.intent);
    if (options.consoleSocket !== undefined && this.master >= 0) {
      host.sendFd(options.consoleSocket, "/dev/ptmx", this.master);
      host.close(this.master);
      this.master = -1;
    }
    if (options.pidfdSocket !== undefined) host.sendFd(options.pidfdSocket, "standard", init.pidfd);
    if (start === "later") writePidFile(options.pidFile, init.pid);
  }

  /** Writes down which process is init, before it does anything. */
  private rememberInit(): void {
    const { pid } = this.liveInit();
    this.intent = { ...this.intent, pid, startTime: host.processStat(pid)?.[1] ?? 0 };
    writeIntent(this.store, this.intent);
  }

  private liveInit(): Init {
    if (this.init === undefined) throw new UserError("init has not been started", { code: "init" });
    return this.init;
  }

  /** Takes everything back. What can't be is logged: the error that brought us here is the one to be told. */
  undo(reason: unknown): void {
    const { store, intent, bundle } = this;
    const steps: (() => void)[] = [
      () => this.init !== undefined && abandon(this.init),
      () => this.master >= 0 && host.close(this.master),
      () => {
        if (!this.cgroupBegun) return;
        killAll(intent.cgroup, 9);
        removeCgroup(intent.cgroup);
      },
      () => removeResctrl(this.resctrlMade),
      () => this.idmaps?.close(),
      () => (this.hooksBegun || isHookFailure(reason)) && runPoststop(bundle.config, intent),
      () => forget(store, intent.id),
      () => host.close(this.lock),
    ];
    for (const undoStep of steps) {
      try {
        undoStep();
      } catch (error) {
        log.warn(`while cleaning up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}

/** createContainer hooks are run by init, which tells only of their failure. */
function isHookFailure(error: unknown): boolean {
  return error instanceof UserError && error.code === "hook";
}

/** The steps that come after the commit. */
function afterStart({ steps }: Plan): AfterStart {
  const first = steps.findIndex(({ op }) => op.op === "commit") + 1;
  return { first, steps: steps.slice(first).map(({ op, at }) => [op.op, at] as const) };
}

/** Writes the pid, digits only, by renaming: engines poll this file. */
export function writePidFile(path: string | undefined, pid: number): void {
  if (path === undefined) return;
  try {
    host.writeAtomic(path, String(pid), 0o644, false);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't write the pid file "${path}": ${errnoText(error.errno)}`, {
      at: "--pid-file",
      cause: error,
    });
  }
}

export function setOomScore(pid: number, score: number): void {
  try {
    host.writeText(`/proc/${pid}/oom_score_adj`, String(score));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't set oom_score_adj to ${score}: ${errnoText(error.errno)}`, {
      at: "/process/oomScoreAdj",
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.EACCES ? { hint: "lowering it needs CAP_SYS_RESOURCE" } : {}),
    });
  }
}

function writeIdMap(pid: number, file: "uid_map" | "gid_map", mappings: readonly IdMapping[]): void {
  const text = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
  if (text === "") return;
  try {
    host.writeText(`/proc/${pid}/${file}`, text);
  } catch (error) {
    if (!isErrno(error)) throw error;
    const field = file === "uid_map" ? "uidMappings" : "gidMappings";
    throw new UserError(`can't write the ${file} of the user namespace: ${errnoText(error.errno)}`, {
      at: `/linux/${field}`,
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.EPERM ? { hint: "these host ids are not ours to hand on" } : {}),
    });
  }
}

function writeTimeOffsets(pid: number, config: Config): void {
  try {
    host.writeText(`/proc/${pid}/timens_offsets`, timeOffsets(config));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't set the offsets of the time namespace: ${errnoText(error.errno)}`, {
      at: "/linux/timeOffsets",
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.ERANGE ? { hint: "no clock may go below 0 or near its end" } : {}),
    });
  }
}

function timeOffsets(config: Config): string {
  return (["monotonic", "boottime"] as const)
    .map((clock) => [clock, config.linux?.timeOffsets?.[clock]] as const)
    .filter(([, offset]) => offset !== undefined)
    .map(([clock, offset]) => `${clock} ${offset?.secs ?? 0} ${offset?.nanosecs ?? 0}\n`)
    .join("");
}

/** RFC 3339 in UTC with nanoseconds. */
/** Now, as states show it: RFC 3339, UTC. */
export function timestamp(): string {
  const [seconds, nanoseconds] = host.now();
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(nanoseconds).padStart(9, "0")}Z`;
}
