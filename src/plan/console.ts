// The terminal of a process.

import type { Process } from "../spec/config.ts";
import { type Step, step } from "./plan.ts";

/** @param bind the container's own process: its terminal is bound on /dev/console, too */
export function planConsole({ user, consoleSize }: Process, bind: boolean): Step {
  return step("/process/terminal", {
    op: "console",
    uid: user?.uid ?? 0,
    rows: consoleSize?.height ?? 0,
    columns: consoleSize?.width ?? 0,
    bindConsole: bind ? 1 : 0,
  });
}
