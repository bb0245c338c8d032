// What `import { Runtime } from "tsrunc"` offers (docs/library.md). Every method is synchronous and throws a UserError
// when it fails. test/unit/library.ts compares this with src/index.ts.

export interface RuntimeOptions {
  /** Directory of the containers' state; by default /run/tsrunc, or below XDG_RUNTIME_DIR for ordinary users */
  readonly root?: string;
  /** Whether cgroups are an ordinary user's: refused ones are let pass, systemd is the user's; by default for all but root */
  readonly rootless?: boolean;
  /** Who makes cgroups; by default "cgroupfs" */
  readonly cgroupManager?: "cgroupfs" | "systemd" | "disabled";
}

/** What becomes the program's standard input, output and error: descriptors, -1 for /dev/null. */
export type Stdio = readonly [number, number, number];

export interface NewOptions {
  /** The bundle: a directory with config.json and a root file system */
  readonly bundle: string;
  /** File to write the process id to */
  readonly pidFile?: string;
  /** Unix socket that gets the terminal's master descriptor; wanted with process.terminal */
  readonly consoleSocket?: string;
  /** Unix socket that gets a pidfd of the container's init */
  readonly pidfdSocket?: string;
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
  /** Pass so many descriptors from 3 on */
  readonly preserveFds?: number;
  /** By default those of this process */
  readonly stdio?: Stdio;
}

/** process of config.json (OCI runtime specification), for `exec`. */
export interface Process {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly [field: string]: unknown;
}

export interface ExecOptions {
  readonly cwd?: string;
  /** NAME=VALUE */
  readonly env?: readonly string[];
  /** UID or UID:GID */
  readonly user?: string;
  readonly additionalGids?: readonly number[];
  readonly capabilities?: readonly string[];
  readonly noNewPrivileges?: boolean;
  /** Join a paused container, and wait until it is resumed */
  readonly ignorePaused?: boolean;
  /** Kill it with all that it has started when it takes longer; the status is then 124 */
  readonly timeoutMs?: number;
  readonly stdio?: Stdio;
}

export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when there is no process */
  readonly pid: number;
  readonly status: "creating" | "created" | "running" | "paused" | "stopped";
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339, UTC */
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** How a process ended: its exit status, or 128 + signal; `signal` is 0 for an exit of its own. */
export interface Ended {
  readonly status: number;
  readonly signal: number;
}

export interface Plan {
  readonly cloneFlags: number;
  readonly slots: readonly { readonly kind: string }[];
  /** In order; `at` is the JSON pointer in config.json that the operation comes from */
  readonly steps: readonly { readonly op: { readonly op: string }; readonly at: string }[];
}

export interface Problem {
  readonly severity: "error" | "warning";
  /** JSON pointer into config.json */
  readonly at: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** Name of the rule that is broken, and where the specification has it */
  readonly rule: string;
  readonly section: string;
}

/** linux.resources of config.json. 64-bit values may be bigints. */
export interface Resources {
  readonly memory?: {
    readonly limit?: number | bigint;
    readonly reservation?: number | bigint;
    readonly swap?: number | bigint;
    readonly [field: string]: unknown;
  };
  readonly cpu?: {
    readonly shares?: number | bigint;
    readonly quota?: number | bigint;
    readonly period?: number | bigint;
    readonly cpus?: string;
    readonly mems?: string;
    readonly [field: string]: unknown;
  };
  readonly pids?: { readonly limit: number | bigint };
  readonly [field: string]: unknown;
}

/** One of `mounts` of config.json. */
export interface Mount {
  readonly destination: string;
  readonly source?: string;
  readonly type?: string;
  readonly options?: readonly string[];
}

interface MemoryUse {
  readonly limit: number | bigint;
  readonly usage?: number | bigint | undefined;
  readonly max?: number | bigint | undefined;
  readonly failcnt: number | bigint;
}

