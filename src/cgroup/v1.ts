// cgroup v1: a hierarchy for each controller, and what is peculiar to them.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Resources } from "../spec/config.ts";
import { effectiveRules, ruleText } from "./devices.ts";
import { writeFailure } from "./failure.ts";
import type { CgroupDirectory } from "./record.ts";
import { type CgroupWrite, writesV1 } from "./resources.ts";

/** A new cpuset has no CPUs and no memory nodes, and takes no process until it has: the parent's are copied. */
export function inheritCpuset(directory: CgroupDirectory): void {
  const parent = directory.path.slice(0, directory.path.lastIndexOf("/"));
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (host.readText(`${directory.path}/${file}`, 65536).trim() !== "") continue;
    host.writeText(`${directory.path}/${file}`, host.readText(`${parent}/${file}`, 65536).trim());
  }
}

/** Writes the limits, each into its controller's hierarchy. */
export function apply(directories: readonly CgroupDirectory[], resources: Resources, devices: boolean): void {
  for (const write of ordered(writesV1(resources), directories)) {
    const directory = directories.find((entry) => entry.controllers.includes(write.controller));
    if (directory === undefined) throw missingController(write);
    try {
      host.writeText(`${directory.path}/${write.file}`, write.value);
    } catch (error) {
      if (write.optional === "absent" && isErrno(error, Errno.ENOENT, Errno.EACCES)) continue;
      throw writeFailure(error, write, directory.path);
    }
  }
  if (devices) applyDevices(directories, resources);
}

/**
 * Memory and memory+swap limit each other: growing needs memsw first, shrinking the limit first. The kernel's "no" to
 * the usual order (EINVAL) is avoided by looking at the present limit.
 */
function ordered(writes: readonly CgroupWrite[], directories: readonly CgroupDirectory[]): readonly CgroupWrite[] {
  const limit = writes.find((write) => write.file === "memory.limit_in_bytes");
  const swap = writes.find((write) => write.file === "memory.memsw.limit_in_bytes");
  const memory = directories.find((entry) => entry.controllers.includes("memory"));
  if (limit === undefined || swap === undefined || memory === undefined) return writes;
  const file = `${memory.path}/${swap.file}`;
  if (host.stat(file, false) === undefined) return writes;
  const present = BigInt(host.readText(file, 64).trim());
  const wanted = BigInt(swap.value);
  if (wanted !== -1n && wanted <= present) return writes;
  return writes.map((write) => (write === limit ? swap : write === swap ? limit : write));
}

function applyDevices(directories: readonly CgroupDirectory[], resources: Resources): void {
  const directory = directories.find((entry) => entry.controllers.includes("devices"));
  if (directory === undefined) return;
  for (const rule of effectiveRules(resources.devices)) {
    const file = `${directory.path}/devices.${rule.allow ? "allow" : "deny"}`;
    host.writeText(file, ruleText(rule));
  }
}

function missingController(write: CgroupWrite): UserError {
  return new UserError(
    `the ${write.controller} controller is not mounted on this machine, "${write.file}" can't be set`,
    {
      at: write.at,
      code: "cgroup",
      hint: `remove the setting, or mount the ${write.controller} hierarchy`,
    },
  );
}

function freezer(directories: readonly CgroupDirectory[]): CgroupDirectory | undefined {
  return directories.find((entry) => entry.controllers.includes("freezer"));
}

export function isFrozen(directories: readonly CgroupDirectory[]): boolean {
  const directory = freezer(directories);
  if (directory === undefined) return false;
  return host.readText(`${directory.path}/freezer.state`, 64).trim() === "FROZEN";
}

/** Freezing may stick half way when processes fork: it is asked for again, and undone if it never succeeds. */
export function setFrozen(directories: readonly CgroupDirectory[], frozen: boolean): void {
  const directory = freezer(directories);
  if (directory === undefined) {
    throw new UserError("the freezer controller is not mounted on this machine", { code: "cgroup" });
  }
  const file = `${directory.path}/freezer.state`;
  const state = frozen ? "FROZEN" : "THAWED";
  const tries = 1000;
  for (let round = 1; round <= tries; round++) {
    host.writeText(file, state);
    if (host.readText(file, 64).trim() === state) return;
    if (frozen && round % 50 === 0) {
      host.writeText(file, "THAWED");
      host.poll([], 10);
    }
  }
  if (frozen) host.writeText(file, "THAWED");
  throw new UserError(`timeout reached waiting for the cgroup ${directory.path} to become ${state}`, {
    code: "timeout",
  });
}
