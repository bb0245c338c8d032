// The caller's descriptors that the program is to have: those of socket activation (LISTEN_FDS), then --preserve-fds.

import { host } from "#host";
import { UserError } from "../errors.ts";

const firstDescriptor = 3;

export interface Preserved {
  readonly descriptors: readonly number[];
  /** What the program's environment gets for them (sd_listen_fds(3)) */
  readonly environment: readonly string[];
}

/**
 * Descriptors from 3 on. LISTEN_FDS counts only when LISTEN_PID names this very process: engines leave stale ones.
 *
 * @param count the number of --preserve-fds
 */
export function inheritedDescriptors(count: number): Preserved {
  const listening = listenFds();
  const descriptors = Array.from({ length: listening + count }, (_, index) => firstDescriptor + index);
  const missing = descriptors.find((fd) => !host.isOpen(fd));
  if (missing !== undefined) {
    throw new UserError(`descriptor ${missing} is to be preserved, but isn't open`, {
      at: missing < firstDescriptor + listening ? "LISTEN_FDS" : "--preserve-fds",
      code: "usage",
    });
  }
  // the program is process 1 of its pid namespace
  return { descriptors, environment: listening === 0 ? [] : [`LISTEN_FDS=${listening}`, "LISTEN_PID=1"] };
}

function listenFds(): number {
  const [pid] = host.ids();
  if (host.env("LISTEN_PID") !== String(pid)) return 0;
  const text = host.env("LISTEN_FDS") ?? "";
  if (!/^[0-9]{1,4}$/.test(text)) return 0;
  return Number(text);
}
