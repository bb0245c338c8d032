// Who holds a container's lock: to be named to those who wait for it, and ended by delete --force.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";

/** The process that has locked an open file, as the kernel tells it; undefined when no other does or it can't be seen. */
export function lockHolder(lockFd: number): number | undefined {
  const [, , , , device, inode] = host.statFd(lockFd);
  // "12: FLOCK  ADVISORY  WRITE 4711 00:2f:1189 0 EOF"; the device isn't always the one that stat(2) tells
  for (const line of host.readText("/proc/locks", 1 << 20).split("\n")) {
    const [, kind, , , pid, file] = line.split(/ +/);
    if (kind !== "FLOCK" || file?.split(":")[2] !== String(inode)) continue;
    const holder = Number(pid);
    if (holder > 0 && holder !== host.ids()[0] && hasOpen(holder, device, inode)) return holder;
  }
  return undefined;
}

/** The kernel remembers who took a lock, not who has it now: the number may be another process's. */
function hasOpen(pid: number, device: number, inode: number): boolean {
  try {
    return host.listDir(`/proc/${pid}/fd`).some((fd) => {
      const there = host.stat(`/proc/${pid}/fd/${fd}`, true);
      return there !== undefined && there[4] === device && there[5] === inode;
    });
  } catch (error) {
    if (isErrno(error)) return false;
    throw error;
  }
}

/** Sends signals to the holder; to nobody when it has let go meanwhile. */
export function signalHolder(lockFd: number, signals: readonly number[]): void {
  const pid = lockHolder(lockFd);
  if (pid === undefined) return;
  try {
    const pidfd = host.openPid(pid);
    try {
      // it still is: so the descriptor is of the holder, not of a later process of that number
      if (lockHolder(lockFd) === pid) for (const signal of signals) host.signalPid(pidfd, signal);
    } finally {
      host.close(pidfd);
    }
  } catch (error) {
    if (!isErrno(error, Errno.ESRCH)) throw error;
  }
}
