// The plan: what init will do, in order, each step with the JSON pointer of config.json that asks for it.

import type { IdMapping, NamespaceType } from "../spec/config.ts";
import type { Op } from "./ops.generated.ts";

/** One operation and its origin in config.json ("" for what every container gets). */
export interface Step {
  readonly op: Op;
  readonly at: string;
  /** A bind whose ids are mapped: by the mount's own mappings, else by the container's; `tree`: below it, too */
  readonly idmap?: {
    readonly uidMappings: readonly IdMapping[];
    readonly gidMappings: readonly IdMapping[];
    readonly tree: boolean;
  };
}

/** A descriptor that init is given at its start, by what it is. */
export type Slot =
  | { readonly kind: "start-fifo" }
  | { readonly kind: "status-fifo" }
  | { readonly kind: "namespace"; readonly type: NamespaceType; readonly path: string; readonly at: string }
  /** The file by which init enters the container's cgroup: `tasks` of a v1 hierarchy, `cgroup.procs` of v2 */
  | { readonly kind: "cgroup"; readonly path: string }
  | { readonly kind: "pidfd" }
  /** One of the caller's own descriptors, which the program gets as 3, 4, ... */
  | { readonly kind: "preserved"; readonly fd: number };

export interface Plan {
  /** CLONE_NEW* namespaces that init is born in */
  readonly cloneFlags: number;
  readonly slots: readonly Slot[];
  readonly steps: readonly Step[];
  /**
   * Compiles the seccomp filter that a `filter` operation asks for: struct sock_filter[]. Left until init is at work, which
   * takes as long. UserError for rules that contradict each other and a filter that is too long.
   */
  readonly filter?: () => Uint8Array;
  /** Init isn't born in its cgroup of v2, but enters it by a slot, as it does on v1 */
  readonly entersCgroup?: boolean;
}

/** Shorthand for the modules of this folder. */
export function step(at: string, op: Op): Step {
  return { op, at };
}
