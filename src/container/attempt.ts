// One try at making a container: from the claimed id to the commit, or back to nothing. Each step says by what it can be
// undone before it is done (docs/architecture.md, "Crash safety").

import { host } from "#host";
import { delegate } from "../cgroup/delegate.ts";
import { loadedSystemd } from "../cgroup/driver.ts";
import { killAll } from "../cgroup/kill.ts";
import { applyResources, completeCgroup, createCgroup, refuseForeign, removeCgroup } from "../cgroup/manager.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { CreateRequest, HostFacts } from "../plan/facts.ts";
import { staysPeer } from "../plan/mounts.ts";
import { SyncPoint } from "../plan/ops.generated.ts";
import type { Plan, Step } from "../plan/plan.ts";
import { measure } from "../trace.ts";
import { openBindSource } from "./bind-source.ts";
import type { Bundle } from "./bundle.ts";
import type { Created, CreateOptions, CreateTools } from "./create.ts";
import { runHooks, runPoststop } from "./hooks.ts";
import { writeIdMap } from "./id-maps.ts";
import type { Idmaps } from "./idmap.ts";
import { abandon, converse, type Init, startInit } from "./init.ts";
import type { ResctrlPlan } from "./intel-rdt.ts";
import { newIntent } from "./intent.ts";
import { sendListener, takeListener } from "./listener.ts";
import { writePidFile } from "./pid-file.ts";
import { setOomScore, writeTimeOffsets } from "./proc-files.ts";
import { removeResctrl } from "./resctrl.ts";
import { raiseRlimits } from "./rlimits.ts";
import { closeSlots, openSlots } from "./slots.ts";
import {
  type AfterStart,
  type Claim,
  disclaim,
  type Intent,
  type Store,
  writeConfig,
  writeIntent,
  writeState,
} from "./store.ts";

/** What one try works with. */
export interface AttemptParts extends Pick<CreateTools, "extras" | "notify"> {
  readonly store: Store;
  readonly bundle: Bundle;
  readonly plan: Plan;
  readonly facts: HostFacts;
  readonly options: CreateOptions;
  readonly claimed: Claim;
  readonly start: CreateRequest["start"];
  readonly resctrl: ResctrlPlan | undefined;
}

/** One try at making a container, which knows how far it has come. */
export class Attempt {
  private init: Init | undefined;
  private cgroupBegun = false;
  private hooksBegun = false;
  private master = -1;
  private seccompReport = -1;
  private notify = -1;
  private intent: Intent;

  private readonly parts: AttemptParts;
  private readonly idmaps: Idmaps | undefined;
  private resctrlMade: readonly string[] = [];

  constructor(id: string, cgroup: CgroupRecord, parts: AttemptParts) {
    const { bundle, plan, extras, resctrl } = parts;
    this.parts = parts;
    this.idmaps = extras === undefined ? undefined : new extras.Idmaps();
    this.intent = {
      ...newIntent(id, bundle, cgroup, afterStart(plan)),
      ...(resctrl === undefined ? {} : { resctrl: { tasks: resctrl.tasks, remove: resctrl.remove } }),
    };
  }

