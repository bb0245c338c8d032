// restore: a container out of a checkpoint's images. The bundle says what it is (mounts, namespaces, cgroup, labels, hooks);
// of the images come only processes, memory and files. Steps and their order are create's, with CRIU in init's place.

import { host } from "#host";
import { systemdDriver } from "../cgroup/driver.ts";
import { killAll } from "../cgroup/kill.ts";
import { applyResources, completeCgroup, createCgroup, refuseForeign, removeCgroup } from "../cgroup/manager.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { HostFacts } from "../plan/facts.ts";
import { hasNewNamespace } from "../plan/namespaces.ts";
import type { Config } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import type { Bundle } from "./bundle.ts";
import { type CriuFlags, commonOptions, definedOnly } from "./checkpoint.ts";
import { type CreateOptions, type CreateTools, planContainerCgroup } from "./create.ts";
import { callCriu, firstGivenFd } from "./criu.ts";
import { externalMounts, externalNames, makeDirs, mountPlan, openDirectory, resolveInRoot } from "./criu-paths.ts";
import { RequestType } from "./criu-rpc.ts";
import { destroy } from "./delete.ts";
import { readFacts } from "./facts.ts";
import { runHooks, runPoststop } from "./hooks.ts";
import { checkId } from "./id.ts";
import { newIntent } from "./intent.ts";
import { writePidFile } from "./pid-file.ts";
import { cgroupRoots, inheritedPipes, joinedByName } from "./restore-external.ts";
import { makeMountPoints, raiseLoopback } from "./restore-init.ts";
import {
  type Claim,
  claim,
  directoryOf,
  disclaim,
  type Intent,
  type Store,
  writeConfig,
  writeIntent,
  writeState,
} from "./store.ts";

export interface RestoreOptions
  extends CriuFlags,
    Pick<CreateOptions, "cgroupManager" | "rootless" | "pidFile" | "consoleSocket"> {
  readonly detach: boolean;
  /** Don't delete the container when it has ended in the foreground */
  readonly keep: boolean;
  readonly noSubreaper: boolean;
  readonly tcpClose: boolean;
  /** TYPE:NAME */
  readonly lsmProfile: string | undefined;
  readonly lsmMountContext: string | undefined;
}

/** The restore command. Returns the exit status of the container's process, 0 when detached. */
export function restore(store: Store, id: string, bundle: Bundle, options: RestoreOptions, tools: CreateTools): number {
  checkId(id);
  checkTerminal(bundle.config, options);
  checkImages(options.imagePath);
  tools.extras?.checkLabels(bundle.config.process, bundle.config.linux);
  const facts = readFacts();
  const cgroup = planContainerCgroup(facts, bundle.config, id, options);
  host.catchSignals();
  if (!options.detach && !options.noSubreaper) host.becomeSubreaper();
  const claimed = claim(store, id);
  const attempt = new Restoring(store, id, bundle, facts, options, cgroup);
  try {
    attempt.run();
  } catch (error) {
    attempt.undo(claimed);
    throw error;
  }
  host.close(claimed.lock);
  return options.detach ? attempt.leave() : attempt.standInFront();
}

function checkTerminal({ process }: Config, { detach, consoleSocket }: RestoreOptions): void {
  const terminal = process?.terminal === true;
  if (terminal && detach && consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if tsrunc will detach without setting console socket", {
      at: "/process/terminal",
      code: "usage",
      hint: "give --console-socket",
    });
  }
  if (consoleSocket !== undefined && !(terminal && detach)) {
    throw new UserError("cannot use console socket if tsrunc will not detach or allocate tty", {
      at: "--console-socket",
      code: "usage",
    });
  }
}

function checkImages(imagePath: string): void {
  if (host.stat(`${imagePath}/inventory.img`, true)?.[0] === "file") return;
  throw new UserError(`"${imagePath}" holds no checkpoint: inventory.img is missing`, {
    at: "--image-path",
    code: "usage",
    hint: "give the --image-path of a checkpoint",
  });
}

