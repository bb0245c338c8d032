// checkpoint: has CRIU write the container's processes to files. What lies outside of the container is named, so that
// restore can say what it is next time. Afterwards the container is gone, unless it is to go on.

import { host } from "#host";
import { isFrozen, setFrozen } from "../cgroup/manager.ts";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { callCriu, criuConfigFile, firstGivenFd } from "./criu.ts";
import { externalMounts, externalNamespaces, makeDirs, mountPlan, openDirectory } from "./criu-paths.ts";
import { RequestType } from "./criu-rpc.ts";
import { destroy } from "./delete.ts";
import { readFacts } from "./facts.ts";
import { openInit, statusOf } from "./status.ts";
import { load, lock, type Store, type StoredContainer } from "./store.ts";

/** What checkpoint and restore have in common. */
export interface CriuFlags {
  /** Absolute paths */
  readonly imagePath: string;
  readonly workPath: string;
  readonly tcpEstablished: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  readonly fileLocks: boolean;
  readonly autoDedup: boolean;
  readonly lazyPages: boolean;
  readonly cgroupMode: number;
  readonly emptyNetwork: boolean;
  readonly networkLock: number | undefined;
}

export interface CheckpointOptions extends CriuFlags {
  /** Relative to imagePath */
  readonly parentPath: string | undefined;
  readonly leaveRunning: boolean;
  readonly preDump: boolean;
  readonly tcpSkipInFlight: boolean;
  readonly linkRemap: boolean;
  /** One of our own descriptors */
  readonly statusFd: number | undefined;
  readonly pageServer: { readonly address: string; readonly port: number } | undefined;
}

/** The checkpoint command. `config` is the one that the container was created with. */
export function checkpoint(store: Store, id: string, config: Config, options: CheckpointOptions): void {
  const lockFd = lock(store, id);
  try {
    const container = load(store, id);
    checkStatus(store, container);
    host.catchSignals();
    const paused = isFrozen(container.cgroup);
    try {
      dump(container, config, options);
    } finally {
      // CRIU freezes the cgroup; one that was killed meanwhile has not thawed it
      if (!paused && isFrozen(container.cgroup)) setFrozen(container.cgroup, false);
    }
    if (options.leaveRunning || options.preDump) return;
    awaitEnd(container);
    destroy(store, container, () => config);
  } finally {
    host.close(lockFd);
  }
}

function checkStatus(store: Store, container: StoredContainer): void {
  const status = statusOf(store, container);
  if (status === "running" || status === "paused") return;
  throw new UserError(`container ${container.id} cannot be checkpointed in ${status} state`, { code: "state" });
}

function dump(container: StoredContainer, config: Config, options: CheckpointOptions): void {
  const { imagePath, workPath, parentPath } = options;
  makeDirs(imagePath);
  makeDirs(workPath);
  checkParent(imagePath, parentPath);
  const imagesFd = openDirectory(imagePath, "--image-path");
  const workFd = openDirectory(workPath, "--work-path");
  try {
    if (!options.preDump) writeDescriptors(container, imagesFd);
    callCriu({
      type: options.preDump ? RequestType.preDump : RequestType.dump,
      what: "checkpoint",
      workPath,
      fds: options.statusFd === undefined ? [] : [options.statusFd],
      options: {
        ...commonOptions(config, options, imagesFd, workFd),
        ...definedOnly({ parentImage: parentPath, pageServer: options.pageServer }),
        ...definedOnly({ freezeCgroup: freezerDirectory(container.cgroup) }),
        ...(options.statusFd === undefined ? {} : { statusFd: firstGivenFd }),
        logFile: "dump.log",
        pid: container.pid,
        root: container.rootfs,
        leaveRunning: options.leaveRunning,
        tcpSkipInFlight: options.tcpSkipInFlight,
        linkRemap: options.linkRemap,
        trackMemory: options.preDump,
        emptyNamespaces: namespaces.network.flag,
        externalMounts: options.preDump ? [] : dumpedMounts(container, config),
        external: externalNamespaces(config),
      },
      notified: (_script, _pid, fd) => {
        if (fd >= 0) host.close(fd);
      },
    });
  } finally {
    host.close(imagesFd);
    host.close(workFd);
  }
}

