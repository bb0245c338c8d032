// delete: everything that a container has goes, its id last. What a crash left half made goes the same way.

import { host } from "#host";
import { killAll } from "../cgroup/kill.ts";
import { readLayout } from "../cgroup/layout.ts";
import { removeCgroup } from "../cgroup/manager.ts";
import { planCgroup } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { Config } from "../spec/config.ts";
import { measure } from "../trace.ts";
import { runPoststop } from "./hooks.ts";
import { checkId } from "./id.ts";
import { removeResctrl } from "./resctrl.ts";
import { openInit, statusOf } from "./status.ts";
import {
  buryGraves,
  directoryOf,
  forget,
  type Intent,
  load,
  loadDamaged,
  lock,
  lockDamaged,
  type Store,
  type StoredContainer,
} from "./store.ts";

const SIGKILL = 9;

/** How the container's configuration is had, for its poststop hooks; undefined when it can't be read any more. */
type ReadConfig = (id: string) => Config | undefined;

/** The delete command. */
export function remove(store: Store, id: string, force: boolean, readConfig: ReadConfig): void {
  checkId(id);
  host.catchSignals();
  if (force) removeForced(store, id, readConfig);
  else removeStopped(store, id, readConfig);
}

function removeStopped(store: Store, id: string, readConfig: ReadConfig): void {
  const lockFd = lock(store, id);
  try {
    const container = load(store, id);
    const status = statusOf(store, container);
    if (status !== "stopped" && status !== "created") {
      throw new UserError(`cannot delete container ${id} that is not stopped: ${status}`, {
        code: "state",
        hint: "stop it first, or use --force",
      });
    }
    if (status === "created") killInit(container);
    destroy(store, container, readConfig);
  } finally {
    host.close(lockFd);
  }
}

function removeForced(store: Store, id: string, readConfig: ReadConfig): void {
  if (host.stat(directoryOf(store, id), false) === undefined) {
    buryGraves(store, id);
    return;
  }
  // before the lock is taken: whoever holds it (a create, a start) may be waiting for this very process
  const early = loadDamaged(store, id);
  if (early !== undefined) killInit(early);
  let lockFd: number;
  try {
    lockFd = lockDamaged(store, id);
  } catch (error) {
    if (error instanceof UserError && error.code === "not-found") return;
    throw error;
  }
  try {
    const container = loadDamaged(store, id);
    if (container === undefined) {
      removeAssumed(id);
      forget(store, id);
      return;
    }
    killInit(container);
    killAll(container.cgroup, SIGKILL);
    destroy(store, container, readConfig);
  } finally {
    host.close(lockFd);
  }
}

/** Nothing tells where the cgroup is: the one that a container of this id has by default is looked for. */
function removeAssumed(id: string): void {
  const cgroup = planCgroup(readLayout(), undefined, id);
  if (cgroup.driver === "none" || !cgroup.directories.some(({ path }) => host.stat(path, false) !== undefined)) return;
  log.warn(`the state of container ${id} can't be read: its default cgroup is assumed and removed`);
  killAll(cgroup, SIGKILL);
  removeCgroup(cgroup);
}

/** Kills init and waits for its end, at most 10 s. */
export function killInit(container: StoredContainer): void {
  const pidfd = openInit(container);
  if (pidfd === undefined) return;
  try {
    host.signalPid(pidfd, SIGKILL);
    measure("kill what is in its cgroup", () => killAll(container.cgroup, SIGKILL));
    // readable at its exit, whether or not its parent has reaped it
    if (measure("wait for the end of init", () => host.poll([pidfd], 10_000)).length === 0) {
      throw new UserError("container init still running", {
        code: "timeout",
        hint: `process ${container.pid} doesn't die: see /proc/${container.pid}/stack`,
      });
    }
  } catch (error) {
    if (!isErrno(error, Errno.ESRCH)) throw error;
  } finally {
    host.close(pidfd);
  }
}

/** Cgroup, hooks, directory. Under the lock, with init dead. */
export function destroy(store: Store, container: Intent, readConfig: ReadConfig): void {
  // left-overs keep the cgroup busy: processes that a dead init of a shared pid namespace has started
  if (!container.ownPid) killAll(container.cgroup, SIGKILL);
  measure("remove cgroups", () => removeCgroup(container.cgroup));
  if (container.resctrl !== undefined) removeResctrl(container.resctrl.remove);
  const config = readConfig(container.id);
  measure("remove state", () => forget(store, container.id));
  if (config !== undefined) runPoststop(config, container);
}