/** One try at restoring a container, which knows how far it has come. */
class Restoring {
  private intent: Intent;
  private cgroupBegun = false;
  private hooksBegun = false;
  private rootAttached = false;
  private master = -1;
  private pidfd = -1;

  private readonly store: Store;
  private readonly bundle: Bundle;
  private readonly facts: HostFacts;
  private readonly options: RestoreOptions;

  constructor(
    store: Store,
    id: string,
    bundle: Bundle,
    facts: HostFacts,
    options: RestoreOptions,
    cgroup: CgroupRecord,
  ) {
    this.store = store;
    this.bundle = bundle;
    this.facts = facts;
    this.options = options;
    this.intent = newIntent(id, bundle, cgroup, { first: 0, steps: [] });
  }

  run(): void {
    const { store, bundle, options } = this;
    refuseForeign(this.intent.cgroup);
    writeIntent(store, this.intent);
    writeConfig(store, this.intent.id, bundle.text);
    if (this.intent.cgroup.driver !== "systemd") this.limitCgroup(createCgroup(this.intent.cgroup));
    makeDirs(options.workPath);
    const plan = mountPlan(bundle.config, this.facts, { ...this.intent, rootfs: bundle.rootfs });
    makeMountPoints(plan, bundle.rootfs);
    this.attachRoot();
    const images = openDirectory(options.imagePath, "--image-path");
    const work = openDirectory(options.workPath, "--work-path");
    const joined = this.joinedNamespaces();
    try {
      const { pid } = callCriu({
        type: RequestType.restore,
        what: "restore",
        workPath: options.workPath,
        fds: [0, 1, 2, ...joined.map(({ fd }) => fd)],
        started: (criu) => this.enterCgroup(criu),
        notified: (script, initPid, fd) => this.notified(script, initPid, fd),
        options: {
          ...commonOptions(bundle.config, options, images, work),
          ...definedOnly({ lsmProfile: options.lsmProfile, lsmMountContext: options.lsmMountContext }),
          logFile: "restore.log",
          root: this.rootPath,
          asOurChild: true,
          tcpClose: options.tcpClose,
          cgroupRoots: cgroupRoots(this.intent.cgroup),
          externalMounts: externalMounts(plan, bundle.rootfs).map(({ key, value }) => ({
            key,
            value: value === "/dev/null" ? value : resolveInRoot("", value),
          })),
          inherited: [
            ...inheritedPipes(images),
            ...joined.map(({ key }, index) => ({ key, fd: firstGivenFd + 3 + index })),
          ],
          joined: joinedByName(bundle.config),
          emptyNamespaces: options.emptyNetwork || this.ownsNetwork() ? namespaces.network.flag : 0,
        },
      });
      this.commit(pid);
    } finally {
      for (const fd of [images, work, ...joined.map((entry) => entry.fd)]) host.close(fd);
      this.detachRoot();
    }
  }

  /** Returns at once: whoever reaps our orphans now has the container. */
  leave(): number {
    this.closeAll();
    return 0;
  }

  /** Waits for the end of the container's process. */
  standInFront(): number {
    const [status] = host.supervise(this.intent.pid, this.pidfd, this.master, 0, -1);
    this.closeAll();
    if (!this.options.keep) destroy(this.store, this.intent, () => this.bundle.config);
    return status;
  }

  private closeAll(): void {
    for (const fd of [this.master, this.pidfd]) if (fd >= 0) host.close(fd);
  }

  // ---- cgroup ----

  private limitCgroup(cgroup: CgroupRecord): void {
    this.cgroupBegun = true;
    this.intent = { ...this.intent, cgroup };
    applyResources(cgroup, this.bundle.config.linux?.resources ?? {}, this.facts.privileged);
  }

