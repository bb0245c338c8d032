// What is true of a container now: asked of the kernel each time, never remembered.

import { host } from "#host";
import { isFrozen } from "../cgroup/manager.ts";
import { Errno, isErrno } from "../errors.ts";
import { directoryOf, type Store, type StoredContainer } from "./store.ts";

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

let thisBoot: string | undefined;

/** Which boot of the machine this is. */
export function bootId(): string {
  thisBoot ??= host.readText("/proc/sys/kernel/random/boot_id", 64).trim();
  return thisBoot;
}

/** Whether the container's init lives: the same process (pid and start time, this boot), and no zombie. */
export function isAlive(container: StoredContainer): boolean {
  if (container.pid <= 0) return false;
  const [state, startTime] = host.processStat(container.pid) ?? ["X", 0];
  if (state === "Z" || state === "X" || startTime !== container.startTime) return false;
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
  return waitsForStart(startFifo(store, container.id)) ? "created" : "running";
}

const O_WRONLY = 1;
const O_NONBLOCK = 0o4000;
const O_NOFOLLOW = 0o400000;

/**
 * Whether the live init still waits at its fifo. It's not enough that the fifo is there: a `start` that was killed leaves
 * it behind, though the program runs. One that can't be opened for another reason is `start`'s to complain about.
 */
function waitsForStart(fifo: string): boolean {
  try {
    host.close(host.open(fifo, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0));
    return true;
  } catch (error) {
    if (!isErrno(error)) throw error;
    return error.errno !== Errno.ENOENT && error.errno !== Errno.ENXIO;
  }
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
