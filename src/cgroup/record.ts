// Where a container's cgroup is: decided once at create, saved with the state, used by every later command.

import { UserError } from "../errors.ts";
import type { CgroupLayout } from "./layout.ts";

/** The container's directory in one hierarchy. On v2 there is one, with no controllers and no name. */
export interface CgroupDirectory {
  readonly controllers: readonly string[];
  /** "systemd" for v1's name=systemd; "unified" for the v2 tree of a hybrid machine; else "" */
  readonly name: string;
  /** Mount point of the hierarchy */
  readonly mount: string;
  /** Absolute path of the directory */
  readonly path: string;
}

/** A container's cgroup as saved in its state. */
export type CgroupRecord =
  | { readonly driver: "none" }
  | {
      readonly driver: "cgroupfs";
      readonly version: "v1" | "v2";
      readonly directories: readonly CgroupDirectory[];
      /** Of the directory whose processes are the container's; known once it is made */
      readonly inode?: number | undefined;
    }
  | {
      readonly driver: "systemd";
      readonly version: "v1" | "v2";
      readonly directories: readonly CgroupDirectory[];
      readonly inode?: number | undefined;
      /** The scope's name and slice, and whose systemd runs it */
      readonly unit: string;
      readonly slice: string;
      readonly manager: "system" | "user";
    };

/** What there is of cgroup managers, for `features`. */
export const cgroupManagers = { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true } as const;

const at = "/linux/cgroupsPath";

/**
 * The cgroup for a container: an absolute cgroupsPath counts from the root of each hierarchy, a relative one (and the
 * id, when none is given) from our own cgroup: below it on v1, beside it on v2, where inner cgroups hold no processes.
 */
export function planCgroup(layout: CgroupLayout, cgroupsPath: string | undefined, id: string): CgroupRecord {
  const wanted = cgroupsPath === undefined || cgroupsPath === "" ? id : cgroupsPath;
  if (wanted.split("/").includes("..")) {
    throw new UserError(`cgroupsPath "${wanted}" must not contain ".."`, { at, code: "cgroup" });
  }
  switch (layout.mode) {
    case "none":
      return { driver: "none" };
    case "v2": {
      const { mount, own } = layout.unified;
      const base = own.slice(0, own.lastIndexOf("/"));
      return { driver: "cgroupfs", version: "v2", directories: [directory([], "", mount, base, wanted)] };
    }
    case "v1": {
      const directories = layout.hierarchies.map((hierarchy) =>
        directory(hierarchy.controllers, hierarchy.name, hierarchy.mount, hierarchy.own, wanted),
      );
      if (layout.unified !== undefined) {
        directories.push(directory([], "unified", layout.unified.mount, layout.unified.own, wanted));
      }
      return { driver: "cgroupfs", version: "v1", directories };
    }
  }
}

function directory(
  controllers: readonly string[],
  name: string,
  mount: string,
  base: string,
  wanted: string,
): CgroupDirectory {
  const relative = (wanted.startsWith("/") ? wanted : `${base}/${wanted}`)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (relative.includes("..")) {
    throw new UserError(`our own cgroup "${base}" lies outside of the cgroup namespace`, {
      at,
      code: "cgroup",
      hint: "give an absolute cgroupsPath",
    });
  }
  if (relative.length === 0) {
    throw new UserError(`cgroupsPath "${wanted}" is the root of the hierarchy, which can't be a container's`, {
      at,
      code: "cgroup",
      hint: "name a cgroup below it",
    });
  }
  return { controllers, name, mount, path: [mount, ...relative].join("/") };
}

/** Systemd makes the cgroup only when there is a process to put into it. */
function isThere(record: CgroupRecord): boolean {
  return record.driver === "cgroupfs" || (record.driver === "systemd" && record.inode !== undefined);
}

/** The files by which init enters by itself where it can't be born: those of v1 hierarchies. */
export function tasksFiles(record: CgroupRecord): readonly string[] {
  if (record.driver === "none" || record.version === "v2" || !isThere(record)) return [];
  return record.directories.filter(({ name }) => name !== "unified").map(({ path }) => `${path}/tasks`);
}

/** The directory that init is born in (CLONE_INTO_CGROUP): that of the v2 hierarchy, if there is one. */
export function cloneDirectory(record: CgroupRecord): string | undefined {
  if (record.driver === "none" || !isThere(record)) return undefined;
  if (record.version === "v2") return record.directories[0]?.path;
  return record.directories.find(({ name }) => name === "unified")?.path;
}