  run(): Created {
    const { plan, bundle, store, claimed } = this.parts;
    refuseForeign(this.intent.cgroup);
    writeIntent(store, this.intent);
    this.notify = this.parts.notify?.prepare(store, this.intent.id) ?? -1;
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
        if (this.parts.options.consoleSocket === undefined) host.copyWindowSize(fd);
      },
      tree: (step) => this.openTree(step),
      listener: (number) => this.atListener(number),
    });
    this.idmaps?.close();
    const { intent, master, seccompReport, notify } = this;
    const { lock } = claimed;
    return { store, intent, config: bundle.config, plan, init, lock, master, seccompReport, notify };
  }

  private limitCgroup(cgroup: CgroupRecord): void {
    const { config } = this.parts.bundle;
    this.cgroupBegun = true;
    this.intent = { ...this.intent, cgroup };
    measure("set limits", () => applyResources(cgroup, config.linux?.resources ?? {}, this.parts.facts.privileged));
    delegate(cgroup, config);
  }

  /** Has systemd put init into a scope, before init has done anything. */
  private enterScope(pid: number): void {
    const { cgroup, id } = this.intent;
    if (cgroup.driver !== "systemd") return;
    this.cgroupBegun = true;
    loadedSystemd().startScope(cgroup, this.parts.bundle.config, id, pid);
    const complete = completeCgroup(cgroup);
    loadedSystemd().enterDirectories(cgroup, pid);
    this.limitCgroup(complete);
    writeIntent(this.parts.store, this.intent);
  }

  private launch(): Init {
    const { intent } = this;
    const { plan, bundle, store } = this.parts;
    const slots = openSlots(plan, store, intent.id, bundle.config);
    const terminal = bundle.config.process?.terminal === true;
    try {
      this.init = startInit(
        plan,
        slots,
        terminal ? [-1, -1, -1] : (this.parts.options.stdio ?? [0, 1, 2]),
        intent.cgroup,
      );
    } finally {
      closeSlots(plan, slots);
    }
    return this.init;
  }

  private atSync(point: number): void {
    const { config } = this.parts.bundle;
    const { pid } = this.liveInit();
    const { extras, resctrl } = this.parts;
    switch (point) {
      case SyncPoint.launched:
        this.rememberInit();
        this.enterScope(pid);
        if (resctrl !== undefined) this.resctrlMade = extras?.enterResctrl(resctrl, pid) ?? [];
        raiseRlimits(pid, config.process?.rlimits ?? []);
        if (config.process?.oomScoreAdj !== undefined) setOomScore(pid, config.process.oomScoreAdj);
        return;
      case SyncPoint.userns:
        writeIdMap(pid, "uid_map", config.linux?.uidMappings ?? [], extras?.mapByProgram);
        writeIdMap(pid, "gid_map", config.linux?.gidMappings ?? [], extras?.mapByProgram);
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
    // where init is, who has a copy of our mounts: of the copies in a user namespace the kernel locks what we have read-only,
    // and what hides something
    const { pid } = this.liveInit();
    const peer = op.op === "bind" && staysPeer(op, this.parts.bundle.config);
    const from = peer ? 0 : pid;
    if (step.idmap !== undefined && this.idmaps !== undefined) return this.idmaps.openTree(step, pid, from, peer);
    return openBindSource(step, op, from, peer);
  }

  private atListener(number: number): void {
    const init = this.liveInit();
    const profile = this.parts.bundle.config.linux?.seccomp;
    const listener = takeListener(init, number);
    if (this.parts.options.traceSeccomp === true) this.seccompReport = host.serveListener(listener);
    else if (profile !== undefined) sendListener(listener, profile, init.pid, this.intent, "creating");
    host.close(listener);
  }

  private atCommit(): void {
    measure("commit", () => this.commit());
  }

  private commit(): void {
    const { store, options, start } = this.parts;
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
    writeIntent(this.parts.store, this.intent);
  }

  private liveInit(): Init {
    if (this.init === undefined) throw new UserError("init has not been started", { code: "init" });
    return this.init;
  }

  /** Takes everything back. What can't be is logged: the error that brought us here is the one to be told. */
  undo(reason: unknown): void {
    const { intent } = this;
    const { store, bundle } = this.parts;
    const steps: (() => void)[] = [
      () => this.init !== undefined && abandon(this.init),
      () => this.master >= 0 && host.close(this.master),
      () => this.notify >= 0 && host.close(this.notify),
      () => this.cgroupBegun && killAll(intent.cgroup, 9),
      () => this.cgroupBegun && removeCgroup(intent.cgroup),
      () => removeResctrl(this.resctrlMade),
      () => this.idmaps?.close(),
      () => (this.hooksBegun || isHookFailure(reason)) && runPoststop(bundle.config, intent),
      () => disclaim(store, intent.id, this.parts.claimed),
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
