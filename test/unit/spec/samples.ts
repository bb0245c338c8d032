// Documents for the tests of spec/: a complete one, and changes of it.

import type { Config } from "../../../src/spec/config.ts";
import { defaultConfig } from "../../../src/spec/default.ts";
import { explain } from "../../../src/spec/explain.ts";
import type { Facts } from "../../../src/spec/facts.ts";
import type { Reader } from "../../../src/spec/load.ts";
import { checkJson } from "./strict-json.ts";

export const root: Facts = { rootless: false, systemdCgroup: false };
export const rootless: Facts = { rootless: true, systemdCgroup: false };

export function reader(facts: Facts = root): Reader {
  return { check: checkJson, explain: () => explain, facts };
}

const hook = { path: "/bin/true", args: ["true"], env: ["A=b"], timeout: 5 } as const;

/** A good config that has every member of the schema. */
export const complete = {
  ociVersion: "1.3.0",
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid"] },
    {
      destination: "/data",
      type: "none",
      source: "/srv/data",
      options: ["rbind", "rro", "idmap"],
      uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
      gidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    },
  ],
  process: {
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    cwd: "/",
    env: ["PATH=/bin", "EMPTY="],
    args: ["sh", "-c", "true"],
    rlimits: [
      { type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 },
      { type: "RLIMIT_CORE", soft: 18446744073709551615n, hard: 18446744073709551615n },
    ],
    apparmorProfile: "container-default",
    capabilities: {
      bounding: ["CAP_KILL", "CAP_CHOWN"],
      effective: ["CAP_KILL"],
      inheritable: ["CAP_KILL"],
      permitted: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    },
    noNewPrivileges: true,
    oomScoreAdj: -10,
    scheduler: {
      policy: "SCHED_BATCH",
      nice: 5,
      priority: 0,
      flags: ["SCHED_FLAG_RESET_ON_FORK"],
      runtime: 0,
      deadline: 0,
      period: 0,
    },
    selinuxLabel: "system_u:system_r:container_t:s0",
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
    execCPUAffinity: { initial: "0-3,7", final: "0" },
    user: { uid: 1000, gid: 1000, umask: 0o22, additionalGids: [10, 20] },
  },
  hostname: "box",
  domainname: "example",
  hooks: {
    prestart: [hook],
    createRuntime: [hook],
    createContainer: [hook],
    startContainer: [hook],
    poststart: [hook],
    poststop: [hook],
  },
  annotations: { "com.example.key": "value" },
  linux: {
    namespaces: [
      { type: "pid" },
      { type: "network", path: "/run/netns/a" },
      { type: "mount" },
      { type: "ipc" },
      { type: "uts" },
      { type: "user" },
      { type: "cgroup" },
      { type: "time" },
    ],
    uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    gidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    timeOffsets: { monotonic: { secs: 5, nanosecs: 7 }, boottime: { secs: -5, nanosecs: 0 } },
    devices: [
      { type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 },
      { type: "p", path: "/dev/pipe" },
    ],
    netDevices: { eth0: { name: "inner0" }, eth1: {} },
    cgroupsPath: "/pods/a",
    resources: {
      unified: { "memory.high": "1000000" },
      devices: [{ allow: false, type: "a", major: -1, minor: -1, access: "rwm" }],
      memory: {
        limit: 536870912,
        reservation: 268435456,
        swap: 1073741824,
        kernel: -1,
        kernelTCP: -1,
        swappiness: 0,
        disableOOMKiller: false,
        useHierarchy: true,
        checkBeforeUpdate: true,
      },
      cpu: {
        shares: 1024,
        quota: 100000,
        burst: 1000,
        period: 100000,
        realtimeRuntime: 950000,
        realtimePeriod: 1000000,
        cpus: "0-3",
        mems: "0",
        idle: 0,
      },
      pids: { limit: 100 },
      blockIO: {
        weight: 100,
        leafWeight: 100,
        weightDevice: [{ major: 8, minor: 0, weight: 500, leafWeight: 300 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 600 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 600 }],
        throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 600 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 18446744073709551615n }],
      },
      hugepageLimits: [{ pageSize: "2MB", limit: 9223372036854775807n }],
      network: { classID: 1048577, priorities: [{ name: "eth0", priority: 500 }] },
      rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } },
    },
    intelRdt: {
      closID: "group",
      schemata: ["L2:0=f"],
      l3CacheSchema: "L3:0=f",
      memBwSchema: "MB:0=20",
      enableMonitoring: true,
    },
    memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] },
    sysctl: {
      "net.ipv4.ip_forward": "1",
      "kernel.shmmax": "100",
      "kernel.domainname": "x",
      "user.max_user_namespaces": "5",
    },
    seccomp: {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
      architectures: ["SCMP_ARCH_X86_64"],
      flags: ["SECCOMP_FILTER_FLAG_LOG"],
      listenerPath: "/run/agent.sock",
      listenerMetadata: "x",
      syscalls: [
        {
          names: ["read", "write"],
          action: "SCMP_ACT_ALLOW",
          errnoRet: 1,
          args: [{ index: 0, value: 18446744073709551615n, valueTwo: 1, op: "SCMP_CMP_MASKED_EQ" }],
        },
      ],
    },
    rootfsPropagation: "slave",
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
    mountLabel: "system_u:object_r:container_file_t:s0",
    personality: { domain: "LINUX", flags: [] },
  },
} as const satisfies Config;

/** The default config as text, with one change. */
export function changed(change: (config: Draft) => void): string {
  const config = JSON.parse(JSON.stringify(defaultConfig({ cgroup: "v2" })));
  change(config);
  return JSON.stringify(config);
}

/** A config being put together by a test: anything may be set to anything. */
// biome-ignore lint/suspicious/noExplicitAny: tests break the types on purpose
export type Draft = any;

/** A document with BigInts as JSON text, which JSON.stringify alone can't write. */
export function jsonText(document: unknown): string {
  const marked = JSON.stringify(document, (_, value) => (typeof value === "bigint" ? `bigint:${value}` : value));
  return marked.replace(/"bigint:(-?\d+)"/g, "$1");
}
