// ps: the processes of a container, which are those of its cgroup and its sub-cgroups.

import { host } from "#host";
import { listPids } from "../cgroup/manager.ts";
import { UserError } from "../errors.ts";
import { findProgram, searchPath } from "./programs.ts";
import { load, type Store } from "./store.ts";

const maxOutput = 64 << 20;

/** The pids, as this pid namespace knows them. A stopped container may have left some. */
export function containerPids(store: Store, id: string): readonly number[] {
  const { cgroup } = load(store, id);
  if (cgroup.driver === "none") {
    throw new UserError("the container has no cgroup, so its processes can't be told", { code: "cgroup" });
  }
  // 0 stands for a process of a pid namespace that isn't below ours
  return listPids(cgroup)
    .filter((pid) => pid > 0)
    .sort((a, b) => a - b);
}

/** The host's process table, cut down to the pids. The options are those of ps(1); none: -ef. */
export function processTable(pids: readonly number[], options: readonly string[]): string {
  return selectRows(runPs(options.length === 0 ? ["-ef"] : options), pids);
}

/** The header, and the rows whose PID column is one of the pids. */
export function selectRows(table: string, pids: readonly number[]): string {
  const [header = "", ...rows] = table.split("\n");
  const column = words(header).indexOf("PID");
  if (column < 0) {
    throw new UserError("couldn't find PID field in ps output", { hint: "let ps show the column PID: -o pid,..." });
  }
  const wanted = new Set(pids.map(String));
  const selected = rows.filter((row) => wanted.has(words(row)[column] ?? ""));
  return `${[header, ...selected].join("\n")}\n`;
}

function words(line: string): readonly string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}

function runPs(options: readonly string[]): string {
  const path = findPs();
  const [status, output, complaint] = host.runProgram(path, ["ps", ...options], host.environ(), maxOutput);
  if (status === 0) return output;
  const why = complaint.trim().split("\n")[0] ?? "";
  throw new UserError(
    `ps ${options.join(" ")} ended with ${status < 0 ? "signal" : "status"} ${Math.abs(status)}: ${why}`,
  );
}

function findPs(): string {
  const found = findProgram("ps");
  if (found !== undefined) return found;
  throw new UserError(`the program ps is needed, and is in none of ${searchPath().replaceAll(":", ", ")}`, {
    hint: "install it (procps), or use --format json",
  });
}
