// What a bind mount binds, as a detached tree that the runtime opens where init can't reach it, or may not.

import { host } from "#host";
import { isErrno } from "../errors.ts";
import {
  type BindOp,
  type DeviceBindOp,
  PLAN_MOUNT_RECURSIVE,
  PLAN_MOUNT_SOURCE_NOFOLLOW,
} from "../plan/ops.generated.ts";
import type { Step } from "../plan/plan.ts";
import { operationFailure } from "./failure.ts";

/**
 * The detached tree of a step's source; the descriptor is the caller's.
 *
 * @param op the step's
 * @param from the process in whose mount namespace the source is looked up; 0: in ours
 * @param peer whether it stays a peer of the host's mount
 * @throws UserError as for the operation itself, with open_tree's errno
 */
export function openBindSource(step: Step, op: BindOp | DeviceBindOp, from: number, peer: boolean): number {
  const recursive = (op.flags & PLAN_MOUNT_RECURSIVE) !== 0;
  const nofollow = (op.flags & PLAN_MOUNT_SOURCE_NOFOLLOW) !== 0;
  try {
    return host.openTree(op.hostPath, recursive, nofollow, -1, false, from, peer);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw operationFailure(step, error.call, error.errno, `source "${op.hostPath}"`);
  }
}
