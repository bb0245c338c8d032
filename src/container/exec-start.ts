// Starting the process of an exec where it belongs: with the container's namespaces at hand, in its cgroup.

import { host } from "#host";
import { DriverNeeded, systemdDriver } from "../cgroup/driver.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno } from "../errors.ts";
import type { Plan, Slot } from "../plan/plan.ts";
import { type Init, startInit } from "./init.ts";
import { closeSlots, openEach } from "./slots.ts";
import type { StoredContainer } from "./store.ts";

/** What is needed to start it. */
export interface Joiner {
  readonly container: StoredContainer;
  /** A pidfd of the container's init */
  readonly init: number;
  readonly plan: Plan;
  readonly stdio: readonly [number, number, number];
  readonly cgroup: CgroupRecord;
  /** Whether another cgroup will do: who names a sub-cgroup wants that one or none */
  readonly movable: boolean;
}

/**
 * Starts the joining process in the container's cgroup; or on v2, where a cgroup with children takes no process (EBUSY),
 * in the one that its init has moved to. An ordinary user may not go from a login's cgroup to a container's (EACCES): then
 * it starts "outside", and systemd has to move it.
 */
export function startJoined({
  container,
  init,
  plan,
  stdio,
  movable,
  cgroup,
}: Joiner): readonly [Init, "inside" | "outside"] {
  const slots = openEach(plan, (slot) => openSlot(slot, init));
  try {
    return [startInit(plan, slots, stdio, cgroup), "inside"];
  } catch (error) {
    if (movable && cgroup.driver === "systemd" && isErrno(error, Errno.EACCES, Errno.EPERM)) {
      if (systemdDriver() === undefined) throw new DriverNeeded();
      return [startInit(plan, slots, stdio, { driver: "none" }), "outside"];
    }
    if (!movable || !isErrno(error, Errno.EBUSY, Errno.ENOENT, Errno.ENODEV, Errno.EOPNOTSUPP)) throw error;
    return [startInit(plan, slots, stdio, cgroupOfInit(container)), "inside"];
  } finally {
    closeSlots(plan, slots);
  }
}

/** Has systemd move a process that has started "outside". */
export function enterByDriver({ cgroup }: StoredContainer, pid: number): void {
  if (cgroup.driver === "systemd") systemdDriver()?.attachToScope(cgroup, pid);
}

function openSlot(slot: Slot, init: number): number {
  if (slot.kind === "preserved") return slot.fd;
  return slot.kind === "cgroup" ? host.open(slot.path, O_WRONLY, 0) : init;
}

const O_WRONLY = 1;

/** Where init is now in the v2 hierarchy. */
function cgroupOfInit({ cgroup, pid }: StoredContainer): CgroupRecord {
  if (cgroup.driver === "none") return cgroup;
  const own = /^0::(.*)$/m.exec(host.readText(`/proc/${pid}/cgroup`, 1 << 16))?.[1] ?? "/";
  const directories = cgroup.directories.map((directory) =>
    directory.controllers.length === 0 && directory.name !== "systemd"
      ? { ...directory, path: `${directory.mount}${own}` }
      : directory,
  );
  return { ...cgroup, directories };
}
