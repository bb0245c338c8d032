// What is true of a container now: asked of the kernel each time, never remembered.

import { host } from "#host";
import { isFrozen } from "../cgroup/manager.ts";
import { Errno, isErrno } from "../errors.ts";
import { directoryOf, type Store, type StoredContainer } from "./store.ts";

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** What /proc/PID/stat says (proc_pid_stat(5)); undefined when there is no such process. */
export interface ProcessStat {
  /** R, S, D, T, Z, X ... */
  readonly state: string;
  /** Clock ticks after boot */
  readonly startTime: number;
}

export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = host.readText(`/proc/${pid}/stat`, 4096);
  } catch (error) {
    // the name of a process may be any bytes; such a one isn't init, whose name we chose
    if (isErrno(error, Errno.ENOENT, Errno.ESRCH, Errno.EILSEQ)) return undefined;
    throw error;
  }
  // the name, in parentheses, may itself hold parentheses and spaces
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startTime = fields[19];
  return state === undefined || startTime === undefined ? undefined : { state, startTime: Number(startTime) };
}

export function bootId(): string {
  return host.readText("/proc/sys/kernel/random/boot_id", 64).trim();
}

/** Whether the container's init lives: the same process (pid and start time, this boot), and no zombie. */
export function isAlive(container: StoredContainer): boolean {
  if (container.pid <= 0) return false;
  const stat = processStat(container.pid);
  if (stat === undefined || stat.startTime !== container.startTime) return false;
  if (stat.state === "Z" || stat.state === "X") return false;
  return container.bootId === bootId();
}

export function startFifo(store: Store, id: string): string {
  return `${directoryOf(store, id)}/start.fifo`;
}

/** The status as `state` shows it. */
export function statusOf(store: Store, container: StoredContainer): Status {
  if (container.phase === "creating") return "creating";
  if (!isAlive(container)) return "stopped";
  if (isFrozen(container.cgroup)) return "paused";
  return host.stat(startFifo(store, container.id), false) === undefined ? "running" : "created";
}

/**
 * A pidfd of the live init, for signals that can't hit another process; undefined when it is gone. Opened first and
 * compared afterwards, so that a reused pid is found out.
 */
export function openInit(container: StoredContainer): number | undefined {
  if (container.pid <= 0) return undefined;
  let pidfd: number;
  try {
    pidfd = host.openPid(container.pid);
  } catch (error) {
    // EINVAL: no thread group leader, so not our init either
    if (isErrno(error, Errno.ESRCH, Errno.EINVAL)) return undefined;
    throw error;
  }
  if (isAlive(container)) return pidfd;
  host.close(pidfd);
  return undefined;
}
