// Ordinary users and nested containers seldom have a cgroup of their own to put containers into. One that asks for no
// cgroup and no limits doesn't need one: it runs in the caller's.

import { host } from "#host";
import { Errno, isErrno, type KernelError, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import type { CgroupDirectory, CgroupRecord } from "./record.ts";
import { writesV1, writesV2 } from "./resources.ts";

/**
 * The record, or that of no cgroup when this one can't be made and isn't needed. Pause, ps, events and update then say
 * that they have none to work on.
 *
 * @throws UserError naming the limit for which one is needed
 */
export function unlessRefused(record: CgroupRecord, { linux = {} }: Config): CgroupRecord {
  if (record.driver !== "cgroupfs" || linux.cgroupsPath) return record;
  const refusal = firstRefusal(record.directories);
  if (refusal === undefined) return record;
  const { devices: _, ...limits } = linux.resources ?? {};
  const [limit] = record.version === "v2" ? writesV2(limits) : writesV1(limits);
  if (limit === undefined) return { driver: "none" };
  throw new UserError(`"${limit.file}" needs a cgroup, and we may make none: ${refusal.message}`, {
    at: limit.at,
    code: "cgroup",
    errno: refusal.errno,
    hint: "remove the limits, or use cgroup v2 with systemd: --systemd-cgroup",
  });
}

/** Asked by doing it. A directory that is there already is for create to judge. */
function firstRefusal(directories: readonly CgroupDirectory[]): KernelError | undefined {
  for (const { path } of directories) {
    try {
      host.makeDir(path, 0o755);
    } catch (error) {
      if (isErrno(error, Errno.EACCES, Errno.EPERM, Errno.EROFS)) return error;
      continue;
    }
    host.removeDir(path);
  }
  return undefined;
}
