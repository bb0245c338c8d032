// exec: another process in a running container. It enters the namespaces of the container's init and its cgroup, and is
// then made like the container's own process. No lock is held, no state is written: probes call this all the time.

import { host } from "#host";
import { DriverNeeded, systemdDriver } from "../cgroup/driver.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import { compileExec } from "../plan/exec.ts";
import type { CreateRequest } from "../plan/facts.ts";
import { SyncPoint } from "../plan/ops.generated.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config, Process, Seccomp } from "../spec/config.ts";
import { dissolveOwnCgroup, killOwnCgroup, makeOwnCgroup, type OwnCgroup, subCgroup } from "./exec-cgroup.ts";
import { readFacts } from "./facts.ts";
import { abandon, awaitProgram, converse, type Init, release, startInit } from "./init.ts";
import { sendListener, takeListener } from "./listener.ts";
import { writePidFile } from "./pid-file.ts";
import { inheritedDescriptors } from "./preserve.ts";
import { setOomScore } from "./proc-files.ts";
import { joinResctrl } from "./resctrl.ts";
import { raiseRlimits } from "./rlimits.ts";
import { openInit, statusOf } from "./status.ts";
import { load, type Store, type StoredContainer } from "./store.ts";

export interface ExecOptions {
  readonly detach: boolean;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket: string | undefined;
  readonly preserveFds: number;
  /** Join a paused container, and wait there until it is resumed */
  readonly ignorePaused: boolean;
  /** Sub-cgroups of the container's, [CONTROLLERS:]PATH; none: the container's own */
  readonly subCgroups: readonly string[];
  /** Milliseconds after which the process is killed with all that it has started; 0: never */
  readonly timeoutMs: number;
  /** What becomes the program's 0, 1 and 2 where it has no terminal; by default ours */
  readonly stdio?: readonly [number, number, number];
}

/** What the exec command exits with when its time is over, as timeout(1) does. */
export const timedOut = 124;

/** The exec command. Returns the exit status of the process, 0 when detached. */
export function exec(
  store: Store,
  id: string,
  config: Config,
  process: Process,
  options: ExecOptions,
  tools: Pick<CreateRequest, "seccomp">,
): number {
  checkTerminal(process, options);
  const container = load(store, id);
  checkJoinable(store, container, options.ignorePaused);
  const preserved = inheritedDescriptors(options.preserveFds);
  const facts = readFacts();
  const cgroup = subCgroup(container.cgroup, options.subCgroups);
  const init = openInit(container);
  if (init === undefined) throw stopped();
  host.catchSignals();
  const own = options.timeoutMs > 0 ? makeOwnCgroup(cgroup) : undefined;
  try {
    const plan = compileExec(config, process, facts, {
      id,
      rootfs: container.rootfs,
      cgroup: own?.joined ?? cgroup,
      keyring: "new",
      preserved: preserved.descriptors,
      environment: preserved.environment,
      ...tools,
    });
    return join({
      container,
      init,
      plan,
      process,
      profile: config.linux?.seccomp,
      options,
      own,
      cgroup: own?.joined ?? cgroup,
    });
  } catch (error) {
    throw unlessInitDied(error, init);
  } finally {
    host.close(init);
    if (own !== undefined) dissolveOwnCgroup(own);
  }
}

interface Joining {
  readonly container: StoredContainer;
  /** A pidfd of the container's init */
  readonly init: number;
  readonly plan: Plan;
  readonly process: Process;
  readonly profile: Seccomp | undefined;
  readonly options: ExecOptions;
  readonly cgroup: CgroupRecord;
  readonly own: OwnCgroup | undefined;
}

/** Starts the process, and in the foreground waits for its end. */
function join(joining: Joining): number {
  const { container, plan, process, options } = joining;
  let master = -1;
  const [joined, place] = startJoined(joining);
  try {
    converse(joined, plan, container.cgroup, {
      sync: (point) => {
        if (point !== SyncPoint.launched) return;
        if (place === "outside") enterByDriver(container, joined.pid);
        if (container.resctrl !== undefined) joinResctrl(container.resctrl, joined.pid);
        raiseRlimits(joined.pid, process.rlimits ?? []);
        if (process.oomScoreAdj !== undefined) setOomScore(joined.pid, process.oomScoreAdj);
      },
      meanwhile: () => {},
      commit: () => {
        if (options.consoleSocket !== undefined) {
          host.sendFd(options.consoleSocket, "/dev/ptmx", master);
          host.close(master);
          master = -1;
        }
        if (options.pidfdSocket !== undefined) host.sendFd(options.pidfdSocket, "setns", joined.pidfd);
      },
      descriptor: (_op, fd) => {
        master = fd;
        if (options.consoleSocket === undefined) host.copyWindowSize(fd);
      },
      listener: (number) => {
        const listener = takeListener(joined, number);
        if (joining.profile !== undefined) sendListener(listener, joining.profile, joined.pid, container, "running");
        host.close(listener);
      },
      tree: ({ op }) => {
        throw new TypeError(`${op.op} wants no mount tree in an exec`);
      },
    });
    const failure = awaitProgram(joined, plan);
    if (failure !== undefined) throw failure;
    writePidFile(options.pidFile, joined.pid);
    return options.detach ? 0 : wait(joined, master, joining);
  } catch (error) {
    abandonUnlessFrozen(joined);
    throw error;
  } finally {
    if (master >= 0) host.close(master);
    release(joined);
  }
}

