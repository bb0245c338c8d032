// How the process is scheduled: process.scheduler, process.ioPriority, process.execCPUAffinity.

import type { Process } from "../config.ts";
import { listForm, parseList } from "../lists.ts";
import { quote, type Report } from "../problem.ts";

const section = "config.md#linux-process";

export function checkScheduler({ scheduler }: Process, at: string, { error }: Report): void {
  if (scheduler === undefined) return;
  const { policy, nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler;
  const report = (member: string, message: string): void =>
    error({ at: `${at}/scheduler/${member}`, message, rule: "scheduler", section });
  const fair = policy === "SCHED_OTHER" || policy === "SCHED_BATCH";
  const realtime = policy === "SCHED_FIFO" || policy === "SCHED_RR";
  if (nice !== 0 && (!fair || nice < -20 || nice > 19)) {
    const allowed = fair ? "must be from -20 to 19" : "only SCHED_OTHER and SCHED_BATCH have it";
    report("nice", `invalid scheduler.nice: ${nice} when scheduler.policy is ${policy} (${allowed})`);
  }
  if (priority !== 0 && !realtime) {
    report("priority", "scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
  }
  if (realtime && (priority < 1 || priority > 99)) {
    report("priority", `is ${priority}, must be from 1 to 99 with ${policy}`);
  }
  if (policy !== "SCHED_DEADLINE") {
    if (Number(runtime) !== 0 || Number(deadline) !== 0 || Number(period) !== 0) {
      report("runtime", "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
    }
    return;
  }
  // sched_setattr(2): 1024 ns at least, below 2^63, and period 0 means the same as deadline.
  const whole = Number(period) === 0 ? deadline : period;
  if (runtime < 1024) report("runtime", `is ${runtime} ns, must be at least 1024`);
  if (runtime > deadline) report("deadline", `is ${deadline} ns, less than the runtime of ${runtime}`);
  if (deadline > whole) report("period", `is ${period} ns, less than the deadline of ${deadline}`);
  if (whole >= 2n ** 63n) report("period", `is ${whole} ns, must be below 2^63`);
}

export function checkIoPriority({ ioPriority }: Process, at: string, { error }: Report): void {
  const { priority = 0 } = ioPriority ?? {};
  if (priority >= 0 && priority <= 7) return;
  const message = `invalid ioPriority.Priority: ${priority} (must be from 0 to 7)`;
  error({ at: `${at}/ioPriority/priority`, message, rule: "io-priority", section });
}

export function checkAffinity({ execCPUAffinity }: Process, at: string, { error }: Report): void {
  for (const [member, name] of [
    ["initial", "Initial"],
    ["final", "Final"],
  ] as const) {
    const cpus = execCPUAffinity?.[member] ?? "";
    if (cpus === "" || parseList(cpus) !== undefined) continue;
    const message = `bad CPUAffinity.${name}: ${quote(cpus)} is not ${listForm}`;
    error({ at: `${at}/execCPUAffinity/${member}`, message, rule: "cpu-affinity", section });
  }
}
