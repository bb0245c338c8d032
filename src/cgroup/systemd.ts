// The systemd driver: a container is a scope of the machine's systemd, or of the user's. Systemd makes the cgroup, when init is
// there to be put into it, and knows the limits; the cgroup's files are written, too, as they can do more. Loaded only for
// containers that use it.

import { host } from "#host";
import { UserError } from "../errors.ts";
import type { Config, Resources } from "../spec/config.ts";
import { type CgroupLayout, parseProcCgroup } from "./layout.ts";
import type { CgroupDirectory, CgroupRecord } from "./record.ts";
import { annotatedProperties } from "./systemd/annotations.ts";
import type { Variant } from "./systemd/marshal.ts";
import { expandSlice, scopeName } from "./systemd/names.ts";
import { type Property, resourceProperties } from "./systemd/properties.ts";
import {
  attachProcesses,
  type Manager,
  managerProperty,
  setProperties,
  startUnit,
  stopUnit,
  withManager,
} from "./systemd/units.ts";

export type SystemdRecord = Extract<CgroupRecord, { driver: "systemd" }>;

/**
 * The scope for a container, and where its cgroup will be. Where process 1 isn't systemd it is asked for, so that a
 * machine without it is told before anything is done.
 *
 * @param manager whose it is: the machine's, or our own as a user
 */
export function planScope(layout: CgroupLayout, config: Config, id: string, manager: Manager): SystemdRecord {
  if (layout.mode === "none") throw new UserError("this machine has no cgroups", { code: "cgroup" });
  if (layout.mode === "v1" && manager === "user") {
    throw new UserError("the systemd driver for users needs cgroup v2", {
      at: "--systemd-cgroup",
      code: "unsupported",
      hint: "use the cgroupfs driver",
    });
  }
  const { slice, unit } = scopeName(
    config.linux?.cgroupsPath,
    id,
    manager === "system" ? "system.slice" : "user.slice",
  );
  const path = `${rootOf(manager)}${expandSlice(slice)}/${unit}`;
  const version = layout.mode;
  return { driver: "systemd", version, directories: directoriesAt(layout, path), unit, slice, manager };
}

/**
 * Whose systemd we are to ask. The machine's obeys root; and root of a user namespace, if it runs in that one as well (a
 * machine in LXC): then what it makes is root's own as we see it.
 */
export function managerFor({ privileged }: { readonly privileged: boolean }): Manager {
  const ours = privileged || (host.ids()[1] === 0 && host.stat("/run/systemd/system", true)?.[2] === 0);
  return ours ? "system" : "user";
}

/** The cgroup of which a manager's slices are children: "" for the root. Of process 1 we can see it, others are asked. */
function rootOf(manager: Manager): string {
  if (manager === "system") {
    const own = parseProcCgroup(host.readText("/proc/1/cgroup", 1 << 20)).find(
      ({ path, controllers }) => controllers.length === 0 && path.endsWith(initScope),
    );
    if (own !== undefined) return own.path.slice(0, -initScope.length);
  }
  const root = withManager(manager, (connection) => managerProperty(connection, "ControlGroup"));
  return typeof root === "string" && root !== "/" ? root : "";
}

/** Where a systemd puts itself. */
const initScope = "/init.scope";

function directoriesAt(layout: Exclude<CgroupLayout, { mode: "none" }>, path: string): readonly CgroupDirectory[] {
  const unified = (mount: string, name: string): CgroupDirectory => {
    return { controllers: [], name, mount, path: `${mount}${path}` };
  };
  if (layout.mode === "v2") return [unified(layout.unified.mount, "")];
  const directories = layout.hierarchies.map(({ controllers, name, mount }) => {
    return { controllers, name, mount, path: `${mount}${path}` };
  });
  return layout.unified === undefined ? directories : [...directories, unified(layout.unified.mount, "unified")];
}

/**
 * Starts the scope with init in it, and its limits as properties. Afterwards the cgroup exists, and init is in it (on v1: in
 * the hierarchies that systemd takes care of).
 */
export function startScope(record: SystemdRecord, config: Config, id: string, init: number): void {
  const { manager, unit, version } = record;
  const devices = manager === "system";
  const properties = [
    ...baseProperties(record, id, init),
    ...resourceProperties(config.linux?.resources ?? {}, { version, devices }),
    ...annotatedProperties(config.annotations),
  ];
  withManager(manager, (connection) => startUnit(connection, unit, properties));
  const { path } = ownDirectory(record);
  if (host.stat(path, false) === undefined) {
    throw new UserError(`systemd has started ${unit}, but ${path} is not there`, { code: "cgroup" });
  }
}

function baseProperties({ slice, version }: SystemdRecord, id: string, init: number): readonly Property[] {
  const yes: Variant = { signature: "b", value: true };
  const io = version === "v2" ? "IOAccounting" : "BlockIOAccounting";
  return [
    ["Description", { signature: "s", value: `tsrunc container ${id}` }],
    ["Slice", { signature: "s", value: slice }],
    ["Delegate", yes],
    ["PIDs", { signature: "au", value: [init] }],
    ...["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"].map((name): Property => [name, yes]),
    ["DefaultDependencies", { signature: "b", value: false }],
  ];
}

/** Puts a process into the directories that systemd has not put it into: on v1 those of the other controllers. */
export function enterDirectories(record: SystemdRecord, pid: number): void {
  if (record.version === "v2") return;
  for (const { path, name } of record.directories) {
    if (name !== "systemd") host.writeText(`${path}/cgroup.procs`, String(pid));
  }
}

/** Stops the scope, whose processes are dead or may die, and removes the unit. */
export function stopScope({ manager, unit }: SystemdRecord): void {
  withManager(manager, (connection) => stopUnit(connection, unit));
}

/** Changes the limits of a scope: before the cgroup's files are written, as systemd writes them, too. */
export function updateScope({ manager, unit, version }: SystemdRecord, change: Resources): void {
  const properties = resourceProperties(change, { version, devices: false });
  if (properties.length > 0) withManager(manager, (connection) => setProperties(connection, unit, properties));
}

/** For a process that may not enter the scope's cgroup by itself: systemd moves it there. */
export function attachToScope({ manager, unit }: SystemdRecord, pid: number): void {
  withManager(manager, (connection) => attachProcesses(connection, unit, [pid]));
}

function ownDirectory({ directories, unit }: SystemdRecord): CgroupDirectory {
  const own = directories.find(({ controllers, name }) => name === "systemd" || controllers.length === 0);
  if (own === undefined) throw new UserError(`no hierarchy for ${unit} is mounted`, { code: "cgroup" });
  return own;
}
