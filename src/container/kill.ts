// kill: a signal to the container's init, or with --all to every process of its cgroup.

import { host } from "#host";
import { killAll } from "../cgroup/kill.ts";
import { listPids, setFrozen } from "../cgroup/manager.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import { openInit } from "./status.ts";
import { load, type Store } from "./store.ts";

const SIGKILL = 9;

/**
 * The kill command.
 *
 * @param all every process of the cgroup; a container that has stopped is then no error, its left-overs are signalled
 */
export function kill(store: Store, id: string, signal: number, all: boolean): void {
  const container = load(store, id);
  const pidfd = openInit(container);
  try {
    // without a cgroup nobody but init is known, and with it all of its pid namespace
    if (all && (container.cgroup.driver !== "none" || pidfd === undefined)) {
      killAll(container.cgroup, signal);
      return;
    }
    if (pidfd === undefined) {
      // without a pid namespace the end of init ends nobody else
      if (signal === SIGKILL && !container.ownPid && listPids(container.cgroup).length > 0) {
        killAll(container.cgroup, SIGKILL);
        return;
      }
      throw notRunning();
    }
    if (signal === SIGKILL && !container.ownPid && container.cgroup.driver !== "none")
      killAll(container.cgroup, SIGKILL);
    send(pidfd, signal);
    // a frozen process of cgroup v1 dies only when thawed
    if (signal === SIGKILL && container.cgroup.driver !== "none") thaw(container.cgroup);
  } finally {
    if (pidfd !== undefined) host.close(pidfd);
  }
}

function send(pidfd: number, signal: number): void {
  try {
    host.signalPid(pidfd, signal);
  } catch (error) {
    if (isErrno(error, Errno.ESRCH)) throw notRunning();
    throw error;
  }
}

function thaw(cgroup: Parameters<typeof setFrozen>[0]): void {
  try {
    setFrozen(cgroup, false);
  } catch {
    // no freezer, or the cgroup is gone: then nothing is frozen
  }
}

export function notRunning(): UserError {
  return new UserError("container not running", { code: "state" });
}
