// mounts: file systems added to a container that exists, or removed from it. Its programs are taken for hostile: nothing of
// the host is opened by a process that has joined it, and destinations are resolved by init below the container's root.

import { host } from "#host";
import { Errno, UserError } from "../errors.ts";
import { staysPeer } from "../plan/mounts.ts";
import { hasNamespace } from "../plan/namespaces.ts";
import { MessageKind, SyncPoint } from "../plan/ops.generated.ts";
import { type Plan, type Step, step } from "../plan/plan.ts";
import { compileAddMounts, compileRemoveMounts } from "../plan/running-mounts.ts";
import type { Config, Mount } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { openBindSource } from "./bind-source.ts";
import { endsSoon, unlessInitDied } from "./exec-end.ts";
import { operationFailure } from "./failure.ts";
import { Idmaps } from "./idmap.ts";
import { abandon, converse, type Init, release, startInit } from "./init.ts";
import { notRunning } from "./kill.ts";
import { openInit, statusOf } from "./status.ts";
import { load, lock, type Store, type StoredContainer } from "./store.ts";

/**
 * The mounts add command: all of them, or none.
 *
 * @param config the configuration the container was created with
 */
export function addMounts(store: Store, id: string, mounts: readonly Mount[], config: Config): void {
  whileLocked(store, id, (container, init) => {
    const plan = compileAddMounts(mounts, config, container.bundle);
    const sources = openSources(plan, config, container.pid, init);
    try {
      runInside(plan, init, sources);
    } finally {
      for (const tree of sources.values()) host.close(tree);
    }
  });
}

/** The mounts remove command: only the destinations count. Nothing is removed unless all of them are there. */
export function removeMounts(store: Store, id: string, mounts: readonly Mount[], config: Config): void {
  whileLocked(store, id, (_container, init) => runInside(compileRemoveMounts(mounts, config), init, new Map()));
}

function whileLocked(store: Store, id: string, act: (container: StoredContainer, init: number) => void): void {
  const lockFd = lock(store, id);
  try {
    const container = load(store, id);
    const status = statusOf(store, container);
    if (status === "creating") throw new UserError("container not running: it is being created", { code: "state" });
    const init = status === "stopped" ? undefined : openInit(container);
    if (init === undefined) throw notRunning();
    try {
      act(container, init);
    } catch (error) {
      throw unlessInitDied(error, init);
    } finally {
      host.close(init);
    }
  } finally {
    host.close(lockFd);
  }
}

/** What the bind mounts bind, as detached trees: opened before anybody joins, so that a missing one changes nothing. */
function openSources({ steps }: Plan, config: Config, pid: number, init: number): Map<Step, number> {
  const binds = steps.filter(({ op }) => op.op === "bind");
  const trees = new Map<Step, number>();
  if (binds.length === 0) return trees;
  const idmaps = new Idmaps();
  const holder = hasNamespace(config, "user") ? copyOurMounts(init) : undefined;
  try {
    for (const step of binds) trees.set(step, openSource(step, idmaps, config, pid, holder?.pid ?? 0));
    return trees;
  } catch (error) {
    for (const tree of trees.values()) host.close(tree);
    throw error;
  } finally {
    idmaps.close();
    if (holder !== undefined) abandon(holder);
  }
}

/**
 * A process with a copy of our mounts that belongs to the container's user namespace: there the kernel has locked what is
 * read-only or hides something, as it is for the mounts that the container is created with.
 */
function copyOurMounts(init: number): Init {
  const { user, mount } = namespaces;
  const plan: Plan = {
    cloneFlags: 0,
    slots: [{ kind: "pidfd" }],
    steps: [
      step("", { op: "join", slot: 0, flags: user.flag }),
      step("", { op: "unshare", flags: mount.flag }),
      step("", { op: "sync", point: SyncPoint.namespaces }),
    ],
  };
  const holder = startInit(plan, [init], [-1, -1, -1], { driver: "none" });
  try {
    const [kind, index = 0, errno = 0, call = "", detail = ""] = host.receive(holder.socket, -1) ?? [];
    if (kind === MessageKind.reached) return holder;
    const failed = plan.steps[index];
    if (kind !== MessageKind.failed || failed === undefined) throw new UserError("init has died", { code: "init" });
    throw operationFailure(failed, call, errno, detail);
  } catch (error) {
    abandon(holder);
    throw error;
  }
}

function openSource(step: Step, idmaps: Idmaps, config: Config, pid: number, from: number): number {
  const { op } = step;
  if (op.op !== "bind") throw new TypeError(`${op.op} has no source`);
  const peer = staysPeer(op, config);
  if (step.idmap !== undefined) return idmaps.openTree(step, pid, from, peer);
  try {
    return openBindSource(step, op, from, peer);
  } catch (error) {
    if (!(error instanceof UserError) || error.errno !== Errno.EPERM) throw error;
    throw new UserError(
      `only root can bind a directory or file of the host ("${op.hostPath}") into a running container`,
      {
        at: step.at,
        code: "unsupported",
        errno: Errno.EPERM,
        hint: "let the container have it from the beginning, or add a tmpfs",
      },
    );
  }
}

/** Runs the plan to its end. What it has attached is taken away again when it fails, or when we are to stop. */
function runInside(plan: Plan, init: number, sources: Map<Step, number>): void {
  host.catchSignals();
  const joined = startInit(plan, [init], [-1, -1, -1], { driver: "none" });
  const unexpected = (): never => {
    throw new TypeError("init asks for what mounts don't need");
  };
  try {
    converse(
      joined,
      plan,
      { driver: "none" },
      {
        sync: unexpected,
        meanwhile: () => {},
        commit: () => {},
        descriptor: unexpected,
        listener: unexpected,
        tree: (step) => {
          const tree = sources.get(step);
          if (tree === undefined) throw new TypeError(`${step.op.op} has no source`);
          sources.delete(step);
          return tree;
        },
      },
    );
    host.reap(joined.pidfd, true);
    release(joined);
  } catch (error) {
    letUndo(joined);
    throw error;
  }
}

/** The end of the dialogue makes init undo what it has done, and end. It may hang in a file system of the container's. */
function letUndo(joined: Init): void {
  if (joined.pidfd < 0) return;
  host.close(joined.socket);
  joined.socket = -1;
  endsSoon(joined.pidfd);
  abandon(joined);
}
