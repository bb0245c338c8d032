/** What the lab's test programs are made of: cases that run one after the other in a guest. */
import { readFileSync } from "node:fs";
import type { Box } from "../harness/box.ts";

export interface LabCase {
  readonly name: string;
  /** Runs in the guest, with a box of its own; fails by throwing. A text it gives is the reason why it can't run there. */
  readonly run: (box: Box) => Promise<unknown>;
  /** How long it may take; 30 s unless told */
  readonly deadlineMs?: number;
}

export interface Suite {
  /** Options of tools/lab.sh */
  readonly guest: readonly string[];
  readonly cases: readonly LabCase[];
}

/** One line of the test program's output. */
export interface CaseResult {
  readonly name: string;
  readonly milliseconds: number;
  readonly skipped?: string;
  /** Neither skipped nor failed: passed */
  readonly failure?: string;
}

export const SLEEP = ["/bin/sleep", "1000"];

/** Where a process is in the v2 tree, as seen from the guest. */
export function cgroupOf(pid: number | "self"): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
}

/** A file of a process's cgroup, without the line's end. */
export function cgroupFile(pid: number, name: string): string {
  return readFileSync(`/sys/fs/cgroup${cgroupOf(pid)}/${name}`, "utf8").trim();
}
