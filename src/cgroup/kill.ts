// A signal to everything in a cgroup: kill --all, and the end of whatever could outlive its container.

import { host } from "#host";
import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import { isFrozen, listPids, setFrozen } from "./manager.ts";
import type { CgroupRecord } from "./record.ts";
import { unlessGone, waitBriefly } from "./tree.ts";
import { killCgroup } from "./v2.ts";

const SIGKILL = 9;

/**
 * Sends a signal to every process of the cgroup and of those below it. With SIGKILL nothing is left afterwards:
 * cgroup.kill where the kernel has it, else freeze, signal, thaw, until it is empty (at most 10 s).
 */
export function killAll(record: CgroupRecord, signal: number): void {
  if (record.driver === "none") return;
  if (signal !== SIGKILL) {
    signalEach(record, signal);
    return;
  }
  const deadline = host.monotonic() + 10e9;
  for (let wait = 1; listPids(record).length > 0 && host.monotonic() < deadline; wait = Math.min(wait * 2, 50)) {
    if (record.version === "v1" || !killCgroup(record.directories)) signalEach(record, SIGKILL);
    waitBriefly(wait);
  }
}

/**
 * One round. In a frozen cgroup nothing forks and no pid changes hands between its listing and its signal. Where it
 * can't be frozen (no freezer, or a process that the kernel holds) it is signalled all the same.
 */
function signalEach(record: CgroupRecord, signal: number): void {
  const wasFrozen = isFrozen(record);
  try {
    if (!wasFrozen) freezeIfPossible(record);
    // 0 stands for a process of a pid namespace that isn't below ours: it can't be named from here
    for (const pid of listPids(record)) if (pid > 0) unlessGone(() => host.kill(pid, signal), undefined);
  } finally {
    // what was paused stays paused, but a killed process dies only when it is thawed (v1)
    if (!wasFrozen || signal === SIGKILL) thawIfPossible(record);
  }
}

function freezeIfPossible(record: CgroupRecord): void {
  try {
    unlessGone(() => setFrozen(record, true), undefined);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log.debug(() => `signalling without freezing: ${error.message}`);
  }
}

function thawIfPossible(record: CgroupRecord): void {
  try {
    unlessGone(() => setFrozen(record, false), undefined);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log.debug(() => `can't thaw: ${error.message}`);
  }
}
