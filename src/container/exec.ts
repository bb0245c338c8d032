// exec: another process in a running container. It enters the namespaces of the container's init and its cgroup, and is
// then made like the container's own process. No lock is held, no state is written: probes call this all the time.

import { host } from "#host";
import { isFrozen } from "../cgroup/manager.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { UserError } from "../errors.ts";
import { compileExec } from "../plan/exec.ts";
import type { CreateRequest } from "../plan/facts.ts";
import { SyncPoint } from "../plan/ops.generated.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config, Process, Seccomp } from "../spec/config.ts";
import { dissolveOwnCgroup, makeOwnCgroup, type OwnCgroup, subCgroup } from "./exec-cgroup.ts";
import { abandonUnlessFrozen, awaitEnd, unlessInitDied } from "./exec-end.ts";
import { enterByDriver, startJoined } from "./exec-start.ts";
import { readProcessFacts } from "./facts.ts";
import { awaitProgram, converse, release } from "./init.ts";
import { sendListener, takeListener } from "./listener.ts";
import { writePidFile } from "./pid-file.ts";
import { inheritedDescriptors } from "./preserve.ts";
import { setOomScore } from "./proc-files.ts";
import { joinResctrl } from "./resctrl.ts";
import { mustRaise, raiseRlimits } from "./rlimits.ts";
import { isAlive, openInit } from "./status.ts";
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
  const preserved = inheritedDescriptors(options.preserveFds);
  const facts = readProcessFacts();
  const cgroup = subCgroup(container.cgroup, options.subCgroups);
  const init = joinableInit(container, options.ignorePaused);
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
      attended: needsUs(container, process),
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
  const stdio = process.terminal === true ? ([-1, -1, -1] as const) : (options.stdio ?? ([0, 1, 2] as const));
  const [joined, place] = startJoined({ ...joining, stdio, movable: options.subCgroups.length === 0 });
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
    return options.detach ? 0 : awaitEnd(joined, master, options.timeoutMs, joining.own);
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

/** Whether there is something that `join` has to do to the process when it has been launched. */
function needsUs({ cgroup, resctrl }: StoredContainer, { oomScoreAdj, rlimits = [] }: Process): boolean {
  return cgroup.driver === "systemd" || resctrl !== undefined || oomScoreAdj !== undefined || rlimits.some(mustRaise);
}

/** A pidfd of the init of a container that may be joined: running, or waiting for `start`. */
function joinableInit(container: StoredContainer, ignorePaused: boolean): number {
  if (container.phase === "creating") {
    throw new UserError("container not running: it is being created", { code: "state" });
  }
  if (!ignorePaused && isFrozen(container.cgroup) && isAlive(container)) {
    throw new UserError("cannot exec in a paused container (use --ignore-paused to override)", { code: "state" });
  }
  const init = openInit(container);
  if (init === undefined) throw new UserError("cannot exec in a stopped container", { code: "state" });
  return init;
}
