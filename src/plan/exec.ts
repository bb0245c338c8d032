// A process that joins a container: the namespaces of its init, then the same steps as for the container's own process.

import { tasksFiles } from "../cgroup/record.ts";
import type { Config, Process } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { planConsole } from "./console.ts";
import type { CreateRequest, ProcessFacts } from "./facts.ts";
import { hasNamespace, launchedStop, planJoinCgroup } from "./namespaces.ts";
import { type Plan, type Slot, type Step, step } from "./plan.ts";
import { planProcess } from "./process.ts";
import { planInitialAffinity } from "./scheduling.ts";

export type ExecRequest = Pick<
  CreateRequest,
  "id" | "rootfs" | "cgroup" | "keyring" | "preserved" | "environment" | "seccomp"
> & {
  /** Whether the runtime has to do something to the process before it does anything itself */
  readonly attended: boolean;
};

/** Compiles the plan for a process in the container that `config` describes. */
export function compileExec(config: Config, process: Process, facts: ProcessFacts, request: ExecRequest): Plan {
  const slots: Slot[] = [{ kind: "pidfd" }];
  const entry = planJoinCgroup(tasksFiles(request.cgroup), slots);
  const firstPreserved = slots.length;
  slots.push(...request.preserved.map((fd) => ({ kind: "preserved", fd }) as const));
  const wanted = config.linux?.namespaces ?? [];
  const flags = wanted.reduce((bits, { type }) => bits | namespaces[type].flag, 0);
  const at = "/linux/namespaces";
  const { before, after, filter } = planProcess(config, process, facts, { ...request, createCwd: false });
  const steps: Step[] = [
    ...planInitialAffinity(process.execCPUAffinity),
    ...(request.attended ? [launchedStop] : []),
    ...entry,
    ...(flags === 0 ? [] : [step(at, { op: "join", slot: 0, flags } as const)]),
    ...(hasNamespace(config, "pid") || hasNamespace(config, "time")
      ? [step(at, { op: "fork", flags: 0 } as const)]
      : []),
    ...(hasNamespace(config, "user") ? [step(at, { op: "become_root" } as const)] : []),
    ...(request.keyring === "new" ? [step("", { op: "keyring", name: `_ses.${request.id}` } as const)] : []),
    ...(needsProc(process, facts, before) ? [step("", { op: "own_proc" } as const)] : []),
    // a container without a mount namespace is in its root file system by chroot alone
    ...(hasNamespace(config, "mount") ? [] : [step("/root/path", { op: "chroot", hostPath: request.rootfs } as const)]),
    ...(process.terminal === true ? [planConsole(process, false)] : []),
    ...before,
    step("", { op: "preserve", first: firstPreserved, count: request.preserved.length }),
    step("", { op: "commit", keep: 1 }),
    ...after,
  ];
  return { cloneFlags: 0, slots, steps, ...(filter === undefined ? {} : { filter }) };
}

/**
 * Whether init needs a procfs of its own: for labels, for whether setgroups(2) is denied, and to open what it has found
 * (the terminal, /etc/passwd). Otherwise it has none, for taking a mount away makes the kernel wait for all CPUs.
 */
function needsProc(process: Process, { privileged }: ProcessFacts, steps: readonly Step[]): boolean {
  const labelled = Boolean(process.apparmorProfile || process.selinuxLabel);
  return labelled || !privileged || process.terminal === true || steps.some(({ op }) => op.op === "home");
}
