// The machine as compiling a plan must know it.

import { host } from "#host";
import { readLayout } from "../cgroup/layout.ts";
import { UserError } from "../errors.ts";
import type { HostFacts, ProcessFacts } from "../plan/facts.ts";

/** The inode of the first user namespace, the same on every Linux (include/linux/proc_ns.h). */
export const firstUserNamespace = 0xeffffffd;

export function readFacts(): HostFacts {
  return { ...readProcessFacts(), cgroup: readLayout() };
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
