// What compiling a plan must know besides the config: the machine, as plain values, and what the command asks for.

import type { CgroupLayout } from "../cgroup/layout.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import type { prepareSeccomp } from "../seccomp/compile.ts";
import type { Machine } from "../seccomp/profile.ts";

/** What a process needs to know, be it the container's own or one that joins. */
export interface ProcessFacts {
  /** Root in the first user namespace: may mknod, and is privileged over every namespace */
  readonly privileged: boolean;
  /** The architecture that the kernel speaks */
  readonly machine: Machine;
  /** The capabilities we may hand on (bit n = capability n) */
  readonly capabilities: bigint;
}

export interface HostFacts extends ProcessFacts {
  /** May make detached mounts of what we see, for an init that can't see it */
  readonly clonesMounts: boolean;
  readonly cgroup: CgroupLayout;
}

export interface CreateRequest {
  readonly id: string;
  /** Absolute path of the bundle */
  readonly bundle: string;
  /** Absolute path of the root file system on the host */
  readonly rootfs: string;
  /** create waits for `start` at its fifo; run goes on by itself */
  readonly start: "later" | "now";
  /** pivot_root, or MS_MOVE and chroot (--no-pivot) */
  readonly root: "pivot" | "move";
  /** A new session keyring, or the caller's (--no-new-keyring) */
  readonly keyring: "new" | "inherited";
  /** The caller's descriptors that the program gets as 3, 4, ... */
  readonly preserved: readonly number[];
  /** Added to the program's environment for them */
  readonly environment: readonly string[];
  /** Added to the environment of hooks */
  readonly hookEnvironment?: readonly string[];
  readonly cgroup: CgroupRecord;
  /** Of binds with copy-symlink those sources that are links, with their targets */
  readonly links?: ReadonlyMap<string, string>;
  /** The seccomp compiler: a tenth of all code, so it is loaded (cli/load.ts) only for a config with a profile */
  readonly seccomp: typeof prepareSeccomp | undefined;
}
