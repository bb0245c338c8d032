// The config that `tsrunc spec` writes: a shell in a container with all namespaces but the user's, and next to no rights.

import type { Capabilities, Config, IdMapping, Linux, Mount, NamespaceType } from "./config.ts";

/** Newest version of the runtime-spec that is implemented in full. */
export const specVersion = "1.3.0";

export interface DefaultOptions {
  /** On a host with cgroup v2 alone, the container gets a cgroup namespace too */
  readonly cgroup: "v1" | "v2";
  /** Ids of a caller who isn't root: the container then maps its root to them */
  readonly rootless?: { readonly uid: number; readonly gid: number };
}

/** The default config, for root or, with `rootless`, for an ordinary user. */
export function defaultConfig({ cgroup, rootless }: DefaultOptions): Config {
  return {
    ociVersion: specVersion,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: defaultCapabilities(),
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "tsrunc",
    mounts: rootless === undefined ? defaultMounts : defaultMounts.map(rootlessMount),
    linux: {
      ...(rootless === undefined ? { resources: { devices: [{ allow: false, access: "rwm" }] } } : {}),
      ...(rootless === undefined ? {} : mappings(rootless)),
      namespaces: namespaceTypes(cgroup, rootless !== undefined).map((type) => ({ type })),
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

/** The text of config.json: indented with tabs, as runc writes it. */
export function formatConfig(config: Config): string {
  return `${JSON.stringify(config, null, "\t")}\n`;
}

function defaultCapabilities(): Capabilities {
  const names = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
  return { bounding: names, effective: names, permitted: names };
}

const defaultMounts: readonly Mount[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
  },
];

// Without a network namespace the kernel lets nobody mount sysfs, so the host's is bound; and of all ids only one is
// mapped, so no mount can have another owner.
function rootlessMount(mount: Mount): Mount {
  if (mount.destination === "/sys") {
    return {
      destination: "/sys",
      type: "none",
      source: "/sys",
      options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
    };
  }
  if (mount.options === undefined) return mount;
  return { ...mount, options: mount.options.filter((option) => !/^[ug]id=/.test(option)) };
}

function namespaceTypes(cgroup: "v1" | "v2", rootless: boolean): NamespaceType[] {
  return [
    "pid",
    ...(rootless ? [] : (["network"] as const)),
    "ipc",
    "uts",
    "mount",
    ...(cgroup === "v2" ? (["cgroup"] as const) : []),
    ...(rootless ? (["user"] as const) : []),
  ];
}

function mappings({ uid, gid }: { uid: number; gid: number }): Pick<Linux, "uidMappings" | "gidMappings"> {
  const one = (hostID: number): IdMapping[] => [{ containerID: 0, hostID, size: 1 }];
  return { uidMappings: one(uid), gidMappings: one(gid) };
}
