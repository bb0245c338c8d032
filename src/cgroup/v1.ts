// cgroup v1: a hierarchy for each controller, and what is peculiar to them.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Resources } from "../spec/config.ts";
import { writeAll } from "./apply.ts";
import { effectiveRules } from "./devices.ts";
import { deviceLines } from "./exceptions.ts";
import { writeFailure } from "./failure.ts";
import type { WriteFile } from "./journal.ts";
import type { CgroupDirectory } from "./record.ts";
import { type CgroupWrite, writesV1 } from "./resources.ts";

/**
 * A new cpuset has no CPUs and no memory nodes, and takes no process until it has: the parent's are copied. Where
 * somebody has left a parent empty, it gets those of its own parent first.
 */
export function inheritCpuset(directory: CgroupDirectory): void {
  const parent = { ...directory, path: directory.path.slice(0, directory.path.lastIndexOf("/")) };
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (readList(directory, file) !== "") continue;
    if (readList(parent, file) === "" && parent.path.length > directory.mount.length) inheritCpuset(parent);
    host.writeText(`${directory.path}/${file}`, readList(parent, file));
  }
}

function readList({ path }: CgroupDirectory, file: string): string {
  return host.readText(`${path}/${file}`, 65536).trim();
}

/**
 * Writes the limits, each into its controller's hierarchy.
 *
 * @throws UserError naming the setting that the kernel refuses
 */
export function apply(
  directories: readonly CgroupDirectory[],
  resources: Resources,
  devices: boolean,
  write: WriteFile,
): void {
  const of = (controller: string): CgroupDirectory | undefined =>
    directories.find((entry) => entry.controllers.includes(controller));
  writeAll(ordered(writesV1(resources), directories), {
    directoryFor: (setting) => {
      const directory = of(setting.controller);
      if (directory === undefined) throw missingController(setting);
      return directory.path;
    },
    write,
    failure: (error, setting, path) => belowUsage(error, setting, path) ?? writeFailure(error, setting, path),
  });
  checkShares(of("cpu")?.path, resources);
  if (devices) applyDevices(directories, resources);
}

/** The kernel moves shares into its range without a word: who asked for more (or less) than there is must know. */
function checkShares(path: string | undefined, { cpu }: Resources): void {
  const wanted = BigInt(cpu?.shares ?? 0);
  if (path === undefined || wanted === 0n || Number(cpu?.idle ?? 0) === 1) return;
  const got = BigInt(host.readText(`${path}/cpu.shares`, 64).trim());
  if (got === wanted) return;
  throw new UserError(`the ${got < wanted ? "maximum" : "minimum"} allowed cpu-shares is ${got}`, {
    at: "/linux/resources/cpu/shares",
    code: "cgroup",
  });
}

/** A memory limit that is refused because more is in use: how much. undefined for any other error. */
function belowUsage(error: unknown, write: CgroupWrite, path: string): UserError | undefined {
  if (!isErrno(error, Errno.EBUSY) || write.controller !== "memory") return undefined;
  const read = (file: string): string => host.readText(`${path}/${file}`, 64).trim();
  const prefix = write.file.includes("memsw") ? "memory.memsw" : "memory";
  const [usage, peak] = [read(`${prefix}.usage_in_bytes`), read(`${prefix}.max_usage_in_bytes`)];
  return new UserError(`unable to set memory limit to ${write.value} (current usage: ${usage}, peak usage: ${peak})`, {
    at: write.at,
    code: "cgroup",
    errno: Errno.EBUSY,
  });
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
  for (const [file, line] of deviceLines(effectiveRules(resources.devices))) {
    host.writeText(`${directory.path}/devices.${file}`, line);
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
    ...(frozen ? {} : { hint: "a cgroup above it may be frozen" }),
  });
}