function checkTerminal(process: Process, { detach, consoleSocket, timeoutMs }: ExecOptions): void {
  const terminal = process.terminal === true;
  if (terminal && detach && consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if tsrunc will detach without setting console socket", {
      at: "--console-socket",
      code: "usage",
      hint: "give --console-socket, or no terminal",
    });
  }
  if (consoleSocket !== undefined && !(terminal && detach)) {
    throw new UserError("cannot use console socket if tsrunc will not detach or allocate tty", {
      at: "--console-socket",
      code: "usage",
    });
  }
  if (detach && timeoutMs > 0) {
    throw new UserError("nobody would be there to end a detached process", {
      at: "--timeout",
      code: "usage",
      hint: "leave out --detach or --timeout",
    });
  }
}

function checkJoinable(store: Store, container: StoredContainer, ignorePaused: boolean): void {
  const status = statusOf(store, container);
  switch (status) {
    case "running":
    case "created":
      return;
    case "stopped":
      throw stopped();
    case "creating":
      throw new UserError("container not running: it is being created", { code: "state" });
    case "paused":
      if (ignorePaused) return;
      throw new UserError("cannot exec in a paused container (use --ignore-paused to override)", { code: "state" });
  }
}

function stopped(): UserError {
  return new UserError("cannot exec in a stopped container", { code: "state" });
}

/**
 * Starts the joining process in the container's cgroup; or on v2, where a cgroup with children takes no process (EBUSY),
 * in the one that its init has moved to. An ordinary user may not go from a login's cgroup to a container's (EACCES): then
 * it starts "outside", and systemd has to move it.
 */
function startJoined({
  container,
  init,
  plan,
  process,
  options,
  cgroup,
}: Joining): readonly [Init, "inside" | "outside"] {
  const slots = openSlots(plan, init);
  const stdio = process.terminal === true ? ([-1, -1, -1] as const) : (options.stdio ?? ([0, 1, 2] as const));
  try {
    return [startInit(plan, slots, stdio, cgroup), "inside"];
  } catch (error) {
    // who names a sub-cgroup wants that one or none
    const movable = options.subCgroups.length === 0;
    if (movable && cgroup.driver === "systemd" && isErrno(error, Errno.EACCES, Errno.EPERM)) {
      if (systemdDriver() === undefined) throw new DriverNeeded();
      return [startInit(plan, slots, stdio, { driver: "none" }), "outside"];
    }
    if (!movable || !isErrno(error, Errno.EBUSY, Errno.ENOENT, Errno.ENODEV, Errno.EOPNOTSUPP)) throw error;
    return [startInit(plan, slots, stdio, cgroupOfInit(container)), "inside"];
  } finally {
    plan.slots.forEach(({ kind }, index) => {
      if (kind === "cgroup") host.close(slots[index] ?? -1);
    });
  }
}

function enterByDriver({ cgroup }: StoredContainer, pid: number): void {
  if (cgroup.driver === "systemd") systemdDriver()?.attachToScope(cgroup, pid);
}

function openSlots(plan: Plan, init: number): readonly number[] {
  return plan.slots.map((slot) => {
    if (slot.kind === "preserved") return slot.fd;
    return slot.kind === "cgroup" ? host.open(`${slot.path}/tasks`, O_WRONLY, 0) : init;
  });
}

const O_WRONLY = 1;

/** Where init is now in the v2 hierarchy. */
function cgroupOfInit({ cgroup, pid }: StoredContainer): CgroupRecord {
  if (cgroup.driver === "none") return cgroup;
  const own = /^0::(.*)$/m.exec(host.readText(`/proc/${pid}/cgroup`, 1 << 16))?.[1] ?? "/";
  const directories = cgroup.directories.map((directory) =>
    directory.controllers.length === 0 && directory.name !== "systemd"
      ? { ...directory, path: `${directory.mount}${own}` }
      : directory,
  );
  return { ...cgroup, directories };
}

function wait(joined: Init, master: number, { own, options: { timeoutMs } }: Joining): number {
  const [status] = host.supervise(joined.pid, joined.pidfd, master, timeoutMs, -1);
  if (status >= 0) return status;
  host.signalPid(joined.pidfd, SIGKILL);
  if (own !== undefined) killOwnCgroup(own);
  const ended = endsSoon(joined.pidfd);
  if (ended) host.reap(joined.pidfd, true);
  const rest = ended ? "" : "; it ends when the container is resumed";
  host.writeFd(2, `tsrunc exec: the process was killed after ${sayDuration(timeoutMs)} (--timeout)${rest}\n`);
  return timedOut;
}

function sayDuration(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}

const SIGKILL = 9;

/** A killed process of a paused container (cgroup v1) stays until it is resumed: nobody waits for that here. */
function abandonUnlessFrozen(joined: Init): void {
  if (joined.pidfd < 0) return;
  try {
    host.signalPid(joined.pidfd, SIGKILL);
  } catch (error) {
    if (!isErrno(error, Errno.ESRCH)) throw error;
  }
  if (endsSoon(joined.pidfd)) abandon(joined);
}

function endsSoon(pidfd: number): boolean {
  const deadline = host.monotonic() + 2e9;
  // a signal to us (it is what ends most waits for a paused container) is no reason to leave a process behind
  while (host.monotonic() < deadline) {
    try {
      return host.poll([pidfd], 2000).length > 0;
    } catch (error) {
      if (!isErrno(error, Errno.EINTR)) throw error;
    }
  }
  return false;
}

/**
 * When init dies it takes the joining process with it, at whatever step: that is what has happened, not that step's error.
 * The kernel kills the others of the pid namespace before init itself counts as dead, so a moment is waited.
 */
function unlessInitDied(error: unknown, init: number): unknown {
  const explained = isErrno(error, Errno.EINTR) || (error instanceof UserError && error.code !== "init");
  if (explained || host.poll([init], 200).length === 0) return error;
  return new UserError("container not running", { code: "state", cause: error });
}
