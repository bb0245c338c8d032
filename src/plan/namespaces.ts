// linux.namespaces -> in which namespaces init is born, which it makes itself and which it joins, and in what order.

import { type CgroupRecord, cloneDirectory, tasksFiles } from "../cgroup/record.ts";
import type { Config, NamespaceType } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import type { HostFacts } from "./facts.ts";
import { SyncPoint } from "./ops.generated.ts";
import { type Plan, type Slot, type Step, step } from "./plan.ts";

type Namespaces = Omit<Plan, "slots">;

/**
 * The namespace part of a container's plan. Slots of joined namespaces are appended to `slots`.
 *
 * Without a user namespace the pid namespace is made by clone3, so that no further process is needed. With one it must
 * belong to it, and id maps come in between: init unshares it, and forks to become its first process.
 *
 * @param early what is to be done before the cgroup is entered
 */
export function planNamespaces(
  config: Config,
  facts: HostFacts,
  cgroup: CgroupRecord,
  slots: Slot[],
  early: readonly Step[],
): Namespaces {
  const wanted = config.linux?.namespaces ?? [];
  const at = (type: NamespaceType): string => `/linux/namespaces/${wanted.findIndex((entry) => entry.type === type)}`;
  const isNew = (type: NamespaceType): boolean => wanted.some((entry) => entry.type === type && !entry.path);
  const joined = wanted.filter((entry) => entry.path);
  const usesUser = wanted.some((entry) => entry.type === "user");
  const steps: Step[] = [launchedStop];
  const make = (types: readonly NamespaceType[]): void => {
    if (types.length > 0) steps.push(step("/linux/namespaces", { op: "unshare", flags: flagsOf(types) }));
    if (types.includes("network")) steps.push(step(at("network"), { op: "loopback_up" }));
  };
  const rest = (["mount", "network", "ipc", "uts"] as const).filter(isNew);
  const tight = isTight(config, facts);
  if (tight) make(rest);
  steps.push(...early);
  const late = tight && cgroup.driver !== "none" && cgroup.version === "v2" ? cloneDirectory(cgroup) : undefined;
  steps.push(...planJoinCgroup(late === undefined ? tasksFiles(cgroup) : [`${late}/cgroup.procs`], slots));

  // All others first, while we are privileged over them; without privilege only the user namespace gives us some.
  const order = [...joined].sort((a, b) => rank(a.type, facts.privileged) - rank(b.type, facts.privileged));
  for (const { type, path } of order) {
    const slot = slots.push({ kind: "namespace", type, path: path as string, at: at(type) }) - 1;
    steps.push(step(at(type), { op: "join", slot, flags: namespaces[type].flag }));
    if (type === "user") steps.push(step(at(type), { op: "become_root" }));
  }
  if (isNew("user")) {
    steps.push(step(at("user"), { op: "unshare", flags: namespaces.user.flag }));
    steps.push(step("/linux/uidMappings", { op: "sync", point: SyncPoint.userns }));
    steps.push(step(at("user"), { op: "become_root" }));
  }

  // The rest at once, by init itself in its final cgroup: so what they cost is accounted there, the cgroup namespace has
  // the right root, and the runtime has time to write its files. Only the pid namespace is entered by birth.
  make([
    ...(tight ? [] : rest),
    ...(isNew("cgroup") ? ["cgroup" as const] : []),
    ...(usesUser && isNew("pid") ? ["pid" as const] : []),
  ]);
  if (isNew("time")) {
    steps.push(step(at("time"), { op: "unshare", flags: namespaces.time.flag }));
    if (config.linux?.timeOffsets !== undefined) {
      steps.push(step("/linux/timeOffsets", { op: "sync", point: SyncPoint.timens }));
    }
  }
  const forks = joined.some((entry) => entry.type === "pid") || (usesUser && isNew("pid"));
  if (forks) steps.push(step(at("pid"), { op: "fork", flags: 0 }));
  else if (isNew("time")) steps.push(step(at("time"), { op: "enter_time" }));

  return {
    cloneFlags: !usesUser && isNew("pid") ? namespaces.pid.flag : 0,
    steps,
    ...(late === undefined ? {} : { entersCgroup: true }),
  };
}

/**
 * Whether the memory limit is so small that what init needs for the namespaces (100 KiB for a network, 320 bytes for each
 * mount of the host) and has touched so far would count. Then it enters its cgroup after all that, which on v2 takes some
 * 10 ms longer than to be born there.
 */
export function isTight(config: Config, facts: HostFacts): boolean {
  const limit = config.linux?.resources?.memory?.limit ?? 0;
  return limit > 0 && limit < 1 << 20 && facts.privileged && !hasNamespace(config, "user");
}

function flagsOf(types: readonly NamespaceType[]): number {
  return types.reduce((flags, type) => flags | namespaces[type].flag, 0);
}

/** The first step of an init that the runtime attends to: it notes who that is, and the rest of its own preparations. */
export const launchedStop = step("", { op: "sync", point: SyncPoint.launched });

/** Init enters its cgroup by itself where it isn't born there, by these files. Adds the slots it needs. */
export function planJoinCgroup(files: readonly string[], slots: Slot[]): Step[] {
  if (files.length === 0) return [];
  const first = slots.length;
  slots.push(...files.map((path) => ({ kind: "cgroup", path }) as const));
  return [step("/linux/cgroupsPath", { op: "join_cgroup", first, count: files.length })];
}

function rank(type: NamespaceType, privileged: boolean): number {
  if (type === "user") return privileged ? 2 : 0;
  // a joined mount namespace hides the host's paths, so it comes after the others (they are descriptors anyway)
  return 1;
}

/** Whether the container gets this namespace, new or joined. */
export function hasNamespace(config: Config, type: NamespaceType): boolean {
  return config.linux?.namespaces?.some((entry) => entry.type === type) ?? false;
}

/** Whether a new one is made. */
export function hasNewNamespace(config: Config, type: NamespaceType): boolean {
  return config.linux?.namespaces?.some((entry) => entry.type === type && !entry.path) ?? false;
}
