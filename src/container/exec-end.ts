// The ways in which an exec ends: the process has ended, its time is over, we give up, or the container has died.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { killOwnCgroup, type OwnCgroup } from "./exec-cgroup.ts";
import { abandon, type Init } from "./init.ts";

/** What the exec command exits with when its time is over, as timeout(1) does. */
const timedOut = 124;

/** Stands in front of the process until it has ended, or its time (milliseconds; 0: none) is over. Returns its status. */
export function awaitEnd(joined: Init, master: number, timeoutMs: number, own: OwnCgroup | undefined): number {
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
export function abandonUnlessFrozen(joined: Init): void {
  if (joined.pidfd < 0) return;
  try {
    host.signalPid(joined.pidfd, SIGKILL);
  } catch (error) {
    if (!isErrno(error, Errno.ESRCH)) throw error;
  }
  if (endsSoon(joined.pidfd)) abandon(joined);
}

/** Whether a process ends within two seconds. */
export function endsSoon(pidfd: number): boolean {
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
export function unlessInitDied(error: unknown, init: number): unknown {
  const explained = isErrno(error, Errno.EINTR) || (error instanceof UserError && error.code !== "init");
  if (explained || host.poll([init], 200).length === 0) return error;
  return new UserError("container not running", { code: "state", cause: error });
}