/** What a dump and a restore are both told. */
export function commonOptions(config: Config, flags: CriuFlags, imagesFd: number, workFd: number) {
  return {
    imagesFd,
    workFd,
    extUnixSk: flags.extUnixSk,
    tcpEstablished: flags.tcpEstablished,
    shellJob: flags.shellJob,
    fileLocks: flags.fileLocks,
    autoDedup: flags.autoDedup,
    lazyPages: flags.lazyPages,
    cgroupMode: flags.cgroupMode,
    ...definedOnly({ networkLock: flags.networkLock, configFile: criuConfigFile(config) }),
  };
}

/** Leaves out what is undefined, as exact optional properties want it. */
export function definedOnly<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** CRIU follows a link "parent" in the image directory, so the path must be right from there. */
function checkParent(imagePath: string, parentPath: string | undefined): void {
  if (parentPath === undefined) return;
  const refuse = (why: string): UserError =>
    new UserError(`invalid parent path "${parentPath}": ${why}`, { at: "--parent-path", code: "usage" });
  if (parentPath.startsWith("/")) throw refuse("it must be relative to the image path");
  const full = `${imagePath}/${parentPath}`;
  if (host.stat(full, true)?.[0] !== "directory") throw refuse(`${full} is no directory`);
}

/** What init's standard streams are now; restore connects its caller's with them by these names. */
function writeDescriptors(container: StoredContainer, imagesFd: number): void {
  const targets = [0, 1, 2].map((fd) => {
    try {
      return host.readLink(`/proc/${container.pid}/fd/${fd}`);
    } catch (error) {
      if (!isErrno(error, Errno.ENOENT)) throw error;
      return "/dev/null";
    }
  });
  host.writeAtomic(`/proc/self/fd/${imagesFd}/descriptors.json`, JSON.stringify(targets), 0o600, false);
}

/** Of the mounts that the plan has made those that are there: a mask of what was missing is none. */
function dumpedMounts(container: StoredContainer, config: Config) {
  const plan = mountPlan(config, readFacts(), container);
  const present = mountPoints(container.pid);
  return externalMounts(plan, `/proc/${container.pid}/root`)
    .filter(
      ({ key, value }) => (present.get(key) ?? "") !== "" && !(value === "/dev/null" && present.get(key) === "tmpfs"),
    )
    .map(({ key }) => ({ key, value: key }));
}

/** Mount points of a process with their file system types; the last mount on a place counts. */
function mountPoints(pid: number): ReadonlyMap<string, string> {
  const lines = host.readText(`/proc/${pid}/mountinfo`, 16 << 20).split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const at = before.split(" ")[4];
      return at === undefined ? [] : [[plainPath(at), after.split(" ")[0] ?? ""] as const];
    }),
  );
}

/** mountinfo writes space, tab, line feed and backslash as octal numbers. */
function plainPath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function freezerDirectory(cgroup: CgroupRecord): string | undefined {
  if (cgroup.driver === "none") return undefined;
  if (cgroup.version === "v2") return cgroup.directories[0]?.path;
  return cgroup.directories.find(({ controllers }) => controllers.includes("freezer"))?.path;
}

/** CRIU has killed the processes; init is dead to us before its parent has reaped it. */
function awaitEnd(container: StoredContainer): void {
  const pidfd = openInit(container);
  if (pidfd === undefined) return;
  try {
    const patienceMs = 10_000;
    if (host.poll([pidfd], patienceMs).length > 0) return;
    const why = isFrozen(container.cgroup) ? " (it is paused)" : "";
    throw new UserError(`container init still running after its checkpoint${why}`, { code: "timeout" });
  } finally {
    host.close(pidfd);
  }
}
