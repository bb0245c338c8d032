// cgroup v2: one tree; controllers are enabled from the root down to the container's parent.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Memory, Resources } from "../spec/config.ts";
import { writeAll } from "./apply.ts";
import { effectiveRules } from "./devices.ts";
import { deviceProgram } from "./ebpf.ts";
import { writeFailure } from "./failure.ts";
import type { WriteFile } from "./journal.ts";
import type { CgroupDirectory } from "./record.ts";
import { type CgroupWrite, writesV2 } from "./resources.ts";

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
  } catch (error) {
    // It has processes of its own. Those controllers that it would take all the same make it a threaded domain, in which
    // no ordinary cgroup has a place: it is not ours to be changed so.
    if (isErrno(error, Errno.EBUSY)) return;
    for (const name of controllers) {
      try {
        host.writeText(file, `+${name}`);
      } catch {
        // told when a limit needs it
      }
    }
  }
}

/**
 * Writes the limits.
 *
 * @throws UserError naming the setting that the kernel refuses, or the controller that is not there
 */
export function apply(
  directories: readonly CgroupDirectory[],
  resources: Resources,
  devices: boolean,
  write: WriteFile,
): void {
  const { path } = only(directories);
  const writes = writesV2(resources);
  joinThreads(path, writes);
  if (resources.memory?.checkBeforeUpdate === true) checkUsage(path, resources.memory);
  writeAll(writes, {
    directoryFor: () => path,
    write,
    failure: (error, setting) =>
      missingController(error, setting, only(directories)) ?? writeFailure(error, setting, path),
  });
  if (devices) applyDevices(path, resources);
}

/** The rules become a program, unless they allow everything. */
function applyDevices(path: string, resources: Resources): void {
  const rules = effectiveRules(resources.devices);
  if (rules.length === 1 && rules[0]?.allow === true) return;
  try {
    host.attachDeviceProgram(path, deviceProgram(rules));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't restrict the devices of ${path}: ${error.subject}: ${errnoText(error.errno)}`, {
      at: "/linux/resources/devices",
      code: "cgroup",
      cause: error,
      errno: error.errno,
      ...(error.errno === Errno.EPERM ? { hint: "it needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN" } : {}),
    });
  }
}

function missingController(
  error: unknown,
  write: CgroupWrite,
  { mount, path }: CgroupDirectory,
): UserError | undefined {
  if (!isErrno(error, Errno.ENOENT, Errno.EACCES)) return undefined;
  const { controller } = write;
  if (words(`${path}/cgroup.controllers`).includes(controller)) return undefined;
  return new UserError(`"${write.file}" can't be set: the ${controller} controller is not available in ${path}`, {
    at: write.at,
    code: "cgroup",
    hint: howToEnable(controller, mount, path),
  });
}

/** Where on the way down a controller gets lost, and what to do about it. */
function howToEnable(controller: string, mount: string, path: string): string {
  let above = mount;
  if (!words(`${above}/cgroup.controllers`).includes(controller)) return "this machine's cgroup v2 doesn't have it";
  for (const part of path.slice(mount.length + 1).split("/")) {
    if (!words(`${above}/cgroup.subtree_control`).includes(controller)) break;
    above = `${above}/${part}`;
  }
  const enable = `enable it: echo +${controller} > ${above}/cgroup.subtree_control (systemd: Delegate=${controller})`;
  const inhabited = above !== mount && host.readText(`${above}/cgroup.procs`, 16 << 20) !== "";
  return inhabited ? `${enable}; before that, move its own processes further down` : enable;
}

/** Controllers that count whole processes, not threads. */
const domainControllers: ReadonlySet<string> = new Set(["memory", "io", "hugetlb", "rdma", "misc"]);

/**
 * Below a threaded cgroup a new one is "domain invalid": it takes no process until it is threaded itself, and then has
 * no limits of whole processes.
 */
function joinThreads(path: string, writes: readonly CgroupWrite[]): void {
  const file = `${path}/cgroup.type`;
  const type = host.readText(file, 64).trim();
  if (type === "domain") return;
  const limit = writes.find(({ controller }) => domainControllers.has(controller));
  if (limit !== undefined) {
    throw new UserError(`"${limit.file}" can't be set: the cgroup ${path} is ${type}`, {
      at: limit.at,
      code: "cgroup",
      hint: "threaded cgroups have only cpu, cpuset, pids and perf_event; choose a cgroupsPath beside the threaded ones",
    });
  }
  if (type === "domain invalid") host.writeText(file, "threaded");
}

/** memory.checkBeforeUpdate: a limit that would have the kernel kill at once is refused. */
function checkUsage(path: string, { limit = 0, swap = 0 }: Memory): void {
  const text = unlessAbsent(() => host.readText(`${path}/memory.current`, 64).trim());
  // what can't be known can't be checked
  if (text === undefined) return;
  const usage = BigInt(text);
  for (const [what, member, value] of [
    ["memory limit", "limit", BigInt(limit)],
    ["memory+swap limit", "swap", BigInt(swap)],
  ] as const) {
    if (value <= 0n || value > usage) continue;
    throw new UserError(`rejecting ${what} ${value} <= usage ${usage}`, {
      at: `/linux/resources/memory/${member}`,
      code: "cgroup",
    });
  }
}

function unlessAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENODEV)) return undefined;
    throw error;
  }
}

export function isFrozen(directories: readonly CgroupDirectory[]): boolean {
  return host.readText(`${only(directories).path}/cgroup.freeze`, 64).trim() === "1";
}

/** Whether processes of a new cgroup would stand still, because one above it is frozen. */
export function isFrozenFromAbove(directories: readonly CgroupDirectory[]): boolean {
  return host.readText(`${only(directories).path}/cgroup.events`, 4096).includes("frozen 1");
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
