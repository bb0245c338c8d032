// What the container's life needs of a cgroup, whichever version the machine has.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { Resources } from "../spec/config.ts";
import { Journal } from "./journal.ts";
import type { CgroupDirectory, CgroupRecord } from "./record.ts";
import { ignoredSettings } from "./resources.ts";
import * as v1 from "./v1.ts";
import * as v2 from "./v2.ts";

/** Makes the directories. Refuses one that has processes or is frozen: it would be somebody else's. */
export function createCgroup(record: CgroupRecord): void {
  if (record.driver === "none") return;
  for (const directory of record.directories) {
    if (record.version === "v2") v2.enableControllers(directory);
    if (makeDirs(directory)) {
      if (directory.controllers.includes("cpuset")) v1.inheritCpuset(directory);
      continue;
    }
    const processes = readPids(`${directory.path}/cgroup.procs`).length;
    if (processes > 0) {
      throw new UserError(`container's cgroup is not empty: ${processes} process(es) found in ${directory.path}`, {
        at: "/linux/cgroupsPath",
        code: "cgroup",
        hint: "choose another cgroupsPath or end those processes",
      });
    }
  }
  if (isFrozen(record)) {
    throw new UserError("container's cgroup unexpectedly frozen", { at: "/linux/cgroupsPath", code: "cgroup" });
  }
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
  } catch (error) {
    journal.undo();
    throw error;
  }
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

/** All processes of the cgroup and its sub-cgroups, as pids in our namespace. */
export function listPids(record: CgroupRecord): readonly number[] {
  const directory = processDirectory(record);
  return directory === undefined ? [] : unlessGone(() => pidsBelow(directory.path), []);
}

/**
 * Sends a signal to every process of the cgroup. With SIGKILL nothing is left afterwards: cgroup.kill where the kernel
 * has it, else freeze, signal, thaw, until it is empty (at most 10 s).
 */
export function killAll(record: CgroupRecord, signal: number): void {
  if (record.driver === "none") return;
  const SIGKILL = 9;
  if (signal !== SIGKILL) {
    signalEach(record, signal);
    return;
  }
  const deadline = host.monotonic() + 10e9;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    if (record.version === "v1" || !v2.killCgroup(record.directories)) signalEach(record, SIGKILL);
    if (listPids(record).length === 0 || host.monotonic() > deadline) return;
    host.poll([], wait);
  }
}

function signalEach(record: CgroupRecord, signal: number): void {
  const frozen = isFrozen(record);
  try {
    if (!frozen) unlessGone(() => setFrozen(record, true), undefined);
    for (const pid of listPids(record)) {
      // 0 stands for a process of another pid namespace: it can't be named from here
      if (pid > 0) unlessGone(() => host.kill(pid, signal), undefined);
    }
  } finally {
    // what was paused stays paused, but a killed process dies only when it is thawed (v1)
    if (!frozen || signal === 9) unlessGone(() => setFrozen(record, false), undefined);
  }
}

/** How often the kernel has killed for memory in this cgroup; 0 where that can't be known. */
export function oomKills(record: CgroupRecord): number {
  if (record.driver === "none") return 0;
  const [controller, file] = record.version === "v2" ? ["", "memory.events"] : ["memory", "memory.oom_control"];
  const directory = record.directories.find((entry) => controller === "" || entry.controllers.includes(controller));
  if (directory === undefined) return 0;
  const text = unlessGone(() => host.readText(`${directory.path}/${file}`, 4096), "");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Removes the directories, deepest first. What is still dying is waited for, at most 2 s; what is gone is fine. */
export function removeCgroup(record: CgroupRecord): void {
  if (record.driver === "none") return;
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
    host.poll([], Math.min(wait, 100));
  }
}

/** The directory whose processes are the container's: any will do on v1, but not the one of the hybrid v2 tree. */
function processDirectory(record: CgroupRecord): CgroupDirectory | undefined {
  if (record.driver === "none") return undefined;
  return record.directories.find((entry) => entry.controllers.includes("freezer")) ?? record.directories[0];
}

function pidsBelow(path: string): readonly number[] {
  const pids = [...readPids(`${path}/cgroup.procs`)];
  for (const child of subgroups(path)) pids.push(...unlessGone(() => pidsBelow(child), []));
  return pids;
}

function subgroups(path: string): readonly string[] {
  return host
    .listDir(path)
    .map((name) => `${path}/${name}`)
    .filter((child) => host.stat(child, false)?.[0] === "directory");
}

function readPids(file: string): readonly number[] {
  const text = host.readText(file, 16 << 20);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
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

/** What `read` gives, or `otherwise` when the cgroup or process has vanished meanwhile. */
function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENODEV, Errno.ESRCH)) return otherwise;
    throw error;
  }
}
