// cgroup v2: one tree; controllers are enabled from the root down to the container's parent.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Resources } from "../spec/config.ts";
import { writeFailure } from "./failure.ts";
import type { CgroupDirectory } from "./record.ts";
import { writesV2 } from "./resources.ts";

/** What containers are accounted and limited by, if the kernel has it. */
const wanted = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"];

/**
 * Enables the wanted controllers in every ancestor of the directory, making the ancestors where missing. All at once;
 * where the kernel refuses that, one by one, and what it refuses is left: a limit that needs it will say so.
 */
export function enableControllers(directory: CgroupDirectory): void {
  const parts = directory.path.slice(directory.mount.length + 1).split("/");
  let path = directory.mount;
  for (const part of parts) {
    const available = words(`${path}/cgroup.controllers`);
    const enabled = words(`${path}/cgroup.subtree_control`);
    const missing = wanted.filter((name) => available.includes(name) && !enabled.includes(name));
    if (missing.length > 0) enable(path, missing);
    path = `${path}/${part}`;
    if (path === directory.path) return;
    try {
      host.makeDir(path, 0o755);
    } catch (error) {
      if (!isErrno(error, Errno.EEXIST)) throw error;
    }
  }
}

function enable(path: string, controllers: readonly string[]): void {
  const file = `${path}/cgroup.subtree_control`;
  try {
    host.writeText(file, controllers.map((name) => `+${name}`).join(" "));
  } catch {
    for (const name of controllers) {
      try {
        host.writeText(file, `+${name}`);
      } catch {
        // told when a limit needs it
      }
    }
  }
}

/** Writes the limits. */
export function apply(directories: readonly CgroupDirectory[], resources: Resources, _devices: boolean): void {
  const directory = only(directories);
  for (const write of writesV2(resources)) {
    try {
      host.writeText(`${directory.path}/${write.file}`, write.value);
    } catch (error) {
      if (write.optional === "absent" && isErrno(error, Errno.ENOENT)) continue;
      const available = words(`${directory.path}/cgroup.controllers`);
      if (isErrno(error, Errno.ENOENT, Errno.EACCES) && !available.includes(write.controller)) {
        throw new UserError(
          `"${write.file}" can't be set: the ${write.controller} controller is not available in ${directory.path}`,
          {
            at: write.at,
            code: "cgroup",
            hint: `enable it in cgroup.subtree_control of every parent (systemd: Delegate=${write.controller})`,
          },
        );
      }
      throw writeFailure(error, write, directory.path);
    }
  }
}

export function isFrozen(directories: readonly CgroupDirectory[]): boolean {
  return host.readText(`${only(directories).path}/cgroup.freeze`, 64).trim() === "1";
}

/** Writes cgroup.freeze and waits, at most 10 s, until cgroup.events tells that it has happened. */
export function setFrozen(directories: readonly CgroupDirectory[], frozen: boolean): void {
  const { path } = only(directories);
  host.writeText(`${path}/cgroup.freeze`, frozen ? "1" : "0");
  const deadline = host.monotonic() + 10e9;
  while (!host.readText(`${path}/cgroup.events`, 4096).includes(`frozen ${frozen ? 1 : 0}`)) {
    if (host.monotonic() > deadline) {
      if (frozen) host.writeText(`${path}/cgroup.freeze`, "0");
      throw new UserError(`timeout of 10s reached waiting for the cgroup ${path} to ${frozen ? "freeze" : "thaw"}`, {
        code: "timeout",
      });
    }
    host.poll([], 1);
  }
}

/** cgroup.kill (Linux 5.14): kills everything in the tree at once; false where the kernel has none. */
export function killCgroup(directories: readonly CgroupDirectory[]): boolean {
  const file = `${only(directories).path}/cgroup.kill`;
  try {
    host.writeText(file, "1");
    return true;
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENODEV, Errno.EOPNOTSUPP)) return false;
    throw error;
  }
}

function only(directories: readonly CgroupDirectory[]): CgroupDirectory {
  const directory = directories[0];
  if (directory === undefined) throw new UserError("the container's cgroup is not recorded", { code: "cgroup" });
  return directory;
}

function words(file: string): readonly string[] {
  return host
    .readText(file, 4096)
    .split(/\s+/)
    .filter((word) => word !== "");
}
