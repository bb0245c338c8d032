// config.json of runtime-spec 1.3 as TypeScript sees it, as far as it applies to Linux. The same in words, with the
// spec's sections: schema/config.schema.json (test/unit/spec/schema.test.ts keeps the two from drifting apart).
//
// A Config exists only after load.ts: it fits the schema, holds no null (a null member was removed) and no broken rule.

/**
 * A 64-bit integer, signed or not: a number while a double holds it exactly, else a BigInt. The two kinds compare
 * correctly with < and >, but not with ===, and don't add; BigInt(value) makes one kind of both. A negative number and a
 * negative BigInt need that for < and >, too: quickjs-ng 0.17 gets them wrong.
 */
export type Int64 = number | bigint;

/** An object with free keys. Read it with Object.entries; never copy it key by key into a plain object (json.ts). */
export type FreeMap<Value> = { readonly [key: string]: Value };

export interface Config {
  readonly ociVersion: string;
  readonly root?: Root;
  readonly mounts?: readonly Mount[];
  readonly process?: Process;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly hooks?: Hooks;
  readonly annotations?: FreeMap<string>;
  readonly linux?: Linux;
}

export interface Root {
  readonly path: string;
  readonly readonly?: boolean;
}

export interface Mount {
  readonly destination: string;
  readonly source?: string;
  readonly type?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

/** A range of ids: [containerID, containerID + size) inside stands for [hostID, hostID + size) outside. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

// ---- process: also the whole document of `exec --process` ------------------------------------------------------------

export interface Process {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly cwd: string;
  readonly env?: readonly string[];
  readonly args?: readonly string[];
  readonly rlimits?: readonly Rlimit[];
  readonly apparmorProfile?: string;
  readonly capabilities?: Capabilities;
  readonly noNewPrivileges?: boolean;
  readonly oomScoreAdj?: number;
  readonly scheduler?: Scheduler;
  readonly selinuxLabel?: string;
  readonly ioPriority?: IoPriority;
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
  readonly user?: User;
}

export interface User {
  /** 0 when absent */
  readonly uid?: number;
  /** 0 when absent */
  readonly gid?: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
}

export interface Rlimit {
  readonly type: string;
  readonly soft: Int64;
  readonly hard: Int64;
}

export type CapabilitySet = "bounding" | "effective" | "inheritable" | "permitted" | "ambient";

export type Capabilities = { readonly [set in CapabilitySet]?: readonly string[] };

export interface Scheduler {
  readonly policy:
    | "SCHED_OTHER"
    | "SCHED_FIFO"
    | "SCHED_RR"
    | "SCHED_BATCH"
    | "SCHED_ISO"
    | "SCHED_IDLE"
    | "SCHED_DEADLINE";
  readonly nice?: number;
  readonly priority?: number;
  readonly flags?: readonly SchedulerFlag[];
  readonly runtime?: Int64;
  readonly deadline?: Int64;
  readonly period?: Int64;
}

export type SchedulerFlag =
  | "SCHED_FLAG_RESET_ON_FORK"
  | "SCHED_FLAG_RECLAIM"
  | "SCHED_FLAG_DL_OVERRUN"
  | "SCHED_FLAG_KEEP_POLICY"
  | "SCHED_FLAG_KEEP_PARAMS"
  | "SCHED_FLAG_UTIL_CLAMP_MIN"
  | "SCHED_FLAG_UTIL_CLAMP_MAX";

export interface IoPriority {
  readonly class: "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";
  readonly priority?: number;
}

// ---- hooks -----------------------------------------------------------------------------------------------------------

export type HookKind = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

export type Hooks = { readonly [kind in HookKind]?: readonly Hook[] };

export interface Hook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds */
  readonly timeout?: number;
}

// ---- linux -----------------------------------------------------------------------------------------------------------

