// linux.intelRdt: the container's group in the resctrl file system, which shares out caches and memory bandwidth.
// https://docs.kernel.org/filesystems/resctrl.html; config-linux.md#intelrdt

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { IntelRdt } from "../spec/config.ts";
import { joinResctrl, type ResctrlRecord, removeResctrl, writeFile } from "./resctrl.ts";

/** A group to be, with what is written to it. */
export interface ResctrlPlan extends ResctrlRecord {
  readonly root: string;
  readonly group: string;
  readonly monitor: string | undefined;
  readonly lines: readonly string[];
  /** The group was named by the config */
  readonly named: boolean;
}

const at = "/linux/intelRdt";
const RESCTRL_MAGIC = 0x7655821;

/** Where resctrl is mounted, undefined when it isn't. TSRUNC_RESCTRL names another directory, for tests. */
export function findResctrl(): string | undefined {
  const other = host.env("TSRUNC_RESCTRL") ?? "";
  if (other.startsWith("/")) return other;
  const usual = "/sys/fs/resctrl";
  if (host.stat(usual, true) === undefined) return undefined;
  if (host.filesystemType(usual) === RESCTRL_MAGIC) return usual;
  const line = host
    .readText("/proc/self/mountinfo", 64 << 20)
    .split("\n")
    .find((text) => text.includes(" - resctrl "));
  return line?.split(" ")[4];
}

/** Looks, and decides; nothing is made yet. Throws UserError where the group can't be had. */
export function planResctrl(config: IntelRdt, id: string): ResctrlPlan {
  const root = findResctrl();
  if (root === undefined) {
    throw new UserError("intelRdt is specified in config, but Intel RDT is not enabled", {
      at,
      code: "unsupported",
      hint: "this needs a CPU with resource control, and: mount -t resctrl resctrl /sys/fs/resctrl",
    });
  }
  const named = config.closID !== undefined;
  const group = config.closID === "/" ? root : `${root}/${config.closID ?? id}`;
  const lines = schemataLines(config);
  if (named && lines.length === 0 && host.stat(group, false)?.[0] !== "directory") {
    const why = "must be pre-created when schemata, l3CacheSchema and memBwSchema are empty";
    throw new UserError(`clos dir not accessible (${why}): ${group}`, { at: `${at}/closID` });
  }
  const monitor = config.enableMonitoring === true ? `${group}/mon_groups/${id}` : undefined;
  return {
    root,
    group,
    monitor,
    lines,
    named,
    tasks: [group, ...(monitor === undefined ? [] : [monitor])].map((directory) => `${directory}/tasks`),
    // a group that the config names is shared, and stays
    remove: [...(monitor === undefined ? [] : [monitor]), ...(named ? [] : [group])],
  };
}

/** In the order of the spec; memBwSchema replaces the bandwidth lines of l3CacheSchema. */
function schemataLines({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: IntelRdt): readonly string[] {
  const cache = l3CacheSchema === "" || (memBwSchema !== "" && l3CacheSchema.startsWith("MB:")) ? [] : [l3CacheSchema];
  return [...cache, ...(memBwSchema === "" ? [] : [memBwSchema]), ...schemata];
}

/**
 * Makes the group and puts the process into it, before it has children.
 *
 * @returns the directories made, innermost first, for when the create fails later
 */
export function enterResctrl(plan: ResctrlPlan, pid: number): readonly string[] {
  const made: string[] = [];
  try {
    const isNew = plan.group !== plan.root && makeGroup(plan.group);
    if (isNew) made.unshift(plan.group);
    if (plan.lines.length > 0) {
      if (plan.named && !isNew) compareSchemata(plan);
      else writeSchemata(plan);
    }
    if (plan.monitor !== undefined && makeGroup(plan.monitor)) made.unshift(plan.monitor);
    joinResctrl(plan, pid);
    return made;
  } catch (error) {
    removeResctrl(made);
    throw isErrno(error) ? refused(plan, error.message, error.errno) : error;
  }
}

/** update --l3-cache-schema, --mem-bw-schema: what is given changes, the rest of the group's schemata stays. */
export function changeSchemata(
  { tasks }: ResctrlRecord,
  schemas: Pick<IntelRdt, "l3CacheSchema" | "memBwSchema">,
): void {
  const [file = ""] = tasks;
  const group = file.slice(0, file.lastIndexOf("/"));
  writeSchemata({ root: findResctrl() ?? group, group, lines: schemataLines(schemas) });
}

/** Whether it was made now. */
function makeGroup(directory: string): boolean {
  try {
    host.makeDir(directory, 0o755);
    return true;
  } catch (error) {
    if (isErrno(error, Errno.EEXIST)) return false;
    if (!isErrno(error, Errno.ENOSPC)) throw error;
    throw new UserError(`can't make the resctrl group ${directory}: no more groups (the CPU has only so many)`, {
      at,
      code: "kernel",
      errno: error.errno,
    });
  }
}

function writeSchemata(plan: Pick<ResctrlPlan, "root" | "group" | "lines">): void {
  try {
    writeFile(`${plan.group}/schemata`, `${plan.lines.join("\n")}\n`);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw refused(plan, `can't set the schemata of ${plan.group}: ${errnoText(error.errno)}`, error.errno);
  }
}

/** A group that others use, too, must already be what the config says. */
function compareSchemata({ group, lines }: ResctrlPlan): void {
  const present = host.readText(`${group}/schemata`, 1 << 20).split("\n");
  const entries = new Set(present.flatMap(schemaEntries));
  const different = lines.find((line) => !schemaEntries(line).every((entry) => entries.has(entry)));
  if (different === undefined) return;
  const name = group.slice(group.lastIndexOf("/") + 1);
  throw new UserError(`the resctrl group ${JSON.stringify(name)} has a different configuration: not ${different}`, {
    at: `${at}/closID`,
    hint: `see ${group}/schemata`,
  });
}

/** "L3:0=0f;1=f" as "L3:0=f" and "L3:1=f": neither order nor leading zeros matter. */
function schemaEntries(line: string): readonly string[] {
  const [resource = "", list = ""] = line.replace(/\s/g, "").split(":");
  return list
    .split(";")
    .filter((entry) => entry !== "")
    .map((entry) => `${resource}:${entry.replace(/(^|=)0+(?=.)/g, "$1")}`);
}

/** With what resctrl says about its last refusal. */
function refused({ root }: Pick<ResctrlPlan, "root">, message: string, errno: number): UserError {
  const status = `${root}/info/last_cmd_status`;
  const words = host.stat(status, true) === undefined ? "" : host.readText(status, 4096).trim();
  return new UserError(words === "" || words === "ok" ? message : `${message}: ${words}`, {
    at,
    code: "kernel",
    errno,
  });
}
