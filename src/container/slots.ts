// The descriptors that init is given, opened for one launch.

import { host } from "#host";
import { UserError } from "../errors.ts";
import type { Plan, Slot } from "../plan/plan.ts";
import type { Config, NamespaceType } from "../spec/config.ts";
import { openNamespaceSlot } from "./namespaces.ts";
import { startFifo } from "./status.ts";
import { directoryOf, type Store } from "./store.ts";

const O_WRONLY = 1;
const O_RDWR = 2;
const O_NOFOLLOW = 0o400000;

/** Opens every slot of a new container's plan. To be closed by closeSlots after the launch. */
export function openSlots(plan: Plan, store: Store, id: string, config: Config): readonly number[] {
  return openEach(plan, (slot) => openSlot(slot, store, id, config));
}

/** Opens every slot of the plan, in order; on failure none is left open. */
export function openEach(plan: Plan, open: (slot: Slot) => number): readonly number[] {
  const opened: number[] = [];
  try {
    for (const slot of plan.slots) opened.push(open(slot));
    return opened;
  } catch (error) {
    closeSlots(plan, opened);
    throw error;
  }
}

function openSlot(slot: Slot, store: Store, id: string, config: Config): number {
  switch (slot.kind) {
    case "start-fifo":
      host.makeFifo(startFifo(store, id), 0o600);
      // both ends, so that init's read waits for a writer instead of seeing an end
      return host.open(startFifo(store, id), O_RDWR | O_NOFOLLOW, 0);
    case "status-fifo": {
      const path = statusFifo(store, id);
      host.makeFifo(path, 0o600);
      return host.openFifoWriter(path);
    }
    case "cgroup":
      return host.open(slot.path, O_WRONLY, 0);
    case "namespace":
      return openNamespaceSlot(slot, settingThatNeedsPrivate(config, slot.type));
    case "preserved":
      return slot.fd;
    case "pidfd":
      throw new UserError("a new container has no init to join", { code: "init" });
  }
}

/** Closes what was opened for the slots; descriptors that were lent (the caller's, and init's pidfd) stay. */
export function closeSlots(plan: Plan, slots: readonly number[]): void {
  plan.slots.forEach(({ kind }, index) => {
    const fd = slots[index];
    if (kind !== "preserved" && kind !== "pidfd" && fd !== undefined) host.close(fd);
  });
}

/** Init's words to `start`. */
export function statusFifo(store: Store, id: string): string {
  return `${directoryOf(store, id)}/status.fifo`;
}

/** The pointer of a setting that would change the host if the namespace of this type were the host's. */
function settingThatNeedsPrivate(config: Config, type: NamespaceType): string | undefined {
  const sysctls = Object.keys(config.linux?.sysctl ?? {});
  switch (type) {
    case "uts":
      if (config.hostname) return "/hostname";
      if (config.domainname) return "/domainname";
      return sysctls.some((key) => /^kernel[./]domainname$/.test(key)) ? "/linux/sysctl" : undefined;
    case "ipc":
      return sysctls.some((key) => /^(kernel|fs)[./](msg|sem|shm|mqueue)/.test(key)) ? "/linux/sysctl" : undefined;
    case "network":
      return sysctls.some((key) => /^net[./]/.test(key)) ? "/linux/sysctl" : undefined;
    default:
      return undefined;
  }
}