export interface Linux {
  readonly namespaces?: readonly Namespace[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  readonly timeOffsets?: { readonly monotonic?: TimeOffset; readonly boottime?: TimeOffset };
  readonly devices?: readonly Device[];
  readonly netDevices?: FreeMap<{ readonly name?: string }>;
  readonly cgroupsPath?: string;
  readonly resources?: Resources;
  readonly intelRdt?: IntelRdt;
  readonly memoryPolicy?: MemoryPolicy;
  readonly sysctl?: FreeMap<string>;
  readonly seccomp?: Seccomp;
  readonly rootfsPropagation?: Propagation;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  readonly personality?: { readonly domain: "LINUX" | "LINUX32"; readonly flags?: readonly string[] };
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

export interface Namespace {
  readonly type: NamespaceType;
  /** Join this one; absent or empty: create a new one */
  readonly path?: string;
}

export interface TimeOffset {
  readonly secs?: Int64;
  readonly nanosecs?: number;
}

export interface Device {
  readonly type: "c" | "b" | "u" | "p";
  readonly path: string;
  readonly major?: Int64;
  readonly minor?: Int64;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export type Propagation =
  | "private"
  | "shared"
  | "slave"
  | "unbindable"
  | "rprivate"
  | "rshared"
  | "rslave"
  | "runbindable";

export interface IntelRdt {
  readonly closID?: string;
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly enableMonitoring?: boolean;
}

export interface MemoryPolicy {
  readonly mode:
    | "MPOL_DEFAULT"
    | "MPOL_BIND"
    | "MPOL_INTERLEAVE"
    | "MPOL_WEIGHTED_INTERLEAVE"
    | "MPOL_PREFERRED"
    | "MPOL_PREFERRED_MANY"
    | "MPOL_LOCAL";
  readonly nodes?: string;
  readonly flags?: readonly ("MPOL_F_NUMA_BALANCING" | "MPOL_F_RELATIVE_NODES" | "MPOL_F_STATIC_NODES")[];
}

// ---- linux.resources: also the whole document of `update --resources` ------------------------------------------------

export interface Resources {
  readonly unified?: FreeMap<string>;
  readonly devices?: readonly DeviceRule[];
  readonly memory?: Memory;
  readonly cpu?: Cpu;
  readonly pids?: { readonly limit: Int64 };
  readonly blockIO?: BlockIo;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: Int64 }[];
  readonly network?: {
    readonly classID?: number;
    readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
  };
  readonly rdma?: FreeMap<{ readonly hcaHandles?: number; readonly hcaObjects?: number }>;
}

export interface DeviceRule {
  readonly allow: boolean;
  /** Absent: a, all */
  readonly type?: "a" | "b" | "c";
  /** Absent or -1: any */
  readonly major?: Int64;
  /** Absent or -1: any */
  readonly minor?: Int64;
  readonly access?: string;
}

export interface Memory {
  readonly limit?: Int64;
  readonly reservation?: Int64;
  readonly swap?: Int64;
  readonly kernel?: Int64;
  readonly kernelTCP?: Int64;
  readonly swappiness?: Int64;
  readonly disableOOMKiller?: boolean;
  readonly useHierarchy?: boolean;
  readonly checkBeforeUpdate?: boolean;
}

export interface Cpu {
  readonly shares?: Int64;
  readonly quota?: Int64;
  readonly burst?: Int64;
  readonly period?: Int64;
  readonly realtimeRuntime?: Int64;
  readonly realtimePeriod?: Int64;
  readonly cpus?: string;
  readonly mems?: string;
  readonly idle?: Int64;
}

export interface BlockIo {
  readonly weight?: number;
  readonly leafWeight?: number;
  readonly weightDevice?: readonly WeightDevice[];
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
}

export interface WeightDevice {
  readonly major: Int64;
  readonly minor: Int64;
  readonly weight?: number;
  readonly leafWeight?: number;
}

export interface ThrottleDevice {
  readonly major: Int64;
  readonly minor: Int64;
  readonly rate: Int64;
}

// ---- linux.seccomp ---------------------------------------------------------------------------------------------------

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

export interface Seccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** SCMP_ARCH_* */
  readonly architectures?: readonly string[];
  /** SECCOMP_FILTER_FLAG_*; absent is not the same as empty */
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

export interface SeccompArg {
  readonly index: number;
  readonly value: Int64;
  readonly valueTwo?: Int64;
  readonly op: SeccompOperator;
}
