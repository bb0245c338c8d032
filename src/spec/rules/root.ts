// root, and what is done to paths below it: masks, read-only paths, propagation. All of it needs a mount namespace of
// the container's own; without one it would be done to the host.

import type { Config } from "../config.ts";
import { type Problem, quote, type Report } from "../problem.ts";
import { findNamespace } from "./namespaces.ts";

export function checkRoot({ root, linux }: Config, { error }: Report): void {
  const problem = rootProblem(root);
  if (problem !== undefined) {
    error({
      at: root === undefined ? "/root" : "/root/path",
      message: problem,
      rule: "root-path",
      section: "config.md#root",
    });
  }
  if (findNamespace(linux, "mount") === undefined) {
    const masks = (linux?.maskedPaths?.length ?? 0) + (linux?.readonlyPaths?.length ?? 0) > 0;
    const message = masks
      ? "unable to restrict sys entries without a private MNT namespace"
      : 'must list a namespace of type "mount": mounts would be made in the host\'s';
    error({ at: "/linux/namespaces", message, rule: "mount-namespace", section: "config-linux.md#namespaces" });
  }
}

function rootProblem(root: Config["root"]): string | undefined {
  if (root === undefined) return "root must be specified";
  return root.path === "" ? "must not be empty" : undefined;
}

export function checkMasks({ linux }: Config, { error }: Report): void {
  for (const list of ["maskedPaths", "readonlyPaths"] as const) {
    linux?.[list]?.forEach((path, index) => {
      const message = maskProblem(path);
      if (message === undefined) return;
      const problem: Problem = {
        at: `/linux/${list}/${index}`,
        message,
        rule: "mask-absolute",
        section: list === "maskedPaths" ? "config-linux.md#masked-paths" : "config-linux.md#readonly-paths",
      };
      error(problem);
    });
  }
}

function maskProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return `must be an absolute path, not ${quote(path)}`;
  return /^[/.]*$/.test(path) ? `is ${quote(path)}, the root itself` : undefined;
}
