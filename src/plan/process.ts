// process -> what init does to itself before it becomes the program. The order is the kernel's: what needs privilege
// comes before it is dropped, what reveals or restricts comes as late as it can (docs/architecture.md).

import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { Capabilities, CapabilitySet, Config, Process } from "../spec/config.ts";
import { honoured } from "../spec/tables/annotations.ts";
import { capabilities, capabilityMask, capabilityNumber } from "../spec/tables/capabilities.ts";
import { rlimitNumber } from "../spec/tables/rlimits.ts";
import type { CreateRequest, ProcessFacts } from "./facts.ts";
import { hasNamespace } from "./namespaces.ts";
import { type Plan, type Step, step } from "./plan.ts";
import { planAffinity, planScheduling } from "./scheduling.ts";

interface ProcessSteps {
  /** Up to the commit */
  readonly before: readonly Step[];
  /** After `start`, up to the exec */
  readonly after: readonly Step[];
  readonly filter: Plan["filter"];
}

/** The steps for a container's process, or for one that joins it. */
export function planProcess(
  config: Config,
  process: Process,
  facts: ProcessFacts,
  { environment, seccomp, createCwd }: Pick<CreateRequest, "environment" | "seccomp"> & { readonly createCwd: boolean },
): ProcessSteps {
  const uid = process.user?.uid ?? 0;
  const gid = process.user?.gid ?? 0;
  const filter = planSeccomp(config, facts, seccomp);
  const fetch = filter === undefined ? [] : [step("/linux/seccomp", { op: "filter" } as const)];
  const late = process.noNewPrivileges === true;
  // a listener must be handed over while the runtime is still there
  const filterBeforeCommit = filter !== undefined && (!late || filter.notify);
  const env = lastWins([...(process.env ?? []), ...environment]);
  const before: Step[] = [
    step("/process/user/umask", { op: "umask", mask: process.user?.umask ?? 0o022 }),
    ...(late ? [step("/process/noNewPrivileges", { op: "no_new_privs" } as const)] : []),
    ...planAffinity(createCwd ? undefined : process.execCPUAffinity),
    ...planScheduling(config, process),
    ...planLabels(process),
    ...(filterBeforeCommit && !late ? [...fetch, filter.step] : []),
    step("/process/env", { op: "env", vars: env }),
    ...(env.some((entry) => entry.startsWith("HOME=") && entry.length > "HOME=".length)
      ? []
      : [step("/process/env", { op: "home", uid } as const)]),
    step("/process/user/uid", { op: "stdio_owner", uid }),
    step("/process/cwd", { op: "cwd", path: process.cwd, create: createCwd ? 1 : 0, optional: 1 }),
    ...planIdentity(config, process, facts, uid, gid),
    step("/process/cwd", { op: "cwd", path: process.cwd, create: 0, optional: 0 }),
    step("/process/args", { op: "program", args: process.args ?? [] }),
    ...(late ? fetch : []),
    ...(filterBeforeCommit && late ? [filter.step] : []),
  ];
  const after: Step[] = [
    ...(process.rlimits ?? []).map((limit, index) => {
      const resource = rlimitNumber(limit.type);
      const at = `/process/rlimits/${index}`;
      if (resource === undefined) throw new UserError(`wrong rlimit value: ${limit.type}`, { at });
      return step(at, { op: "rlimit", resource, soft: limit.soft, hard: limit.hard } as const);
    }),
    ...(filter !== undefined && !filterBeforeCommit ? [filter.step] : []),
    step("/process/args", { op: "exec" }),
  ];
  return { before, after, filter: filter?.program };
}

/** Of variables given twice the last counts, at the place of the first. */
function lastWins(env: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (const entry of env) byName.set(entry.slice(0, entry.indexOf("=")), entry);
  return [...byName.values()];
}

function planLabels(process: Process): readonly Step[] {
  const steps: Step[] = [];
  if (process.apparmorProfile) {
    const label = process.apparmorProfile;
    steps.push(step("/process/apparmorProfile", { op: "lsm_label", lsm: "apparmor", file: "exec", label }));
  }
  if (process.selinuxLabel) {
    const label = process.selinuxLabel;
    steps.push(step("/process/selinuxLabel", { op: "lsm_label", lsm: "selinux", file: "exec", label }));
  }
  return steps;
}

const all = (1n << 64n) - 1n;

/** Bounding set, groups, ids, then the other sets: exactly what the config lists; a set that is absent is empty. */
function planIdentity(
  config: Config,
  process: Process,
  facts: ProcessFacts,
  uid: number,
  gid: number,
): readonly Step[] {
  const at = "/process/capabilities";
  // in a user namespace the container's root has them all
  const granted = hasNamespace(config, "user") ? all : facts.capabilities;
  const set = (name: CapabilitySet): bigint => capabilityMask(process.capabilities?.[name] ?? []) & granted;
  warnUngranted(process.capabilities, granted);
  const gids = process.user?.additionalGids ?? [];
  const keepGroups = config.annotations?.[honoured.keepGroups] !== undefined;
  return [
    step(`${at}/bounding`, { op: "bounding", keep: set("bounding") }),
    ...(keepGroups ? [] : [step("/process/user/additionalGids", { op: "groups", gids } as const)]),
    step("/process/user", { op: "identity", uid, gid }),
    step(at, {
      op: "capabilities",
      effective: set("effective"),
      permitted: set("permitted"),
      inheritable: set("inheritable"),
      ambient: set("ambient"),
    }),
  ];
}

/** config.md#linux-process: what can't be granted is logged, and is no error. */
function warnUngranted(sets: Capabilities | undefined, granted: bigint): void {
  const names = Object.values(sets ?? {}).flat();
  if (names.every((name) => capabilityNumber(name) !== undefined) && (capabilityMask(names) & ~granted) === 0n) return;
  const refused = [...new Set(names)].filter((name) => ((granted >> BigInt(capabilities[name] ?? 63)) & 1n) === 0n);
  if (refused.length > 0) log.warn(`ignoring unknown or unavailable capabilities: [${refused.join(" ")}]`);
}

function planSeccomp(
  config: Config,
  facts: ProcessFacts,
  prepare: CreateRequest["seccomp"],
): { readonly step: Step; readonly notify: boolean; readonly program: () => Uint8Array } | undefined {
  const profile = config.linux?.seccomp;
  if (profile === undefined) return undefined;
  if (prepare === undefined) throw new TypeError("a config with a seccomp profile needs the seccomp compiler");
  const prepared = prepare(profile, { arch: facts.machine });
  const { flagBits, notify } = prepared;
  return {
    step: step("/linux/seccomp", { op: "seccomp", flags: flagBits, notify: notify ? 1 : 0 }),
    notify,
    program: () => {
      const { program, skipped } = prepared.compile();
      if (skipped.length > 0) log.debug(() => `seccomp: unknown system calls skipped: ${skipped.join(" ")}`);
      return program;
    },
  };
}
