// mounts: what can be told from the words alone. What needs the machine (does the source exist, is a target below a
// symbolic link) is found when the plan runs.

import type { Config, Mount } from "../config.ts";
import type { Facts } from "../facts.ts";
import { type MountMappings, readIdmapOption } from "../idmap-option.ts";
import { type Problem, quote, type Report } from "../problem.ts";
import { mountOption } from "../tables/mount-options.ts";
import { checkMappings, mapId } from "./mappings.ts";
import { findNamespace } from "./namespaces.ts";

const section = "config.md#mounts";

/** Reports a problem of one mount: where in it, what, and the rule's name. */
type MountError = (member: string, message: string, rule: string) => void;

// A config may have thousands of mounts, nearly all of them good: what is needed for an error only is made only then.
export function checkMounts(config: Config, facts: Facts, report: Report): void {
  checkMountList(config.mounts ?? [], "/mounts", config, facts, report);
}

/**
 * What is wrong with a list of mounts.
 *
 * @param list JSON pointer of it
 */
export function checkMountList(
  mounts: readonly Mount[],
  list: string,
  { linux }: Config,
  facts: Facts,
  report: Report,
): void {
  for (let index = 0; index < mounts.length; index++) {
    const mount = mounts[index] as Mount;
    const at = `${list}/${index}`;
    const error: MountError = (member, message, rule) =>
      report.error({ at: at + member, message: `${message} (${quote(mount.destination)})`, rule, section });
    const words = readWords(mount.options ?? []);
    checkDestination(mount, words.bind, at, report);
    checkSource(mount, words, error);
    if (words.special || (words.bind && words.data)) checkOptions(mount, words.bind, error);
    checkIdmap(mount, words, at, linux, facts, report);
    if (facts.rootless) checkOwners(mount, linux?.uidMappings ?? [], linux?.gidMappings ?? [], error);
  }
}

/** Which kinds of words a mount's options have. */
interface Words {
  /** The spec: a bind mount is one with this option, whatever its type */
  bind: boolean;
  remount: boolean;
  idmap: boolean;
  /** Words for the file system */
  data: boolean;
  /** Words that don't go with every type or every other word */
  special: boolean;
}

function readWords(options: readonly string[]): Words {
  const words = { bind: false, remount: false, idmap: false, data: false, special: false };
  for (let index = 0; index < options.length; index++) {
    const kind = mountOption(options[index] as string)?.kind;
    if (kind === undefined) words.data = true;
    else if (kind === "bind" || kind === "remount" || kind === "idmap") words[kind] = true;
    else if (kind === "tmpcopyup" || kind === "copy-symlink" || kind === "dest-nofollow") words.special = true;
  }
  return words;
}

/** Below the container's /proc only these may be covered, as programs are lied to on purpose there (lxcfs). */
const coverable: ReadonlySet<string> = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/sys/crypto/fips_enabled",
]);

function checkDestination({ destination, type }: Mount, bind: boolean, at: string, { error, warn }: Report): void {
  const path = cleanPath(destination);
  if (path !== "/" && !path.startsWith("/proc") && destination.startsWith("/")) return;
  const report = (message: string): Problem => ({
    at: `${at}/destination`,
    message,
    rule: "mount-destination",
    section,
  });
  if (destination === "") error(report("must not be empty"));
  else if (path === "/") error(report(`is ${quote(destination)}: a mount there would hide the root file system`));
  else if (!destination.startsWith("/")) warn(report(`is relative: ${quote(destination)} is taken from /`));
  if (path === "/proc" && type !== "proc" && !bind) {
    error(report(`${quote(destination)} cannot be mounted because it is not of type proc`));
  } else if (path.startsWith("/proc/") && !coverable.has(path)) {
    error(report(`${quote(destination)} cannot be mounted because it is inside /proc`));
  }
}

