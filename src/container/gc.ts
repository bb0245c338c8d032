// gc: what no command will use again. Three kinds of left-overs can be told from containers in use:
//
//   ~ID~PID              the grave of a delete that was interrupted
//   no state.json        a create that died half way: nobody holds its lock, and its init is gone
//   another boot's id    the machine was started anew since: nothing of it runs, its cgroups are gone
//
// A stopped container of this boot is none: its state tells how it ended, and is its owner's to delete. Everything is
// looked at and removed under the container's lock, and left alone when another command holds it.

import { host } from "#host";
import { inodeOf, listPids } from "../cgroup/manager.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { destroy } from "./delete.ts";
import { bootId, isAlive } from "./status.ts";
import { forget, listIds, load, lock, type Store, type StoredContainer } from "./store.ts";

export interface Leftover {
  /** The name below the root */
  readonly name: string;
  readonly why: string;
}

export interface GcOptions {
  readonly dryRun: boolean;
  /** The root was named: then it must exist */
  readonly rootGiven: boolean;
  /** Hears of each left-over, with the error when it couldn't be removed */
  readonly tell: (leftover: Leftover, failure: unknown) => void;
  /** The saved configuration, for poststop hooks */
  readonly readConfig: (id: string) => Config | undefined;
}

/** Looks at everything below the root. */
export function collectGarbage(store: Store, options: GcOptions): void {
  const empty: string[] = [];
  for (const id of listIds(store, options.rootGiven)) {
    if (withLock(store, id, () => consider(store, id, options)) === "nothing in it") empty.push(id);
  }
  secondLook(store, empty, options);
  buryGraves(store, options);
}

/** Removes a container that is garbage. "nothing in it": that can't be told yet. */
function consider(store: Store, id: string, options: GcOptions): "nothing in it" | undefined {
  let container: StoredContainer;
  try {
    container = load(store, id);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return isEmpty(store, id) ? "nothing in it" : undefined;
  }
  const why = garbage(container);
  if (why === undefined) return undefined;
  removal({ name: id, why }, options, () => {
    const cgroup = removableCgroup(container);
    destroy(store, { ...container, cgroup }, options.readConfig);
  });
  return undefined;
}

function garbage(container: StoredContainer): string | undefined {
  if (container.bootId !== bootId()) return "of an earlier boot";
  if (container.phase === "creating" && !isAlive(container)) return "its creation was interrupted";
  return undefined;
}

/**
 * The cgroup as far as it is the container's. After another boot it can't be, even with the same path and inode number.
 *
 * @throws UserError for one with processes that may be somebody else's
 */
function removableCgroup(container: StoredContainer): CgroupRecord {
  const { cgroup } = container;
  const gone = { driver: "none" } as const;
  if (cgroup.driver === "none" || container.bootId !== bootId()) return gone;
  if (cgroup.inode !== undefined) return inodeOf(cgroup) === cgroup.inode ? cgroup : gone;
  // create writes the inode down together with init's pid: until then nothing but init was in it, which is dead
  if (listPids(cgroup).length === 0) return cgroup;
  throw new UserError("its cgroup has processes that may not be its own", {
    code: "cgroup",
    hint: "look at them with `tsrunc ps`, and use delete --force if they are",
  });
}

/** A directory with nothing but the lock: a create between two of its first steps, or one that has died there. */
function isEmpty(store: Store, id: string): boolean {
  return host.listDir(`${store.root}/${id}`).every((name) => name === "lock" || name.startsWith("."));
}

/** A create needs far less than this to get from its directory to its intent. */
const patienceMs = 1000;

function secondLook(store: Store, ids: readonly string[], options: GcOptions): void {
  if (ids.length === 0) return;
  host.poll([], patienceMs);
  for (const id of ids) {
    withLock(store, id, () => {
      if (!isEmpty(store, id)) return;
      removal({ name: id, why: "its creation was interrupted at once" }, options, () => forget(store, id));
    });
  }
}

function buryGraves(store: Store, options: GcOptions): void {
  if (host.stat(store.root, true) === undefined) return;
  for (const name of host.listDir(store.root)) {
    const [, pid] = /^~[A-Za-z0-9_+.-]+~([0-9]+)$/.exec(name) ?? [];
    if (pid === undefined || host.stat(`${store.root}/${name}`, false)?.[0] !== "directory") continue;
    // removing it at the same time as a delete that still runs does no harm: both want it gone
    if (host.stat(`/proc/${pid}`, true) !== undefined && isLocked(`${store.root}/${name}`)) continue;
    removal({ name, why: "its deletion was interrupted" }, options, () => host.removeTree(`${store.root}/${name}`));
  }
}

const O_RDWR = 2;
const O_NOFOLLOW = 0o400000;

function isLocked(directory: string): boolean {
  let fd: number;
  try {
    fd = host.open(`${directory}/lock`, O_RDWR | O_NOFOLLOW, 0);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT)) return false;
    throw error;
  }
  try {
    return !host.lock(fd, 0);
  } finally {
    host.close(fd);
  }
}

/** Does it under the container's lock; not at all when another command has it, or when the container has vanished. */
function withLock<T>(store: Store, id: string, work: () => T): T | undefined {
  let fd: number;
  try {
    fd = lock(store, id, 0);
  } catch (error) {
    if (error instanceof UserError && ["timeout", "not-found", "bad-id"].includes(error.code)) return undefined;
    throw error;
  }
  try {
    return work();
  } finally {
    host.close(fd);
  }
}

function removal(leftover: Leftover, { dryRun, tell }: GcOptions, remove: () => void): void {
  let failure: unknown;
  try {
    if (!dryRun) remove();
  } catch (error) {
    if (!(error instanceof UserError) && !isErrno(error)) throw error;
    failure = error;
  }
  tell(leftover, failure);
}
