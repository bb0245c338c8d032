/** Units of systemd, and containers that are some. */
import { execFileSync } from "node:child_process";
import type { Box } from "../harness/box.ts";

/** Properties of a unit, as systemctl shows them. */
export function show(unit: string, ...names: string[]): Record<string, string> {
  const text = execFileSync("systemctl", ["show", unit, ...names.map((name) => `--property=${name}`)], {
    encoding: "utf8",
  });
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Whether systemd knows the unit. */
export function loaded(unit: string): boolean {
  return show(unit, "LoadState")["LoadState"] !== "not-found";
}

/** The box with --systemd-cgroup in front of every command that makes a container. */
export function withSystemd(box: Box): Box {
  const argv = box.argv.bind(box);
  box.argv = (...args) =>
    ["create", "run"].includes(args[0] ?? "") ? argv("--systemd-cgroup", ...args) : argv(...args);
  return box;
}

/** The unit of a cgroupsPath slice:TAG:name. */
export function scope(box: Box, name: string): string {
  return `${box.tag}-${name}.scope`;
}
