// What the container's life needs of a cgroup, whichever version the machine has.

import { host } from "#host";
import { Errno, isErrno, type KernelError, UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { Resources } from "../spec/config.ts";
import { systemdDriver } from "./driver.ts";
import { ignoredSettings } from "./ignored.ts";
import { Journal } from "./journal.ts";
import type { CgroupDirectory, CgroupRecord } from "./record.ts";
import { pidsBelow, readPids, subgroups, unlessGone, waitBriefly } from "./tree.ts";
import * as v1 from "./v1.ts";
import * as v2 from "./v2.ts";

/**
 * Refuses a cgroup that is somebody else's: one with processes in it, or frozen. Asked before anything is written down,
 * so that no later command takes those processes for ours.
 *
 * @throws UserError naming the cgroup
 */
export function refuseForeign(record: CgroupRecord): void {
  const directory = processDirectory(record);
  if (directory === undefined || host.stat(directory.path, false) === undefined) return;
  refuseProcesses(directory.path);
  if (isFrozen(record)) throw frozen();
}

function refuseProcesses(path: string): void {
  const processes = unlessGone(() => readPids(path), []).length;
  if (processes === 0) return;
  throw new UserError(`container's cgroup is not empty: ${processes} process(es) found in ${path}`, {
    at: "/linux/cgroupsPath",
    code: "cgroup",
    hint: "choose another cgroupsPath or end those processes",
  });
}

function frozen(): UserError {
  return new UserError("container's cgroup unexpectedly frozen", {
    at: "/linux/cgroupsPath",
    code: "cgroup",
    hint: "it, or a cgroup above it, is paused",
  });
}

/**
 * Makes the directories. On failure those that were made are gone again.
 *
 * @returns the record with the identity of what was made, by which later commands know it again
 */
export function createCgroup(record: CgroupRecord): CgroupRecord {
  if (record.driver === "none") return record;
  const made: string[] = [];
  try {
    for (const directory of record.directories) {
      if (record.version === "v2") v2.enableControllers(directory);
      if (!makeDirs(directory)) {
        refuseProcesses(directory.path);
        continue;
      }
      made.push(directory.path);
      if (directory.controllers.includes("cpuset")) v1.inheritCpuset(directory);
    }
    if (record.version === "v2" ? v2.isFrozenFromAbove(record.directories) : isFrozen(record)) throw frozen();
    return { ...record, inode: inodeOf(record) };
  } catch (error) {
    for (const path of made) unlessGone(() => host.removeDir(path), undefined);
    throw isErrno(error) ? cantMake(error) : error;
  }
}

/**
 * Completes what systemd has made: the hierarchies and controllers that it doesn't care about.
 *
 * @returns the record with the identity of the cgroup, as createCgroup
 */
export function completeCgroup(record: CgroupRecord): CgroupRecord {
  if (record.driver === "none") return record;
  for (const directory of record.directories) {
    if (record.version === "v2") v2.enableControllers(directory);
    else if (makeDirs(directory) && directory.controllers.includes("cpuset")) v1.inheritCpuset(directory);
  }
  return { ...record, inode: inodeOf(record) };
}

function cantMake(error: KernelError): UserError {
  return new UserError(`can't make the container's cgroup: ${error.message}`, {
    at: "/linux/cgroupsPath",
    code: "cgroup",
    cause: error,
    errno: error.errno,
    ...(isErrno(error, Errno.EACCES, Errno.EPERM, Errno.EROFS)
      ? { hint: "without permission for cgroups a container must have no limits and no cgroupsPath" }
      : {}),
  });
}

/**
 * Sets the limits of a new cgroup and, with `devices`, which devices may be used.
 *
 * @throws UserError naming the setting that can't be had
 */
export function applyResources(record: CgroupRecord, resources: Resources, devices: boolean): void {
  if (record.driver === "none") return;
  warnOfIgnored(record.version, resources);
  const apply = record.version === "v2" ? v2.apply : v1.apply;
  apply(record.directories, resources, devices, host.writeText);
}

/**
 * Changes limits of a cgroup in use: all of them, or, when one can't be had, none.
 *
 * @param change what is to be written
 */
export function changeResources(record: CgroupRecord, change: Resources): void {
  if (record.driver === "none") throw new UserError("the container has no cgroup to limit", { code: "cgroup" });
  warnOfIgnored(record.version, change);
  const journal = new Journal();
  const apply = record.version === "v2" ? v2.apply : v1.apply;
  try {
    apply(record.directories, change, false, journal.write);
    if (record.driver === "systemd") systemdDriver()?.updateScope(record, change);
  } catch (error) {
    journal.undo();
    throw error;
  }
  // systemd has written some of the files as well, but rounds
  if (record.driver === "systemd") apply(record.directories, change, false, host.writeText);
}

function warnOfIgnored(version: "v1" | "v2", resources: Resources): void {
  for (const at of ignoredSettings(resources, version))
    log.warn(`${at} is ignored: cgroup ${version} has no such limit`);
}

/** Whether the whole cgroup is frozen (paused). A cgroup that is gone isn't. */
export function isFrozen(record: CgroupRecord): boolean {
  if (record.driver === "none") return false;
  return unlessGone(
    () => (record.version === "v2" ? v2.isFrozen(record.directories) : v1.isFrozen(record.directories)),
    false,
  );
}

/** Freezes it, and returns when it is frozen; or thaws it. */
export function setFrozen(record: CgroupRecord, frozen: boolean): void {
  if (record.driver === "none") throw new UserError("the container has no cgroup to freeze", { code: "cgroup" });
  if (record.version === "v2") v2.setFrozen(record.directories, frozen);
  else v1.setFrozen(record.directories, frozen);
}

/** All processes of the cgroup and its sub-cgroups, as pids in our namespace. None when the cgroup isn't ours. */
export function listPids(record: CgroupRecord): readonly number[] {
  const directory = processDirectory(record);
  if (directory === undefined || record.driver === "none") return [];
  if (record.inode !== undefined && inodeOf(record) !== record.inode) return [];
  return unlessGone(() => pidsBelow(directory.path), []);
}

/** Names the cgroup for good: another one at the same path has another inode. undefined when it is gone. */
export function inodeOf(record: CgroupRecord): number | undefined {
  const directory = processDirectory(record);
  return directory && host.stat(directory.path, false)?.[5];
}

/** How often the kernel has killed for memory in this cgroup; 0 where that can't be known. */
export function oomKills(record: CgroupRecord): number {
  const text = memoryFile(record, "memory.oom_control", "memory.events") ?? "";
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** The memory limit in bytes, as the kernel tells it; undefined where there is none that can be told. */
export function memoryLimit(record: CgroupRecord): string | undefined {
  return memoryFile(record, "memory.limit_in_bytes", "memory.max")?.trim();
}

/** A file of the memory controller; undefined where that doesn't look after this cgroup. */
function memoryFile(record: CgroupRecord, onV1: string, onV2: string): string | undefined {
  if (record.driver === "none") return undefined;
  const isV2 = record.version === "v2";
  const directory = record.directories.find(({ controllers }) => isV2 || controllers.includes("memory"));
  return directory && unlessGone(() => host.readText(`${directory.path}/${isV2 ? onV2 : onV1}`, 4096), undefined);
}

/** Removes the directories, deepest first. What is still dying is waited for, at most 2 s; what is gone is fine. */
export function removeCgroup(record: CgroupRecord): void {
  if (record.driver === "none") return;
  if (record.driver === "systemd") stopScope(record);
  let failure: unknown;
  for (const directory of record.directories) {
    try {
      removeDirs(directory.path);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

/** The scope is gone with its last process, but for a failed one. So without systemd there is something to say, no more. */
function stopScope(record: Extract<CgroupRecord, { driver: "systemd" }>): void {
  try {
    systemdDriver()?.stopScope(record);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log.warn(`the unit ${record.unit} may be left: ${error.message}`);
  }
}

function removeDirs(path: string): void {
  const deadline = host.monotonic() + 2e9;
  for (let wait = 1; ; wait *= 2) {
    try {
      host.removeDir(path);
      return;
    } catch (error) {
      if (isErrno(error, Errno.ENOENT, Errno.ENODEV)) return;
      // a read-only hierarchy in which we never made anything
      if (isErrno(error, Errno.EROFS) && host.stat(path, false) === undefined) return;
      if (!isErrno(error, Errno.EBUSY) || host.monotonic() > deadline) throw error;
    }
    for (const child of unlessGone(() => subgroups(path), [])) removeDirs(child);
    waitBriefly(Math.min(wait, 100));
  }
}

/** The directory whose processes are the container's: any will do on v1, but not the one of the hybrid v2 tree. */
function processDirectory(record: CgroupRecord): CgroupDirectory | undefined {
  if (record.driver === "none") return undefined;
  return record.directories.find((entry) => entry.controllers.includes("freezer")) ?? record.directories[0];
}

/** Makes the directory with its parents; false when it existed. */
function makeDirs(directory: CgroupDirectory): boolean {
  try {
    host.makeDir(directory.path, 0o755);
    return true;
  } catch (error) {
    if (isErrno(error, Errno.EEXIST)) return false;
    if (!isErrno(error, Errno.ENOENT)) throw error;
  }
  const parent = { ...directory, path: directory.path.slice(0, directory.path.lastIndexOf("/")) };
  if (makeDirs(parent) && directory.controllers.includes("cpuset")) v1.inheritCpuset(parent);
  return makeDirs(directory);
}
