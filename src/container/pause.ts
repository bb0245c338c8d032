// pause and resume: all processes of the cgroup stop where they are, and go on.

import { host } from "#host";
import { setFrozen } from "../cgroup/manager.ts";
import { UserError } from "../errors.ts";
import { notRunning } from "./kill.ts";
import { type Status, statusOf } from "./status.ts";
import { load, lock, type Store, type StoredContainer } from "./store.ts";

/** The pause command: returns when everything is frozen. For a container that is created or running. */
export function pause(store: Store, id: string): void {
  whileLocked(store, id, ({ cgroup }, status) => {
    if (status !== "running" && status !== "created") throw notRunning();
    setFrozen(cgroup, true);
  });
}

/** The resume command: for a paused container. */
export function resume(store: Store, id: string): void {
  whileLocked(store, id, ({ cgroup }, status) => {
    if (status !== "paused") throw new UserError("container not paused", { code: "state" });
    setFrozen(cgroup, false);
  });
}

function whileLocked(store: Store, id: string, act: (container: StoredContainer, status: Status) => void): void {
  const lockFd = lock(store, id);
  try {
    const container = load(store, id);
    act(container, statusOf(store, container));
  } finally {
    host.close(lockFd);
  }
}
