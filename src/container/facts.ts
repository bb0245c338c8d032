// The machine as compiling a plan must know it.

import { host } from "#host";
import { readLayout } from "../cgroup/layout.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { HostFacts, ProcessFacts } from "../plan/facts.ts";

/** The inode of the first user namespace, the same on every Linux (include/linux/proc_ns.h). */
export const firstUserNamespace = 0xeffffffd;

export function readFacts(): HostFacts {
  const facts = readProcessFacts();
  return { ...facts, clonesMounts: facts.privileged || mayCloneMounts(facts), cgroup: readLayout() };
}

const CAP_SYS_ADMIN = 1n << 21n;

/**
 * Root of a user namespace may if the mount namespace is of that one, too (rootless podman's is). Asked by doing it: what
 * can't be cloned all the same (EINVAL) is told after the permission.
 */
function mayCloneMounts({ capabilities }: ProcessFacts): boolean {
  if ((capabilities & CAP_SYS_ADMIN) === 0n) return false;
  try {
    host.close(host.openTree("/", false, false, -1, false, 0, false));
    return true;
  } catch (error) {
    if (!isErrno(error)) throw error;
    return error.errno !== Errno.EPERM;
  }
}

/** What `exec` needs, which goes by the cgroups of the container. */
export function readProcessFacts(): ProcessFacts {
  const first = host.stat("/proc/self/ns/user", true)?.[5] === firstUserNamespace;
  const [, euid] = host.ids();
  const [, machine] = host.kernel();
  if (machine !== "x86_64" && machine !== "aarch64") {
    throw new UserError(`tsrunc runs on x86_64 and aarch64, not on ${machine}`, { code: "unsupported" });
  }
  return { machine, privileged: euid === 0 && first, capabilities: BigInt(host.capabilities()) };
}
