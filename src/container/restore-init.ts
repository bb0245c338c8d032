// Two errands for a short-lived init around a restore: only it can make mount points safely (it resolves paths inside of
// the root file system), and only it can be in the container's network namespace.

import { host } from "#host";
import type { Op } from "../plan/ops.generated.ts";
import { SyncPoint } from "../plan/ops.generated.ts";
import { type Plan, type Step, step } from "../plan/plan.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { abandon, converse, startInit } from "./init.ts";

const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;

/**
 * Makes the mount points that are missing in the root file system: CRIU mounts, but makes none. The container's mounts
 * are made in a mount namespace that is thrown away; what it takes to make them stays. Instead of the kernel's file
 * systems, some of which can be had only in the container's namespaces, it is a tmpfs.
 */
export function makeMountPoints(plan: Plan, rootfs: string): void {
  const mounts = plan.steps.flatMap((entry): Step[] => {
    const stand = standIn(entry.op);
    return stand === undefined ? [] : [{ op: stand, at: entry.at }];
  });
  runErrand({
    cloneFlags: 0,
    slots: [],
    steps: [
      step("", { op: "unshare", flags: namespaces.mount.flag }),
      step("", { op: "propagate_root", flags: MS_REC | MS_PRIVATE }),
      step("", { op: "own_proc" }),
      step("/root/path", { op: "rootfs", hostPath: rootfs }),
      ...mounts,
    ],
  });
}

function standIn(op: Op): Op | undefined {
  // attributes, and who opens the source, don't matter here
  const plain = { recursiveSet: 0, recursiveClear: 0, propagation: [], flags: 0 };
  switch (op.op) {
    case "mount":
      // init lets nothing else be mounted on /proc
      return op.type === "proc"
        ? { ...op, ...plain }
        : { ...op, ...plain, type: "tmpfs", source: "tmpfs", options: [], attr: 0 };
    case "bind":
      return { ...op, ...plain, attrSet: 0, attrClear: 0 };
    case "device_bind":
      return { ...op, flags: 0 };
    default:
      return undefined;
  }
}

/** A network namespace that CRIU has made is empty: its loopback interface is down. */
export function raiseLoopback(initPidfd: number): void {
  runErrand(
    {
      cloneFlags: 0,
      slots: [{ kind: "pidfd" }],
      steps: [step("", { op: "join", slot: 0, flags: namespaces.network.flag }), step("", { op: "loopback_up" })],
    },
    [initPidfd],
  );
}

/** Runs a plan of an init that has nothing more to do afterwards. */
function runErrand({ cloneFlags, slots, steps }: Plan, fds: readonly number[] = []): void {
  const plan: Plan = {
    cloneFlags,
    slots,
    // it waits at the end, and is then ended
    steps: [step("", { op: "sync", point: SyncPoint.launched }), ...steps, step("", { op: "commit", keep: 1 })],
  };
  const none = { driver: "none" } as const;
  const init = startInit(plan, fds, [-1, -1, -1], none);
  try {
    converse(init, plan, none, {
      sync: () => {},
      meanwhile: () => {},
      commit: () => {},
      descriptor: (_op, fd) => host.close(fd),
      tree: ({ op }) => {
        throw new TypeError(`${op.op} wants no mount tree in an errand`);
      },
      listener: () => {},
    });
  } finally {
    abandon(init);
  }
}
