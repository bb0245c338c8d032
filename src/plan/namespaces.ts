// linux.namespaces -> in which namespaces init is born, which it makes itself and which it joins, and in what order.

import { type CgroupRecord, tasksDirectories } from "../cgroup/record.ts";
import type { Config, NamespaceType } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import type { HostFacts } from "./facts.ts";
import { SyncPoint } from "./ops.generated.ts";
import { type Slot, type Step, step } from "./plan.ts";

interface Namespaces {
  readonly cloneFlags: number;
  readonly steps: readonly Step[];
}

/**
 * The namespace part of a container's plan. Slots of joined namespaces are appended to `slots`.
 *
 * Without a user namespace the pid namespace is made by clone3, so that no further process is needed. With one it must
 * belong to it, and id maps come in between: init unshares it, and forks to become its first process.
 */
export function planNamespaces(config: Config, facts: HostFacts, cgroup: CgroupRecord, slots: Slot[]): Namespaces {
  const wanted = config.linux?.namespaces ?? [];
  const at = (type: NamespaceType): string => `/linux/namespaces/${wanted.findIndex((entry) => entry.type === type)}`;
  const isNew = (type: NamespaceType): boolean => wanted.some((entry) => entry.type === type && !entry.path);
  const joined = wanted.filter((entry) => entry.path);
  const usesUser = wanted.some((entry) => entry.type === "user");
  // Not in a cgroup of v1 yet: a network namespace costs some 100 KiB, which a small memory limit needn't bear.
  const early = facts.privileged && !usesUser && isNew("network") && tasksDirectories(cgroup).length > 0;
  const loopback = (): Step => step(at("network"), { op: "loopback_up" });
  const network = (): Step => step(at("network"), { op: "unshare", flags: namespaces.network.flag });
  const steps: Step[] = planStart(cgroup, slots, early ? [network(), loopback()] : []);

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

  // All the others at once, by init itself in its final cgroup: so what they cost is accounted there, the cgroup namespace
  // has the right root, and the runtime has time to write its files. Only the pid namespace is entered by birth.
  const others: readonly NamespaceType[] = [
    "mount",
    "network",
    "ipc",
    "uts",
    "cgroup",
    ...(usesUser ? ["pid" as const] : []),
  ];
  const made = others.filter((type) => isNew(type) && !(early && type === "network"));
  if (made.length > 0) steps.push(step("/linux/namespaces", { op: "unshare", flags: flagsOf(made) }));
  if (isNew("time")) {
    steps.push(step(at("time"), { op: "unshare", flags: namespaces.time.flag }));
    if (config.linux?.timeOffsets !== undefined) {
      steps.push(step("/linux/timeOffsets", { op: "sync", point: SyncPoint.timens }));
    }
  }
  const forks = joined.some((entry) => entry.type === "pid") || (usesUser && isNew("pid"));
  if (forks) steps.push(step(at("pid"), { op: "fork", flags: 0 }));
  else if (isNew("time")) steps.push(step(at("time"), { op: "enter_time" }));
  if (isNew("network") && !early) steps.push(loopback());

  return { cloneFlags: !usesUser && isNew("pid") ? namespaces.pid.flag : 0, steps };
}

function flagsOf(types: readonly NamespaceType[]): number {
  return types.reduce((flags, type) => flags | namespaces[type].flag, 0);
}

/**
 * The first steps of every init: the runtime notes who it is, then it enters its cgroup before it allocates anything.
 *
 * @param before what is to be done outside of it
 */
export function planStart(cgroup: CgroupRecord, slots: Slot[], before: readonly Step[] = []): Step[] {
  return [step("", { op: "sync", point: SyncPoint.launched }), ...before, ...planJoinCgroup(cgroup, slots)];
}

/** Init enters its cgroup by itself where it can't be born there (v1). Adds the slots it needs. */
export function planJoinCgroup(cgroup: CgroupRecord, slots: Slot[]): Step[] {
  const paths = tasksDirectories(cgroup);
  if (paths.length === 0) return [];
  const first = slots.length;
  slots.push(...paths.map((path) => ({ kind: "cgroup", path }) as const));
  return [step("/linux/cgroupsPath", { op: "join_cgroup", first, count: paths.length })];
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
