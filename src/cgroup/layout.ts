// Where this machine keeps its cgroups: pure v2, v1, or hybrid (v1 with an extra v2 tree), and where we are in them.
// Found without reading mountinfo, which grows with the host's mounts; only unusual mount points make us read it.

import { host } from "#host";

const CGROUP2_MAGIC = 0x63677270;
const CGROUP1_MAGIC = 0x27e0eb;
const CGROUP_ROOT = "/sys/fs/cgroup";

/** One v1 hierarchy: its controllers (or its name, for name=systemd), mount point, and our own cgroup in it. */
export interface Hierarchy {
  readonly controllers: readonly string[];
  /** "systemd" for name=systemd, otherwise "" */
  readonly name: string;
  readonly mount: string;
  readonly own: string;
}

/** A v2 tree: mount point and our own cgroup in it. */
export interface Unified {
  readonly mount: string;
  readonly own: string;
}

export type CgroupLayout =
  | { readonly mode: "v2"; readonly unified: Unified }
  /** `unified` is there on hybrid machines */
  | { readonly mode: "v1"; readonly hierarchies: readonly Hierarchy[]; readonly unified: Unified | undefined }
  | { readonly mode: "none" };

/** Reads the layout from /proc/self/cgroup and the file system types below /sys/fs/cgroup. */
export function readLayout(): CgroupLayout {
  const entries = parseProcCgroup(host.readText("/proc/self/cgroup", 1 << 20));
  const rootType = typeOf(CGROUP_ROOT);
  const v2 = entries.find((entry) => entry.controllers.length === 0 && entry.name === "");
  if (rootType === CGROUP2_MAGIC) {
    return v2 === undefined ? { mode: "none" } : { mode: "v2", unified: { mount: CGROUP_ROOT, own: v2.path } };
  }
  let mounts: ReadonlyMap<string, string> | undefined;
  const hierarchies: Hierarchy[] = [];
  for (const entry of entries) {
    if (entry === v2) continue;
    const key = entry.name === "" ? entry.controllers.join(",") : `name=${entry.name}`;
    let mount = `${CGROUP_ROOT}/${entry.name === "" ? key : entry.name}`;
    if (typeOf(mount) !== CGROUP1_MAGIC) {
      mounts ??= v1Mounts(host.readText("/proc/self/mountinfo", 64 << 20));
      const found = mounts.get(key);
      if (found === undefined) continue;
      mount = found;
    }
    hierarchies.push({ controllers: entry.controllers, name: entry.name, mount, own: entry.path });
  }
  if (hierarchies.length === 0) return { mode: "none" };
  const unifiedMount = `${CGROUP_ROOT}/unified`;
  const hybrid = v2 !== undefined && typeOf(unifiedMount) === CGROUP2_MAGIC;
  return { mode: "v1", hierarchies, unified: hybrid ? { mount: unifiedMount, own: v2.path } : undefined };
}

interface ProcCgroupEntry {
  readonly controllers: readonly string[];
  readonly name: string;
  readonly path: string;
}

/** The lines "ID:controllers:path" of /proc/PID/cgroup (cgroups(7)). */
export function parseProcCgroup(text: string): readonly ProcCgroupEntry[] {
  const entries: ProcCgroupEntry[] = [];
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (first < 0 || second < 0) continue;
    const list = line.slice(first + 1, second);
    const path = line.slice(second + 1);
    const named = list.startsWith("name=");
    entries.push({
      controllers: named || list === "" ? [] : list.split(","),
      name: named ? list.slice("name=".length) : "",
      path,
    });
  }
  return entries;
}

/** Mount points of v1 hierarchies by their controller list, from mountinfo (proc_pid_mountinfo(5)). */
export function v1Mounts(mountinfo: string): ReadonlyMap<string, string> {
  const mounts = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const split = line.indexOf(" - ");
    if (split < 0 || !line.startsWith("cgroup ", split + 3)) continue;
    const point = line.split(" ")[4];
    const superOptions = line.slice(split + 3).split(" ")[2];
    if (point === undefined || superOptions === undefined) continue;
    const options = superOptions.split(",").filter((option) => option !== "rw" && option !== "ro");
    const name = options.find((option) => option.startsWith("name="));
    const key = name ?? options.filter((option) => !option.includes("=") && option !== "xattr").join(",");
    if (!mounts.has(key)) mounts.set(key, unescapeOctal(point));
  }
  return mounts;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function typeOf(path: string): number {
  return host.stat(path, true) === undefined ? 0 : host.filesystemType(path);
}
