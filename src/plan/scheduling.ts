// How the process is scheduled: scheduler, I/O priority, memory policy, personality.

import { UserError } from "../errors.ts";
import type { Config, IoPriority, MemoryPolicy, Process, Scheduler } from "../spec/config.ts";
import { type Step, step } from "./plan.ts";

/** SCHED_* of linux/sched.h */
const policies = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const satisfies Record<Scheduler["policy"], number>;

const schedulerFlags = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
} as const;

/** IOPRIO_CLASS_* of linux/ioprio.h */
const ioClasses = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
} as const satisfies Record<IoPriority["class"], number>;

/** MPOL_* of linux/mempolicy.h */
export const memoryModes = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
} as const satisfies Record<MemoryPolicy["mode"], number>;

export const memoryFlags = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
} as const;

export function planScheduling(config: Config, process: Process): readonly Step[] {
  const steps: Step[] = [];
  if (process.scheduler !== undefined) steps.push(schedulerStep(process.scheduler));
  if (process.ioPriority !== undefined) {
    const value = (ioClasses[process.ioPriority.class] << 13) | (process.ioPriority.priority ?? 0);
    steps.push(step("/process/ioPriority", { op: "io_priority", value }));
  }
  const domain = config.linux?.personality?.domain;
  if (domain !== undefined) {
    const persona = domain === "LINUX32" ? 8 : 0;
    steps.push(step("/linux/personality", { op: "personality", persona }));
  }
  const policy = config.linux?.memoryPolicy;
  if (policy !== undefined) {
    const mode = (policy.flags ?? []).reduce(
      (bits, flag) => bits | memoryFlags[flag],
      memoryModes[policy.mode] as number,
    );
    const nodes = bitMask(parseList(policy.nodes ?? "", "/linux/memoryPolicy/nodes"));
    steps.push(step("/linux/memoryPolicy", { op: "memory_policy", mode, nodes }));
  }
  return steps;
}

type Affinity = Process["execCPUAffinity"];

/** On which CPUs a joining process is made ready, before it enters the container's cgroup. */
export function planInitialAffinity({ initial = "" }: NonNullable<Affinity> = {}): readonly Step[] {
  return initial === "" ? [] : [affinityStep(initial, "initial")];
}

/**
 * On which CPUs the process runs: on all that its cpuset has, whatever the caller's were; a joining one on those that
 * execCPUAffinity says, or stays where it was made ready.
 */
export function planAffinity({ initial = "", final = "" }: NonNullable<Affinity> = {}): readonly Step[] {
  if (final !== "") return [affinityStep(final, "final")];
  return initial === "" ? [step("", { op: "affinity", cpus: new Uint8Array(0) })] : [];
}

function affinityStep(list: string, member: "initial" | "final"): Step {
  const at = `/process/execCPUAffinity/${member}`;
  return step(at, { op: "affinity", cpus: bitMask(parseList(list, at)) });
}

function schedulerStep(scheduler: Scheduler): Step {
  const flags = (scheduler.flags ?? []).reduce((bits, flag) => bits | schedulerFlags[flag], 0);
  return step("/process/scheduler", {
    op: "scheduler",
    policy: policies[scheduler.policy],
    flags,
    // a nice value is signed; it travels as the 32 bits it has
    nice: (scheduler.nice ?? 0) >>> 0,
    priority: scheduler.priority ?? 0,
    runtime: scheduler.runtime ?? 0,
    deadline: scheduler.deadline ?? 0,
    period: scheduler.period ?? 0,
  });
}

/** A list such as "0-3,7" as numbers (the kernel's cpulist format). */
export function parseList(text: string, at: string): readonly number[] {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    const first = Number(match?.[1] ?? Number.NaN);
    const last = Number(match?.[2] ?? first);
    if (match === null || last < first) throw new UserError(`"${text}" is no list such as "0-3,7"`, { at });
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}

/** Numbers as a bit mask, little endian, in whole 64-bit words as the kernel reads them. */
export function bitMask(numbers: readonly number[]): Uint8Array {
  if (numbers.length === 0) return new Uint8Array(0);
  const words = Math.floor(Math.max(...numbers) / 64) + 1;
  const mask = new Uint8Array(words * 8);
  for (const number of numbers) {
    const byte = number >> 3;
    mask[byte] = (mask[byte] ?? 0) | (1 << (number & 7));
  }
  return mask;
}
