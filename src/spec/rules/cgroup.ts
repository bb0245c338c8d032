// linux.cgroupsPath: a place below the cgroup root, never one beside it.

import type { Config } from "../config.ts";
import type { Facts } from "../facts.ts";
import { quote, type Report } from "../problem.ts";

export function checkCgroupsPath({ linux }: Config, { systemdCgroup }: Facts, { error }: Report): void {
  const path = linux?.cgroupsPath ?? "";
  if (path === "") return;
  const message = problemWith(path, systemdCgroup);
  if (message === undefined) return;
  error({ at: "/linux/cgroupsPath", message, rule: "cgroups-path", section: "config-linux.md#cgroups-path" });
}

function problemWith(path: string, systemd: boolean): string | undefined {
  if (path.includes("\n")) return "must be one line";
  if (path.split("/").includes("..")) return `is ${quote(path)}, must not have ".." in it`;
  if (!systemd || path.split(":").length === 3) return undefined;
  const expected = 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups';
  return `${expected}, got ${quote(path)} instead`;
}
