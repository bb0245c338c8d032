// linux.memoryPolicy: which modes take nodes and flags, as set_mempolicy(2) has it.

import type { Config, MemoryPolicy } from "../config.ts";
import { listForm, parseList } from "../lists.ts";
import { quote, type Report } from "../problem.ts";

const section = "config-linux.md#memory-policy";

/** How many nodes a mode takes. */
const nodesOf: { readonly [mode in MemoryPolicy["mode"]]: "none" | "some" | "any" } = {
  MPOL_DEFAULT: "none",
  MPOL_LOCAL: "none",
  MPOL_PREFERRED: "any",
  MPOL_BIND: "some",
  MPOL_INTERLEAVE: "some",
  MPOL_WEIGHTED_INTERLEAVE: "some",
  MPOL_PREFERRED_MANY: "some",
};

export function checkMemoryPolicy({ linux }: Config, { error }: Report): void {
  const policy = linux?.memoryPolicy;
  if (policy === undefined) return;
  const report = (member: string, message: string): void =>
    error({ at: `/linux/memoryPolicy/${member}`, message, rule: "memory-policy", section });
  const nodes = checkNodes(policy, report);
  checkFlags(policy, nodes ?? 0, report);
}

type ErrorAt = (member: string, message: string) => void;

function checkNodes({ mode, nodes = "" }: MemoryPolicy, report: ErrorAt): number | undefined {
  const list = nodes === "" ? [] : parseList(nodes);
  if (list === undefined) {
    report("nodes", `is ${quote(nodes)}, must be ${listForm}`);
    return undefined;
  }
  const count = list.length;
  if (nodesOf[mode] === "none" && count > 0)
    report("nodes", `memory policy mode requires 0 nodes but got ${count} (${mode})`);
  if (nodesOf[mode] === "some" && count === 0) {
    report("nodes", `memory policy mode requires at least one node but got 0 (${mode})`);
  }
  return count;
}

function checkFlags({ mode, flags = [] }: MemoryPolicy, nodes: number, report: ErrorAt): void {
  const fixed = flags.includes("MPOL_F_STATIC_NODES");
  const relative = flags.includes("MPOL_F_RELATIVE_NODES");
  if (nodesOf[mode] === "none" && flags.length > 0) report("flags", `must be empty with ${mode}`);
  if (fixed && relative) report("flags", "must not hold both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES");
  if (mode === "MPOL_PREFERRED" && nodes === 0 && (fixed || relative)) {
    report("flags", "must have neither STATIC_NODES nor RELATIVE_NODES where MPOL_PREFERRED names no node");
  }
  if (flags.includes("MPOL_F_NUMA_BALANCING") && mode !== "MPOL_BIND") {
    report("flags", `MPOL_F_NUMA_BALANCING goes with MPOL_BIND only, not with ${mode}`);
  }
}
