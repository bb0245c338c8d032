// Delegation (v2): a container that sees its cgroup as the root of a writable tree may make cgroups in it, so the
// directory and the files that are safe to hand on belong to its user (admin-guide/cgroup-v2.rst, Delegation). The
// limits themselves are other files, which stay ours.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";
import type { Config, IdMapping } from "../spec/config.ts";
import type { CgroupRecord } from "./record.ts";

/** Hands the cgroup on where the config asks for it; v1 and all other containers stay as they are. */
export function delegate(record: CgroupRecord, config: Config): void {
  if (record.driver === "none" || record.version !== "v2") return;
  const owner = delegatedTo(config);
  const path = record.directories[0]?.path;
  if (owner === undefined || owner === 0 || path === undefined) return;
  const [, , ownGid] = host.ids();
  for (const file of ["", ...delegatedFiles()]) {
    try {
      host.chown(`${path}/${file}`, owner, ownGid);
    } catch (error) {
      // not every kernel has every file
      if (!isErrno(error, Errno.ENOENT)) throw error;
    }
  }
}

/** The host's uid of the container's user, if its cgroup is to be its own; else undefined. */
export function delegatedTo({ linux = {}, mounts = [], process }: Config): number | undefined {
  const isNew = (type: string): boolean =>
    linux.namespaces?.some((entry) => entry.type === type && !entry.path) ?? false;
  const writable = mounts.some(
    ({ destination, source, options = [] }) =>
      destination === "/sys/fs/cgroup" && source === "cgroup" && !options.includes("ro"),
  );
  if (!isNew("cgroup") || !writable || process?.user === undefined) return undefined;
  const joinsUser = linux.namespaces?.some(({ type, path }) => type === "user" && path) ?? false;
  if (joinsUser) return undefined;
  return isNew("user") ? hostId(process.user.uid ?? 0, linux.uidMappings ?? []) : (process.user.uid ?? 0);
}

function hostId(id: number, mappings: readonly IdMapping[]): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return mapping && mapping.hostID + id - mapping.containerID;
}

/** What the kernel says may be handed on; kernels before 4.15 don't say. */
function delegatedFiles(): readonly string[] {
  try {
    const names = host.readText("/sys/kernel/cgroup/delegate", 4096).split("\n");
    return names.filter((name) => /^[a-z_]+(\.[a-z_]+)+$/.test(name));
  } catch (error) {
    if (!isErrno(error, Errno.ENOENT)) throw error;
    return ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
  }
}
