// mounts: what can be told from the words alone. What needs the machine (does the source exist, is a target below a
// symbolic link) is found when the plan runs.

import type { Config, Mount } from "../config.ts";
import type { Facts } from "../facts.ts";
import { type Problem, quote, type Report } from "../problem.ts";
import { mountOption } from "../tables/mount-options.ts";
import { checkMappings, mapId } from "./mappings.ts";
import { findNamespace } from "./namespaces.ts";

const section = "config.md#mounts";

export function checkMounts({ mounts = [], linux }: Config, facts: Facts, report: Report): void {
  mounts.forEach((mount, index) => {
    const at = `/mounts/${index}`;
    const error = (member: string, message: string, rule: string): void =>
      report.error({ at: at + member, message: `${message} (${quote(mount.destination)})`, rule, section });
    checkDestination(mount, at, report);
    checkKind(mount, error);
    checkIdmap(mount, at, findNamespace(linux, "user") !== undefined, facts, report);
    if (facts.rootless) checkOwners(mount, linux?.uidMappings ?? [], linux?.gidMappings ?? [], error);
  });
}

type MountError = (member: string, message: string, rule: string) => void;

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

function checkDestination(mount: Mount, at: string, { error, warn }: Report): void {
  const { destination, type } = mount;
  const report = (message: string): Problem => ({
    at: `${at}/destination`,
    message,
    rule: "mount-destination",
    section,
  });
  const path = cleanPath(destination);
  if (destination === "") error(report("must not be empty"));
  else if (path === "/") error(report(`is ${quote(destination)}: a mount there would hide the root file system`));
  else if (!destination.startsWith("/")) warn(report(`is relative: ${quote(destination)} is taken from /`));
  if (path === "/proc" && type !== "proc" && !isBind(mount)) {
    error(report(`${quote(destination)} cannot be mounted because it is not of type proc`));
  } else if (path.startsWith("/proc/") && !coverable.has(path)) {
    error(report(`${quote(destination)} cannot be mounted because it is inside /proc`));
  }
}

/** A path as it is reached from /: with "/" in front, and without empty parts, "." and "..". */
function cleanPath(path: string): string {
  if (path.startsWith("/") && !path.includes("/.") && !path.includes("//") && !path.endsWith("/")) return path;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The spec: a bind mount is one with this option, whatever its type. */
function isBind({ options = [] }: Mount): boolean {
  return options.includes("bind") || options.includes("rbind");
}

function checkKind(mount: Mount, error: MountError): void {
  const { type = "", source = "", options = [] } = mount;
  const bind = isBind(mount);
  const remount = options.includes("remount");
  if (bind && source === "") error("/source", "must be given for a bind mount", "mount-source");
  if (!bind && !remount && (type === "bind" || type === "none" || type === "")) {
    const what = type === "" ? "must be given" : `is ${quote(type)}`;
    error("/type", `${what}, as there is no option bind or rbind`, "mount-type");
  }
  options.forEach((word, index) => {
    const at = `/options/${index}`;
    const kind = mountOption(word)?.kind;
    if (kind === undefined && bind) {
      const phrase = "bind mounts cannot have any filesystem-specific options applied";
      error(at, `${phrase}: ${quote(word)}`, "bind-options");
    } else if (kind === "tmpcopyup" && type !== "tmpfs") {
      error(at, "tmpcopyup needs a tmpfs to copy into", "mount-options");
    } else if (kind === "copy-symlink" && (options.includes("src-nofollow") || options.includes("dest-nofollow"))) {
      error(at, "copy-symlink can't be combined with src-nofollow or dest-nofollow", "mount-options");
    } else if (kind === "dest-nofollow" && ["proc", "sysfs", "devpts"].includes(type)) {
      error(at, `dest-nofollow is refused for ${type}: its place must be a real directory`, "mount-options");
    }
  });
}

function checkIdmap(mount: Mount, at: string, userNamespace: boolean, { rootless }: Facts, report: Report): void {
  const { uidMappings = [], gidMappings = [], options = [] } = mount;
  const mapped = uidMappings.length > 0 || gidMappings.length > 0;
  const asked = options.includes("idmap") || options.includes("ridmap");
  if (!mapped && !asked) return;
  const error = (member: string, message: string): void =>
    report.error({ at: at + member, message, rule: "mount-idmap", section: "config.md#posix-platform-mounts" });
  if (uidMappings.length > 0 !== gidMappings.length > 0) {
    const missing = uidMappings.length > 0 ? "/gidMappings" : "/uidMappings";
    error(missing, "id-mapped mounts must have both uid and gid mappings specified");
  }
  if (!mapped && !userNamespace) error("/options", "idmap needs mappings, of the mount or of a user namespace");
  if (!isBind(mount)) error("", "id-mapped mounts are only supported for bind-mounts");
  if (rootless) error("", "id-mapped mounts are not supported for rootless containers");
  checkMappings(`${at}/uidMappings`, uidMappings, report.error);
  checkMappings(`${at}/gidMappings`, gidMappings, report.error);
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
