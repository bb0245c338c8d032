// exec: another process in a running container. It enters the namespaces of the container's init and its cgroup, and is
// then made like the container's own process. No lock is held, no state is written: probes call this all the time.

import { host } from "#host";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import { compileExec } from "../plan/exec.ts";
import type { CreateRequest } from "../plan/facts.ts";
import { SyncPoint } from "../plan/ops.generated.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config, Process } from "../spec/config.ts";
import { writePidFile } from "./create.ts";
import { readFacts } from "./facts.ts";
import { abandon, awaitProgram, converse, type Init, release, startInit } from "./init.ts";
import { inheritedDescriptors } from "./preserve.ts";
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
  /** A sub-cgroup of the container's; undefined: the container's own */
  readonly subCgroup: string | undefined;
  /** Milliseconds after which the process is killed; 0: never */
  readonly timeoutMs: number;
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
  const cgroup = below(container.cgroup, options.subCgroup);
  const plan = compileExec(config, process, facts, {
    id,
    cgroup,
    keyring: "new",
    preserved: preserved.descriptors,
    environment: preserved.environment,
    ...tools,
  });
  const target = openInit(container);
  if (target === undefined) throw new UserError("cannot exec in a stopped container", { code: "state" });
  if (!options.detach) host.catchSignals();

  let master = -1;
  const terminal = process.terminal === true;
  const joined = startJoined(plan, container, cgroup, target, terminal);
  host.close(target);
  try {
    converse(joined, plan, container.cgroup, {
      sync: (point) => {
        if (point !== SyncPoint.launched) return;
        if (container.resctrl !== undefined) joinResctrl(container.resctrl, joined.pid);
        raiseRlimits(joined.pid, process.rlimits ?? []);
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
      },
      tree: ({ op }) => {
        throw new TypeError(`${op.op} wants no mount tree in an exec`);
      },
    });
    const failure = awaitProgram(joined, plan);
    if (failure !== undefined) throw failure;
    writePidFile(options.pidFile, joined.pid);
    return options.detach ? 0 : wait(joined, master, options.timeoutMs);
  } catch (error) {
    abandon(joined);
    throw openInitGone(container) ? new UserError("container not running", { code: "state", cause: error }) : error;
  } finally {
    if (master >= 0) host.close(master);
    release(joined);
  }
}

function checkTerminal(process: Process, { detach, consoleSocket }: ExecOptions): void {
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
}

function checkJoinable(store: Store, container: StoredContainer, ignorePaused: boolean): void {
  const status = statusOf(store, container);
  switch (status) {
    case "running":
    case "created":
      return;
    case "stopped":
      throw new UserError("cannot exec in a stopped container", { code: "state" });
    case "creating":
      throw new UserError("container not running: it is being created", { code: "state" });
    case "paused":
      if (ignorePaused) return;
      throw new UserError("cannot exec in a paused container (use --ignore-paused to override)", { code: "state" });
  }
}

/**
 * Starts the joining process in the container's cgroup; or on v2, where a cgroup with children takes no process (EBUSY),
 * in the one that its init has moved to.
 */
function startJoined(
  plan: Plan,
  container: StoredContainer,
  cgroup: CgroupRecord,
  target: number,
  terminal: boolean,
): Init {
  const slots = openSlots(plan, target);
  const stdio = terminal ? ([-1, -1, -1] as const) : ([0, 1, 2] as const);
  try {
    return startInit(plan, slots, stdio, cgroup);
  } catch (error) {
    if (!isErrno(error, Errno.EBUSY, Errno.ENOENT, Errno.ENODEV, Errno.EOPNOTSUPP)) throw error;
    return startInit(plan, slots, stdio, cgroupOfInit(container));
  } finally {
    plan.slots.forEach(({ kind }, index) => {
      if (kind === "cgroup") host.close(slots[index] ?? -1);
    });
  }
}

function openSlots(plan: Plan, target: number): readonly number[] {
  return plan.slots.map((slot) => {
    if (slot.kind === "preserved") return slot.fd;
    return slot.kind === "cgroup" ? host.open(`${slot.path}/tasks`, O_WRONLY, 0) : target;
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

/** The container's directories with a path below them, which must exist and not lead out of them. */
function below(cgroup: CgroupRecord, sub = "/"): CgroupRecord {
  if (cgroup.driver === "none") return cgroup;
  const parts = sub.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new UserError(`the sub-cgroup ${JSON.stringify(sub)} must not contain ".."`, {
      at: "--cgroup",
      code: "cgroup",
    });
  }
  const directories = cgroup.directories.map((directory) => ({
    ...directory,
    path: [directory.path, ...parts].join("/"),
  }));
  if (parts.length === 0) return cgroup;
  const missing = directories.find(({ path }) => host.stat(path, false) === undefined);
  if (missing !== undefined) {
    throw new UserError(`the sub-cgroup ${missing.path} does not exist`, { at: "--cgroup", code: "cgroup" });
  }
  return { ...cgroup, directories };
}

function wait(joined: Init, master: number, timeoutMs: number): number {
  const [status] = host.supervise(joined.pid, joined.pidfd, master, timeoutMs);
  if (status >= 0) return status;
  host.signalPid(joined.pidfd, 9);
  host.reap(joined.pidfd, true);
  host.writeFd(2, `tsrunc exec: the process was killed after ${timeoutMs} ms (--timeout)\n`);
  return timedOut;
}

function openInitGone(container: StoredContainer): boolean {
  const pidfd = openInit(container);
  if (pidfd === undefined) return true;
  host.close(pidfd);
  return false;
}
