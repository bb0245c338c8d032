// A cgroup with those below it: which processes there are, and waiting for them.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";

/** What `read` gives, or `otherwise` when the cgroup or process has vanished meanwhile. */
export function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENODEV, Errno.ESRCH)) return otherwise;
    throw error;
  }
}

/** The pids of a cgroup and all below. 0 stands for a process of a pid namespace that isn't below ours. */
export function pidsBelow(path: string): readonly number[] {
  const pids = [...readPids(path)];
  for (const child of subgroups(path)) pids.push(...unlessGone(() => pidsBelow(child), []));
  return pids;
}

/** The paths of the cgroups right below one. */
export function subgroups(path: string): readonly string[] {
  return host
    .listDir(path)
    .map((name) => `${path}/${name}`)
    .filter((child) => host.stat(child, false)?.[0] === "directory");
}

/** The pids of one cgroup. A threaded one tells only its threads, which signals reach just as well. */
export function readPids(path: string): readonly number[] {
  let text: string;
  try {
    text = host.readText(`${path}/cgroup.procs`, 16 << 20);
  } catch (error) {
    if (!isErrno(error, Errno.EOPNOTSUPP)) throw error;
    text = host.readText(`${path}/cgroup.threads`, 16 << 20);
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

/** Waits a moment. A signal to us ends it early, but must not end the cleaning up that we wait for. */
export function waitBriefly(milliseconds: number): void {
  try {
    host.poll([], milliseconds);
  } catch (error) {
    if (!isErrno(error, Errno.EINTR)) throw error;
  }
}
