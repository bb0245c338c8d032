// The listener of a seccomp filter: taken out of init, which the filter may keep from handing anything over, and sent to
// the agent that linux.seccomp.listenerPath names (config-linux.md#seccomp).

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { ociVersion } from "../plan/hooks.ts";
import type { Seccomp } from "../spec/config.ts";
import type { Init } from "./init.ts";
import type { Intent } from "./store.ts";

/** Installing a filter takes init less than a millisecond. */
const patience = 5e9;

/**
 * Takes the listener, as soon as it is there.
 *
 * @param number the descriptor it gets in init, as init has announced
 */
export function takeListener(init: Init, number: number): number {
  const deadline = host.monotonic() + patience;
  for (;;) {
    try {
      return host.takeFd(init.pidfd, number);
    } catch (error) {
      if (!isErrno(error, Errno.EBADF) || host.monotonic() > deadline) throw error;
    }
    // waits a millisecond, unless init dies: then the next try says so
    host.poll([init.pidfd], 1);
  }
}

/** Sends the listener to the agent: one message with the state of the container, one connection for each filter. */
export function sendListener(
  listener: number,
  { listenerPath, listenerMetadata }: Seccomp,
  pid: number,
  container: Intent,
  status: "creating" | "running",
): void {
  const at = "/linux/seccomp/listenerPath";
  if (!listenerPath) throw new UserError("a profile with SCMP_ACT_NOTIFY needs a listenerPath", { at });
  const { id, bundle, annotations } = container;
  const message = {
    ociVersion,
    fds: ["seccompFd"],
    pid,
    ...(listenerMetadata === undefined ? {} : { metadata: listenerMetadata }),
    state: { ociVersion, id, status, pid: container.pid, bundle, annotations },
  };
  try {
    host.sendFd(listenerPath, JSON.stringify(message), listener);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`the seccomp agent doesn't take the listener: ${error.message}`, {
      at,
      cause: error,
      errno: error.errno,
      hint: "is it running, and listening on this socket?",
    });
  }
}