/** A path as it is reached from /: with "/" in front, and without empty parts, "." and "..". */
export function cleanPath(path: string): string {
  if (path.startsWith("/") && !path.includes("/.") && !path.includes("//") && !path.endsWith("/")) return path;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function checkSource({ type = "", source = "" }: Mount, { bind, remount }: Words, error: MountError): void {
  if (bind) {
    if (source === "") error("/source", "must be given for a bind mount", "mount-source");
  } else if ((type === "" || type === "bind" || type === "none") && !remount) {
    const what = type === "" ? "must be given" : `is ${quote(type)}`;
    error("/type", `${what}, as there is no option bind or rbind`, "mount-type");
  }
}

function checkOptions({ type = "", options = [] }: Mount, bind: boolean, error: MountError): void {
  for (let index = 0; index < options.length; index++) {
    const word = options[index] as string;
    const message = optionProblem(word, type, options, bind);
    if (message !== undefined) error(`/options/${index}`, message, "mount-options");
  }
}

function optionProblem(word: string, type: string, options: readonly string[], bind: boolean): string | undefined {
  switch (mountOption(word)?.kind) {
    case undefined:
      if (!bind) return undefined;
      return `bind mounts cannot have any filesystem-specific options applied: ${quote(word)}`;
    case "tmpcopyup":
      return type === "tmpfs" ? undefined : "tmpcopyup needs a tmpfs to copy into";
    case "copy-symlink":
      if (!options.includes("src-nofollow") && !options.includes("dest-nofollow")) return undefined;
      return "copy-symlink can't be combined with src-nofollow or dest-nofollow";
    case "dest-nofollow":
      if (type !== "proc" && type !== "sysfs" && type !== "devpts") return undefined;
      return `dest-nofollow is refused for ${type}: its place must be a real directory`;
    default:
      return undefined;
  }
}

function checkIdmap(
  { uidMappings = [], gidMappings = [], options = [] }: Mount,
  { bind, idmap }: Words,
  at: string,
  linux: Config["linux"],
  { rootless }: Facts,
  report: Report,
): void {
  const mapped = uidMappings.length > 0 || gidMappings.length > 0;
  if (!mapped && !idmap) return;
  const byOption = idmap && checkIdmapOption(options, mapped, at, linux ?? {}, report);
  const error = (member: string, message: string): void =>
    report.error({ at: at + member, message, rule: "mount-idmap", section: "config.md#posix-platform-mounts" });
  if (uidMappings.length > 0 !== gidMappings.length > 0) {
    const missing = uidMappings.length > 0 ? "/gidMappings" : "/uidMappings";
    error(missing, "id-mapped mounts must have both uid and gid mappings specified");
  }
  if (!mapped && !byOption && findNamespace(linux, "user") === undefined)
    error("/options", "idmap needs mappings, of the mount or of a user namespace");
  if (!bind) error("", "id-mapped mounts are only supported for bind-mounts");
  if (rootless) error("", "id-mapped mounts are not supported for rootless containers");
  checkMappings(`${at}/uidMappings`, uidMappings, report.error);
  checkMappings(`${at}/gidMappings`, gidMappings, report.error);
}

/** Whether one of the options is idmap=MAPPINGS; what is wrong with those is reported. */
function checkIdmapOption(
  options: readonly string[],
  mapped: boolean,
  at: string,
  container: Partial<MountMappings>,
  { error }: Report,
): boolean {
  let found = false;
  options.forEach((word, index) => {
    const option = mountOption(word);
    if (option?.kind !== "idmap" || option.mappings === undefined) return;
    const report = (message: string): void =>
      error({ at: `${at}/options/${index}`, message, rule: "mount-idmap", section: "config.md#posix-platform-mounts" });
    if (mapped || found) report("maps ids a second time");
    found = true;
    const read = readIdmapOption(option.mappings, container);
    if (typeof read === "string") {
      report(read);
      return;
    }
    checkMappings("uids", read.uidMappings, (problem) => report(`${problem.at}: ${problem.message}`));
    checkMappings("gids", read.gidMappings, (problem) => report(`${problem.at}: ${problem.message}`));
  });
  return found;
}

// The kernel answers a bare EINVAL to an owner without a mapping.
function checkOwners(
  { options = [] }: Mount,
  uidMappings: Parameters<typeof mapId>[0],
  gidMappings: Parameters<typeof mapId>[0],
  error: MountError,
): void {
  options.forEach((word, index) => {
    const owner = /^(uid|gid)=(\d+)$/.exec(word);
    if (owner === null) return;
    const mappings = owner[1] === "uid" ? uidMappings : gidMappings;
    if (mapId(mappings, Number(owner[2])) !== undefined) return;
    const message = `cannot specify ${word} mount option for rootless container: the id is not mapped`;
    error(`/options/${index}`, message, "mount-owner");
  });
}
