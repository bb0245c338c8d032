/** The config.json that tests start from: what `spec` commands of runtimes write, typed loosely enough to break it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LinuxSeccomp } from "../../src/seccomp/profile.ts";
import { repository } from "./paths.ts";

/** Any JSON value. Tests write broken configs on purpose, so this is not the validated type of src/spec. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface MountConfig {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface HookConfig {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

/** The parts of config.json that tests touch by name; everything else goes through `extra` keys. */
export interface Config {
  ociVersion: string;
  process: {
    terminal?: boolean;
    consoleSize?: { height: number; width: number };
    user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
    args: string[];
    env: string[];
    cwd: string;
    capabilities?: Partial<Record<"bounding" | "effective" | "inheritable" | "permitted" | "ambient", string[]>>;
    rlimits?: { type: string; hard: number; soft: number }[];
    noNewPrivileges?: boolean;
    oomScoreAdj?: number;
    [key: string]: unknown;
  };
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: MountConfig[];
  hooks?: Partial<
    Record<"prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop", HookConfig[]>
  >;
  annotations?: Record<string, string>;
  linux: {
    namespaces: { type: string; path?: string }[];
    resources?: Record<string, unknown>;
    maskedPaths?: string[];
    readonlyPaths?: string[];
    sysctl?: Record<string, string>;
    devices?: Record<string, unknown>[];
    cgroupsPath?: string;
    rootfsPropagation?: string;
    uidMappings?: { containerID: number; hostID: number; size: number }[];
    gidMappings?: { containerID: number; hostID: number; size: number }[];
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/** A config as an engine wrote it. */
export function podmanConfig(): { linux: { seccomp: LinuxSeccomp } } {
  return JSON.parse(readFileSync(join(repository, "test/fixtures/configs/podman-default.json"), "utf8"));
}

/** A fresh copy of the everyday config: five namespaces, seven mounts, masks, three capabilities, writable root. */
export function defaultConfig(args: readonly string[]): Config {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [...args],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: [...capabilities], effective: [...capabilities], permitted: [...capabilities] },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "tsrunc-test",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
      mount("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"], "shm"),
      mount("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
      mount("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
      mount("/sys/fs/cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ],
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      maskedPaths: [
        "acpi",
        "asound",
        "kcore",
        "keys",
        "latency_stats",
        "timer_list",
        "timer_stats",
        "sched_debug",
        "scsi",
      ]
        .map((name) => `/proc/${name}`)
        .concat("/sys/firmware"),
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

function mount(destination: string, type: string, options: string[], source = type): MountConfig {
  return { destination, type, source, options };
}
