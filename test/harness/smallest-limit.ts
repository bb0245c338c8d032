/** The smallest memory limit that a container starts within. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Box } from "./box.ts";
import type { Config } from "./config.ts";

export interface Trial {
  /** The command line of a runtime's command */
  readonly command: (...args: string[]) => string[];
  /** A bundle whose config is rewritten for each limit */
  readonly bundle: string;
  readonly id: string;
  /** `run`, or `create` and `start` */
  readonly way: "run" | "create";
  /** KiB within which it surely starts, and how exact the answer is to be */
  readonly highest: number;
  readonly step: number;
  /**
   * How often each limit is tried. One start has good or bad luck by some pages: what the kernel still has to free from
   * the last one, and on which CPU
   */
  readonly tries: number;
}

/** Bisects the limit, in KiB, at which most attempts succeed. */
export function smallestLimit(trial: Trial): number {
  let fails = 0;
  let works = trial.highest;
  while (works - fails > trial.step) {
    const limit = Math.floor((works + fails) / 2);
    if (startsWithin(trial, limit)) works = limit;
    else fails = limit;
  }
  return works;
}

/** The same for a runtime by its command line, in a box of the tests. */
export function smallestLimitIn(
  box: Box,
  argv: readonly string[],
  trial: Omit<Trial, "command" | "bundle" | "id">,
): number {
  const command = (...args: string[]): string[] => [...argv, "--root", box.root, ...args];
  return smallestLimit({ ...trial, command, bundle: box.bundle([]), id: box.newId() });
}

function startsWithin(trial: Trial, limit: number): boolean {
  const file = join(trial.bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as Config;
  config.process.args = ["/bin/touch", "/tmp/started"];
  config.linux.resources = { ...config.linux.resources, memory: { limit: limit * 1024 } };
  writeFileSync(file, JSON.stringify(config));
  const tally = { good: 0, bad: 0 };
  while (Math.max(tally.good, tally.bad) <= trial.tries / 2) tally[attempt(trial) ? "good" : "bad"]++;
  return tally.good > tally.bad;
}

/** One start; nothing is left of it. The file that the program makes shows that it came to run. */
function attempt({ command, bundle, id, way }: Trial): boolean {
  const call = (...args: string[]): SpawnSyncReturns<string> => {
    const [program = "", ...rest] = command(...args);
    // a container inherits what `create` was given, and outlives it
    const output = args[0] === "state" ? "pipe" : "ignore";
    return spawnSync(program, rest, { stdio: ["ignore", output, "ignore"], encoding: "utf8" });
  };
  const made = join(bundle, "rootfs/tmp/started");
  rmSync(made, { force: true });
  const steps =
    way === "run"
      ? [["run", "--bundle", bundle, id]]
      : [
          ["create", "--bundle", bundle, id],
          ["start", id],
        ];
  const began = steps.every((args) => call(...args).status === 0);
  for (let wait = 0; began && way === "create" && wait < 200; wait++)
    if (JSON.parse(call("state", id).stdout).status === "stopped") break;
  call("delete", "--force", id);
  return began && existsSync(made);
}
