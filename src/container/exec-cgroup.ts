// Where an exec'd process is accounted: the container's cgroup, a sub-cgroup named by --cgroup, or for --timeout one of
// its own, so that at the end of its time everything it has started can be found and killed.

import { host } from "#host";
import { killAll } from "../cgroup/kill.ts";
import { listPids, removeCgroup } from "../cgroup/manager.ts";
import type { CgroupDirectory, CgroupRecord } from "../cgroup/record.ts";
import { unlessGone } from "../cgroup/tree.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";

const SIGKILL = 9;

/**
 * The container's cgroup with the sub-cgroups that --cgroup asks for.
 *
 * @param wanted [CONTROLLER[,CONTROLLER...]:]PATH each; controllers choose v1 hierarchies, without any it is for all
 * @throws UserError for a path that leads out of the container's or doesn't exist, or an unknown controller
 */
export function subCgroup(cgroup: CgroupRecord, wanted: readonly string[]): CgroupRecord {
  const parsed = wanted.map(parseWanted);
  if (cgroup.driver === "none") {
    const [first] = wanted;
    if (first !== undefined) throw refusal(`the container has no cgroup, so it has no "${first}" either`);
    return cgroup;
  }
  for (const { controllers, text } of parsed) checkControllers(cgroup, controllers, text);
  const directories = cgroup.directories.map((directory) => {
    const chosen = parsed.findLast(({ controllers }) => controllers.length === 0 || controllers.some(isOf(directory)));
    if (chosen === undefined || chosen.parts.length === 0) return directory;
    const path = [directory.path, ...chosen.parts].join("/");
    if (host.stat(path, false)?.[0] !== "directory") throw refusal(`the sub-cgroup ${path} does not exist`);
    return { ...directory, path };
  });
  return { ...cgroup, directories };
}

function parseWanted(text: string) {
  const colon = text.indexOf(":");
  const controllers = colon < 0 ? [] : text.slice(0, colon).split(",");
  const parts = text
    .slice(colon + 1)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refusal(`the sub-cgroup ${JSON.stringify(text)} must not contain ".."`);
  return { controllers, parts, text };
}

function isOf({ controllers, name }: CgroupDirectory): (wanted: string) => boolean {
  return (wanted) => controllers.includes(wanted) || (name !== "" && wanted === `name=${name}`);
}

function checkControllers(
  cgroup: Exclude<CgroupRecord, { driver: "none" }>,
  controllers: readonly string[],
  text: string,
): void {
  if (controllers.length === 0) return;
  if (cgroup.version === "v2") {
    throw refusal(`controllers can't be chosen on cgroup v2: ${JSON.stringify(text)}`, "give the path alone");
  }
  const unknown = controllers.find((controller) => !cgroup.directories.some((entry) => isOf(entry)(controller)));
  if (unknown !== undefined) throw refusal(`the container is in no hierarchy with the controller "${unknown}"`);
}

function refusal(message: string, hint?: string): UserError {
  return new UserError(message, { at: "--cgroup", code: "cgroup", ...(hint === undefined ? {} : { hint }) });
}

/** A cgroup that was made for one exec. */
export interface OwnCgroup {
  /** What the process joins: the container's hierarchies, one of them with our directory */
  readonly joined: CgroupRecord;
  /** Our directory alone: what is killed and removed */
  readonly own: CgroupRecord;
  /** The directory that it lies in */
  readonly parent: string;
}

/**
 * Makes a cgroup below the container's: on v2 the only one, on v1 in the freezer's hierarchy, for killing needs no more
 * (limits count where they are: in the container's cgroups).
 *
 * @returns undefined where none can be made: no cgroup, a read-only or full hierarchy, no permission
 */
export function makeOwnCgroup(cgroup: CgroupRecord): OwnCgroup | undefined {
  if (cgroup.driver === "none") return undefined;
  const index = cgroup.version === "v2" ? 0 : cgroup.directories.findIndex(isOfName("freezer"));
  const directory = cgroup.directories[index];
  if (directory === undefined) return undefined;
  const path = makeNew(`${directory.path}/exec-${host.ids()[0]}`);
  if (path === undefined) return undefined;
  const ours = { ...directory, path };
  return {
    joined: { ...cgroup, directories: cgroup.directories.map((entry) => (entry === directory ? ours : entry)) },
    // whoever made the container's: this one is ours alone
    own: { driver: "cgroupfs", version: cgroup.version, directories: [ours], inode: host.stat(path, false)?.[5] },
    parent: directory.path,
  };
}

function isOfName(controller: string): (directory: CgroupDirectory) => boolean {
  return ({ controllers }) => controllers.includes(controller);
}

/** Our pid is in use once only, but a runtime that was killed may have left its directory. */
function makeNew(base: string): string | undefined {
  for (let number = 1; number < 100; number++) {
    const path = number === 1 ? base : `${base}-${number}`;
    try {
      host.makeDir(path, 0o755);
      return path;
    } catch (error) {
      if (isErrno(error, Errno.EEXIST)) continue;
      if (!isErrno(error)) throw error;
      log.debug(() => `no cgroup for this exec alone: ${error.message}`);
      return undefined;
    }
  }
  return undefined;
}

/** Kills everything in it. */
export function killOwnCgroup({ own }: OwnCgroup): void {
  killAll(own, SIGKILL);
}

/**
 * Removes it. What the process has left running stays the container's, as after any other exec: it is moved there.
 * What can't be (the kernel lets nothing into a v2 cgroup that has children with controllers) keeps its cgroup, which
 * goes with the container.
 */
export function dissolveOwnCgroup({ own, parent }: OwnCgroup): void {
  try {
    for (let round = 0; round < 10; round++) {
      const pids = listPids(own).filter((pid) => pid > 0);
      if (pids.length === 0) break;
      for (const pid of pids) unlessGone(() => host.writeText(`${parent}/cgroup.procs`, String(pid)), undefined);
    }
    removeCgroup(own);
  } catch (error) {
    if (!isErrno(error)) throw error;
    log.debug(() => `the cgroup of this exec stays until the container is deleted: ${error.message}`);
  }
}