/** `data` of a record of `tsrunc events --stats`, of which this is a part. What can't be told is undefined. */
export interface Stats {
  readonly cpu: {
    /** Nanoseconds */
    readonly usage: {
      readonly total?: number | bigint | undefined;
      readonly kernel: number | bigint;
      readonly user: number | bigint;
    };
    readonly throttling: {
      readonly periods?: number | bigint | undefined;
      readonly throttledPeriods?: number | bigint | undefined;
      readonly throttledTime?: number | bigint | undefined;
    };
  };
  /** Bytes */
  readonly memory: {
    readonly cache?: number | bigint | undefined;
    readonly usage: MemoryUse;
    readonly swap: MemoryUse;
    readonly raw?: Readonly<Record<string, number | bigint>> | undefined;
  };
  readonly pids: { readonly current?: number | bigint | undefined; readonly limit?: number | bigint | undefined };
}

export declare class Runtime {
  constructor(options?: RuntimeOptions);
  /** Sets a container up to the point where its program would be executed. After a failure nothing is left. */
  create(id: string, options: NewOptions): ContainerState;
  /** Lets its program be executed, and returns when it runs. */
  start(id: string): void;
  /** Runs another process in it; waits for its end, and returns its exit status, or 128 + signal. */
  exec(id: string, process: readonly string[] | Process, options?: ExecOptions): number;
  /** Runs another process in it, and returns what it has written (as UTF-8, at most 64 MiB each). */
  output(
    id: string,
    process: readonly string[] | Process,
    options?: Omit<ExecOptions, "stdio">,
  ): { readonly status: number; readonly stdout: string; readonly stderr: string };
  /** A signal (default TERM) to its first process, or with `all` to every process of its cgroup. */
  kill(id: string, signal?: string | number, options?: { readonly all?: boolean }): void;
  /**
   * Waits for the end of its first process, which blocks the thread. Returns how it ended; undefined when the time is
   * over, or when that can't be known: for a container that another process has made.
   */
  wait(id: string, options?: { readonly timeoutMs?: number }): Ended | undefined;
  /** Deletes a container that has stopped or was not started; with `force` any, and an unknown id is no error. */
  delete(id: string, options?: { readonly force?: boolean }): void;
  /** Freezes its processes. */
  pause(id: string): void;
  resume(id: string): void;
  /** The process ids of its cgroup, ascending. */
  ps(id: string): readonly number[];
  /** What its cgroup has used. */
  stats(id: string): Stats;
  /** Other limits, merged into those it has: all of them, or an error and none. */
  update(id: string, resources: Resources): void;
  /** Further mounts for a container that exists, in order: all of them, or an error and none. */
  addMounts(id: string, mounts: readonly Mount[]): void;
  /** Takes mounts away, told by their destinations: all of them, or an error and none. */
  removeMounts(id: string, mounts: readonly Mount[]): void;
  state(id: string): ContainerState;
  list(): readonly ContainerState[];
  /** What create would do, step by step. Nothing is done. */
  plan(bundle: string, options?: { readonly noPivot?: boolean; readonly noNewKeyring?: boolean }): Plan;
  /** Everything that is wrong with a bundle; with `machine` also what it asks for that is not to be had here. */
  validate(
    bundle: string,
    options?: { readonly machine?: boolean },
  ): { readonly valid: boolean; readonly problems: readonly Problem[] };
}

/** A plan as `tsrunc plan` shows it. */
export declare function printPlan(plan: Plan): string;

/** Why something failed, in one sentence. */
export declare class UserError extends Error {
  readonly name: "UserError";
  /** Stable, for programs (docs/errors.md) */
  readonly code: string;
  /** JSON pointer into config.json, or an option of the command line */
  readonly at: string | undefined;
  /** What to do about it */
  readonly hint: string | undefined;
  readonly errno: number | undefined;
  /** The operation of the plan that failed */
  readonly operation: string | undefined;
}
