// Resource limits. Init sets them itself, last of all; only raising a hard limit needs the runtime's privilege.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Rlimit } from "../spec/config.ts";
import { rlimitNumber } from "../spec/tables/rlimits.ts";

/** Init has inherited our limits. */
const ourselves = 0;

/** Whether a limit is above our own hard one, so that the process that has inherited ours needs help. */
export function mustRaise(limit: Rlimit): boolean {
  return raiseFrom(limit) !== undefined;
}

/** The kernel's number of a limit that is to be raised, and our own soft and hard one; undefined for all others. */
function raiseFrom({ type, hard: wanted }: Rlimit) {
  const resource = rlimitNumber(type);
  if (resource === undefined) return undefined;
  const [soft, hard] = host.getRlimit(ourselves, resource);
  return BigInt(wanted) > BigInt(hard) ? { resource, soft, hard } : undefined;
}

/**
 * Raises the hard limits of init that are below what the config wants. The soft ones stay for now. Before init changes
 * its user: without CAP_SYS_RESOURCE only a process of the same user may be touched.
 */
export function raiseRlimits(pid: number, rlimits: readonly Rlimit[]): void {
  rlimits.forEach((limit, index) => {
    const from = raiseFrom(limit);
    if (from === undefined) return;
    const { resource, soft, hard } = from;
    try {
      host.setRlimit(pid, resource, soft, limit.hard);
    } catch (error) {
      if (!isErrno(error)) throw error;
      throw new UserError(`error setting rlimit ${limit.type} to ${limit.hard}: ${errnoText(error.errno)}`, {
        at: `/process/rlimits/${index}`,
        code: "kernel",
        errno: error.errno,
        ...(error.errno === Errno.EPERM
          ? { hint: `the hard limit here is ${hard}; raising it needs CAP_SYS_RESOURCE` }
          : {}),
      });
    }
  });
}
