// doctor: the layout of cgroups and what may be done in them.

import { host } from "#host";
import { type CgroupLayout, readLayout } from "../cgroup/layout.ts";
import { Errno, errnoText, isErrno } from "../errors.ts";
import { type Check, isPrivileged, kernelText } from "./doctor.ts";
import { abandon, startInit } from "./init.ts";

const area = "cgroups";

export function cgroupChecks(): readonly Check[] {
  const layout = readLayout();
  switch (layout.mode) {
    case "none":
      return [
        {
          area,
          name: "layout",
          status: "missing",
          detail: "no cgroups are mounted",
          fix: "mount -t cgroup2 none /sys/fs/cgroup, or use --cgroup-manager disabled",
          needed: true,
        },
      ];
    case "v1": {
      const has = layout.hierarchies.flatMap(({ controllers }) => controllers);
      const hybrid = layout.unified === undefined ? "" : ", with a v2 tree beside it";
      const detail = `v1, ${layout.hierarchies.length} hierarchies${hybrid}`;
      const fix = "boot with systemd.unified_cgroup_hierarchy=1 for v2: one tree, and rootless limits";
      return [
        { area, name: "layout", status: "limited", detail, fix },
        controllers(has, ["cpu", "cpuset", "memory", "pids", "devices", "freezer", "blkio"]),
        ...(layout.unified === undefined ? [] : [birth(layout.unified)]),
      ];
    }
    case "v2": {
      const own = `${layout.unified.mount}${layout.unified.own}`;
      const has = (kernelText(`${own}/cgroup.controllers`) ?? "").split(" ").filter((name) => name !== "");
      return [
        { area, name: "layout", status: "ok", detail: "v2" },
        controllers(has, ["cpu", "cpuset", "memory", "pids", "io"]),
        delegation(layout),
        birth(layout.unified),
        killFile(layout.unified.mount),
      ];
    }
  }
}

function controllers(has: readonly string[], wanted: readonly string[]): Check {
  const missing = wanted.filter((name) => !has.includes(name));
  const name = "controllers";
  if (missing.length === 0) return { area, name, status: "ok", detail: has.join(", ") };
  return {
    area,
    name,
    status: "limited",
    detail: `${has.length === 0 ? "none" : has.join(", ")}; without ${missing.join(", ")}`,
    fix: isPrivileged()
      ? "enable them in cgroup.subtree_control of the cgroups above, or on the kernel's command line (cgroup_enable=)"
      : "let systemd delegate them: Delegate=cpu cpuset io memory pids in a drop-in of user@.service",
  };
}

/** Whether we may make cgroups beside our own. Asked by the owner of the directory: trying it would leave a trace. */
function delegation({ unified }: Extract<CgroupLayout, { mode: "v2" }>): Check {
  const name = "delegation";
  const [, euid] = host.ids();
  const parent = `${unified.mount}${unified.own.slice(0, unified.own.lastIndexOf("/"))}`;
  if (euid === 0 || host.stat(parent, true)?.[2] === euid) {
    return { area, name, status: "ok", detail: `cgroups can be made in ${parent}` };
  }
  return {
    area,
    name,
    status: "limited",
    detail: `${parent} belongs to somebody else`,
    fix: "start from a unit with Delegate=yes (systemd-run --user --scope -p Delegate=yes), or use --cgroup-manager disabled",
  };
}

/** CLONE_INTO_CGROUP: a process born in its cgroup, tried with the cgroup that we are in. */
function birth({ mount, own }: { readonly mount: string; readonly own: string }): Check {
  const name = "CLONE_INTO_CGROUP";
  const directory = { controllers: [], name: "", mount, path: `${mount}${own}` };
  try {
    abandon(
      startInit({ cloneFlags: 0, slots: [], steps: [] }, [], [-1, -1, -1], {
        driver: "cgroupfs",
        version: "v2",
        directories: [directory],
      }),
    );
    return { area, name, status: "ok", detail: "init is born in its cgroup" };
  } catch (error) {
    if (!isErrno(error)) throw error;
    const detail = `${error.call}: ${errnoText(error.errno)}`;
    if (isErrno(error, Errno.EACCES, Errno.EPERM)) {
      const fix = "start from a cgroup that is ours (systemd-run --user --scope -p Delegate=yes)";
      return { area, name, status: "limited", detail: `not into the cgroup that we are in: ${detail}`, fix };
    }
    return { area, name, status: "missing", detail, fix: "use linux 5.7 or newer" };
  }
}

/** cgroup.kill is a file of every cgroup but the root. */
function killFile(mount: string): Check {
  const name = "cgroup.kill";
  const example = host.listDir(mount).find((entry) => host.stat(`${mount}/${entry}`, false)?.[0] === "directory");
  if (example === undefined)
    return { area, name, status: "ok", detail: "can't be told: there is no cgroup but the root" };
  if (host.stat(`${mount}/${example}/cgroup.kill`, false) !== undefined) {
    return { area, name, status: "ok", detail: "a whole container is killed at once" };
  }
  const detail = "this kernel doesn't have it: processes are frozen and killed one by one";
  return { area, name, status: "limited", detail, fix: "use linux 5.14 or newer" };
}
