// A mount of type cgroup. On v2 it is one file system. On v1 it is a tmpfs with one directory for each hierarchy,
// showing the container's own cgroup only: by the cgroup namespace, or by binding just that directory.

import type { Config } from "../spec/config.ts";
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
} from "../spec/tables/mount-flags.ts";
import type { CreateRequest, HostFacts } from "./facts.ts";
import type { AttributeChange } from "./mount-options.ts";
import { hasNamespace } from "./namespaces.ts";
import { PLAN_MOUNT_BIND_FALLBACK } from "./ops.generated.ts";
import { type Step, step } from "./plan.ts";

interface Where {
  readonly at: string;
  readonly path: string;
  readonly attributes: AttributeChange;
}

interface Steps {
  readonly now: readonly Step[];
  readonly later: readonly Step[];
}

export function planCgroupMount(config: Config, facts: HostFacts, request: CreateRequest, where: Where): Steps {
  const { cgroup } = facts;
  switch (cgroup.mode) {
    case "none":
      return { now: [], later: [] };
    case "v2":
      return { now: [unified(where, cgroup.unified.mount)], later: [] };
    case "v1":
      return hierarchies(config, cgroup.hierarchies, request, where);
  }
}

function unified({ at, path, attributes }: Where, hostMount: string): Step {
  return step(at, {
    op: "mount",
    type: "cgroup2",
    source: hostMount,
    options: [],
    attr: attributes.set,
    recursiveSet: 0,
    recursiveClear: 0,
    propagation: [],
    path,
    flags: PLAN_MOUNT_BIND_FALLBACK,
  });
}

type Hierarchies = Extract<HostFacts["cgroup"], { mode: "v1" }>["hierarchies"];

function hierarchies(
  config: Config,
  list: Hierarchies,
  request: CreateRequest,
  { at, path, attributes }: Where,
): Steps {
  const none = { recursiveSet: 0, recursiveClear: 0, propagation: [], flags: 0 };
  const now: Step[] = [
    step(at, {
      op: "mount",
      type: "tmpfs",
      source: "tmpfs",
      options: ["mode=755"],
      attr: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
      path,
      ...none,
    }),
  ];
  const ownNamespace = hasNamespace(config, "cgroup");
  for (const { controllers, name, mount, own } of list) {
    const base = mount.slice(mount.lastIndexOf("/") + 1);
    const target = `${path}/${base}`;
    if (ownNamespace) {
      const options = name === "" ? controllers : ["none", `name=${name}`];
      now.push(
        step(at, {
          op: "mount",
          type: "cgroup",
          source: "cgroup",
          options,
          attr: attributes.set,
          path: target,
          ...none,
        }),
      );
    } else {
      const hostPath = containerDirectory(request, mount) ?? `${mount}${own}`;
      const attr = { attrSet: attributes.set, attrClear: attributes.clear };
      now.push(step(at, { op: "bind", hostPath, ...attr, path: target, ...none }));
    }
    if (controllers.length < 2) continue;
    for (const controller of controllers) {
      if (controller !== base)
        now.push(step(at, { op: "link", target: base, path: `${path}/${controller}`, replace: 0 }));
    }
  }
  const readonly = (attributes.set & MOUNT_ATTR_RDONLY) !== 0;
  const later = readonly ? [step(at, { op: "remount", path, attrSet: MOUNT_ATTR_RDONLY } as const)] : [];
  return { now, later };
}

function containerDirectory({ cgroup }: CreateRequest, mount: string): string | undefined {
  if (cgroup.driver === "none") return undefined;
  return cgroup.directories.find((directory) => directory.mount === mount)?.path;
}
