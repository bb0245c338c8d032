// Ordinary users and nested containers seldom have a cgroup of their own to put containers into. One that asks for no
// cgroup and no limits doesn't need one: it runs in the caller's.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import type { CgroupRecord } from "./record.ts";
import { writesV1, writesV2 } from "./resources.ts";

/**
 * The record, or that of no cgroup when this one can't be made and isn't needed. Pause, ps, events and update then say
 * that they have none to work on.
 */
export function unlessRefused(record: CgroupRecord, { linux = {} }: Config): CgroupRecord {
  if (record.driver !== "cgroupfs" || linux.cgroupsPath) return record;
  const { devices: _, ...limits } = linux.resources ?? {};
  const writes = record.version === "v2" ? writesV2(limits) : writesV1(limits);
  if (writes.length > 0) return record;
  return record.directories.every(({ path }) => canBeMade(path)) ? record : { driver: "none" };
}

/** Asked by doing it. A directory that is there already is for create to judge. */
function canBeMade(path: string): boolean {
  try {
    host.makeDir(path, 0o755);
  } catch (error) {
    return !isErrno(error, Errno.EACCES, Errno.EPERM, Errno.EROFS);
  }
  host.removeDir(path);
  return true;
}
