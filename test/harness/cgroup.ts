/** Cgroups of containers as the tests see them, on v1, hybrid and v2 machines. */
import { existsSync, readFileSync } from "node:fs";
import type { Container } from "./box.ts";

export const v2: boolean = existsSync("/sys/fs/cgroup/cgroup.controllers");

/** Where the process is, by controller ("" is the v2 hierarchy). */
export function membership(pid: number | "self"): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [, controllers = "", ...path] = line.split(":");
      return controllers.split(",").map((controller): [string, string] => [controller, path.join(":")]);
    }),
  );
}

/** The container's directory in the hierarchy of a v1 controller, or in the one of v2. The container must have a process. */
export function cgroupDirectory(container: Container, controller: string): string {
  const path = membership(container.pid).get(v2 ? "" : controller) ?? "/";
  if (path === "/")
    throw new Error(`${container.id}: process ${container.pid} has ended, or is in no cgroup of ${controller}`);
  return v2 ? `/sys/fs/cgroup${path}` : `/sys/fs/cgroup/${controller}${path}`;
}

/** What a file of the container's cgroup says. */
export function cgroupFile(container: Container, controller: string, v1Name: string, v2Name: string): string {
  return readFileSync(`${cgroupDirectory(container, controller)}/${v2 ? v2Name : v1Name}`, "utf8").trim();
}