  /** CRIU enters it, so that what it restores is born there, and its own work is accounted. */
  private enterCgroup(pid: number): void {
    const { cgroup, id } = this.intent;
    if (cgroup.driver === "none") return;
    if (cgroup.driver === "systemd") {
      const driver = systemdDriver();
      if (driver === undefined) throw new TypeError("the systemd driver is not loaded");
      this.cgroupBegun = true;
      driver.startScope(cgroup, this.bundle.config, id, pid);
      const complete = completeCgroup(cgroup);
      driver.enterDirectories(cgroup, pid);
      this.limitCgroup(complete);
      return;
    }
    for (const { path } of cgroup.directories) host.writeText(`${path}/cgroup.procs`, String(pid));
  }

  // ---- root ----

  /** CRIU wants the root file system as a mount of its own, at a place that nobody else uses. */
  private get rootPath(): string {
    return `${directoryOf(this.store, this.intent.id)}/criu-root`;
  }

  private attachRoot(): void {
    host.makeDir(this.rootPath, 0o700);
    const tree = host.openTree(this.bundle.rootfs, true, false, -1, false, 0, false);
    try {
      host.attachTree(tree, this.rootPath);
      this.rootAttached = true;
    } finally {
      host.close(tree);
    }
  }

  private detachRoot(): void {
    if (!this.rootAttached) return;
    this.rootAttached = false;
    host.unmount(this.rootPath);
    host.removeDir(this.rootPath);
  }

  // ---- namespaces ----

  private ownsNetwork(): boolean {
    return hasNewNamespace(this.bundle.config, "network");
  }

  /** Network and pid namespaces of others, as open files under the names that the dump has given them. */
  private joinedNamespaces(): readonly { readonly key: string; readonly fd: number }[] {
    return (this.bundle.config.linux?.namespaces ?? []).flatMap(({ type, path }) => {
      if (!path || (type !== "network" && type !== "pid")) return [];
      const [fd] = host.openNamespace(path);
      return [{ key: externalNames[type], fd }];
    });
  }

  // ---- CRIU's stops ----

  private notified(script: string, pid: number, fd: number): void {
    switch (script) {
      case "orphan-pts-master":
        this.takeMaster(fd);
        return;
      case "setup-namespaces":
        this.remember(pid);
        this.hooksBegun = true;
        runHooks(this.bundle.config, "prestart", this.intent);
        runHooks(this.bundle.config, "createRuntime", this.intent);
        return;
      case "post-restore":
        // the processes are there, but don't run yet: later they may have ended
        this.raiseLoopback(pid);
        return;
      default:
        if (fd >= 0) host.close(fd);
    }
  }

  /** The other end of the container's terminal, which CRIU has made anew. */
  private takeMaster(fd: number): void {
    const { consoleSocket } = this.options;
    if (consoleSocket === undefined) {
      if (this.master >= 0) host.close(this.master);
      this.master = fd;
      return;
    }
    try {
      host.sendFd(consoleSocket, "/dev/ptmx", fd);
    } finally {
      host.close(fd);
    }
  }

  private remember(pid: number): void {
    this.intent = { ...this.intent, pid, startTime: host.processStat(pid)?.[1] ?? 0 };
    writeIntent(this.store, this.intent);
  }

  private raiseLoopback(pid: number): void {
    if (!this.ownsNetwork()) return;
    const pidfd = host.openPid(pid);
    try {
      raiseLoopback(pidfd);
    } finally {
      host.close(pidfd);
    }
  }

  private commit(pid: number): void {
    this.pidfd = host.openPid(pid);
    this.remember(pid);
    writeState(this.store, this.intent);
    writePidFile(this.options.pidFile, pid);
  }

  /** Takes everything back. What can't be is logged: the error that brought us here is the one to be told. */
  undo(claimed: Claim): void {
    const { store, intent, bundle } = this;
    const steps: (() => void)[] = [
      () => this.detachRoot(),
      () => {
        if (this.pidfd >= 0) host.signalPid(this.pidfd, 9);
      },
      () => this.closeAll(),
      () => {
        if (!this.cgroupBegun) return;
        killAll(intent.cgroup, 9);
        removeCgroup(intent.cgroup);
      },
      () => this.hooksBegun && runPoststop(bundle.config, intent),
      () => disclaim(store, intent.id, claimed),
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
