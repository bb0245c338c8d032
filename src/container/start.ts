// start: opens the gate that create left init waiting at, and hears how it went.
//
// Two fifos in the state directory: init reads one byte from start.fifo (it holds it open, so opening it for writing
// fails when init is dead), and holds the write end of status.fifo until it executes the program or dies; what it can
// still tell before that (a failed startContainer hook) it writes there.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { measure } from "../trace.ts";
import { destroy, killInit } from "./delete.ts";
import { afterStartFailure } from "./failure.ts";
import { runHooks } from "./hooks.ts";
import { interrupted } from "./init.ts";
import { statusFifo } from "./slots.ts";
import { openInit, startFifo, statusOf } from "./status.ts";
import { load, lock, type Store, type StoredContainer } from "./store.ts";

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_NONBLOCK = 0o4000;
const O_NOFOLLOW = 0o400000;

/**
 * The start command. `readConfig` gives the container's configuration, for its poststart hooks; with `notify` the command
 * lasts until the program has said that it is ready.
 */
export function start(
  store: Store,
  id: string,
  readConfig: (id: string) => Config,
  notify?: typeof import("./notify.ts"),
): void {
  host.catchSignals();
  const lockFd = lock(store, id);
  let socket: number | undefined;
  let container: StoredContainer;
  try {
    container = load(store, id);
    checkStartable(store, container);
    socket = notify?.listen(store, id);
    measure("wait for the program", () => openGate(store, container));
    runPoststart(store, container, readConfig(id));
  } finally {
    host.close(lockFd);
  }
  if (socket !== undefined) awaitReady(container, socket, notify);
}

/** Without the lock: it may take long, and may be ended by others. */
function awaitReady(container: StoredContainer, socket: number, notify?: typeof import("./notify.ts")): void {
  const pidfd = openInit(container);
  notify?.awaitReady(socket, pidfd, container.pid);
  if (pidfd !== undefined) host.close(pidfd);
}

function checkStartable(store: Store, container: StoredContainer): void {
  const status = statusOf(store, container);
  switch (status) {
    case "created":
      return;
    case "running":
      throw new UserError("cannot start an already running container", { code: "state" });
    case "stopped":
      throw new UserError("cannot start a container that has stopped", { code: "state" });
    case "creating":
    case "paused":
      throw new UserError(`cannot start a container in the ${status} state`, { code: "state" });
  }
}

function openGate(store: Store, container: StoredContainer): void {
  const status = openFifo(statusFifo(store, container.id), O_RDONLY);
  try {
    const gate = openFifo(startFifo(store, container.id), O_WRONLY);
    try {
      host.writeFd(gate, "s");
    } finally {
      host.close(gate);
    }
    // an end of file means: executing, or dead
    awaitEnd(status);
    const words = host.readFd(status, 65536);
    if (words !== "") throw afterStartFailure(container.afterStart, words);
  } finally {
    host.close(status);
    removeGate(store, container.id);
  }
}

/** A signal to us ends the waiting, not the container: its hooks go on. */
function awaitEnd(status: number): void {
  try {
    host.poll([status], -1);
  } catch (error) {
    throw isErrno(error, Errno.EINTR) ? interrupted() : error;
  }
}

/** Both fifos go: their absence is what tells "running" from "created". */
function removeGate(store: Store, id: string): void {
  for (const path of [startFifo(store, id), statusFifo(store, id)]) {
    try {
      host.removeFile(path);
    } catch (error) {
      if (!isErrno(error, Errno.ENOENT)) throw error;
    }
  }
}

function openFifo(path: string, mode: number): number {
  try {
    const fd = host.open(path, mode | O_NONBLOCK | O_NOFOLLOW, 0);
    if (host.statFd(fd)[0] === "fifo") return fd;
    host.close(fd);
    throw new UserError(`${path} is no fifo any more`, { code: "state", hint: "delete the container with --force" });
  } catch (error) {
    // ENXIO: nobody reads, so init has died since we looked
    if (isErrno(error, Errno.ENXIO))
      throw new UserError("cannot start a container that has stopped", { code: "state" });
    if (isErrno(error, Errno.ENOENT, Errno.ELOOP)) {
      throw new UserError(`the start fifo is missing: ${path}`, {
        code: "state",
        hint: "delete the container with --force",
      });
    }
    throw error;
  }
}

/** poststart hooks; when one fails the container is stopped and deleted (runtime-spec 1.3, runtime.md#lifecycle). */
function runPoststart(store: Store, container: StoredContainer, config: Config): void {
  try {
    runHooks(config, "poststart", container);
  } catch (error) {
    killInit(container);
    destroy(store, container, () => config);
    throw error;
  }
}
