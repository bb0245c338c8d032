// Being told of out-of-memory kills in a container, and finding out whose limit it was: the container's own, or that of
// a cgroup above it.

import { host } from "#host";
import { parseKeyed, readCount, readIfThere } from "./counters.ts";
import { oomKills } from "./manager.ts";
import type { CgroupDirectory, CgroupRecord } from "./record.ts";

export interface Oom {
  /** Killed processes since the last look. 0: memory is out, but nobody was killed (oom_kill_disable, v1) */
  readonly kills: number;
  /** The cgroup whose limit was reached, as a path from the root of the hierarchy; undefined: that can't be told */
  readonly cgroup: string | undefined;
  /** Whether that is the container's own cgroup */
  readonly own: boolean;
}

export interface OomWatch {
  /** Readable when there may be something to look at */
  readonly fd: number;
  /** What has happened since the last look; undefined: nothing */
  look(): Oom | undefined;
}

/** Watches a container; undefined when its memory isn't accounted. The fd is the caller's to close. */
export function watchOom(record: CgroupRecord): OomWatch | undefined {
  if (record.driver === "none") return undefined;
  const directory = record.directories.find(
    ({ controllers }) => record.version === "v2" || controllers.includes("memory"),
  );
  if (directory === undefined || host.stat(`${directory.path}/${marks[record.version].notice}`, true) === undefined) {
    return undefined;
  }
  const { notice, reached } = marks[record.version];
  const fd =
    record.version === "v1" ? host.noticeV1(directory.path, notice) : host.noticeV2([`${directory.path}/${notice}`]);
  let killsBefore = oomKills(record);
  let before = levels(directory, reached);
  const look = (): Oom | undefined => {
    host.noticed(fd);
    const kills = oomKills(record) - killsBefore;
    const now = levels(directory, reached);
    const risen = ({ path, count }: Level): boolean =>
      count > (before.find((old) => old.path === path)?.count ?? count);
    const level = now.find(risen) ?? now.find(({ path }) => isFull(path));
    if (kills <= 0 && !(record.version === "v1" && isStuck(directory))) return undefined;
    killsBefore += kills;
    before = now;
    const cgroup = level?.path.slice(directory.mount.length);
    return { kills, cgroup: cgroup === "" ? "/" : cgroup, own: level?.path === directory.path };
  };
  return { fd, look };
}

/**
 * `notice` is the file whose changes are told. `reached` counts how often a cgroup's own limit stopped an allocation:
 * exactly for OOMs on v2; on v1 also when reclaiming helped, so there it is the best guess.
 */
const marks = {
  v1: { notice: "memory.oom_control", reached: countFailures },
  v2: { notice: "memory.events", reached: countOoms },
} as const;

function countFailures(path: string): bigint {
  return BigInt(readCount(`${path}/memory.failcnt`)) + BigInt(readCount(`${path}/memory.memsw.failcnt`));
}

/**
 * v1, whether memory and swap together have been at their limit, give or take some pages. Where both limits are the
 * same this one is the first to stop, and Linux 6.18 doesn't count that in any failcnt.
 */
function isFull(path: string): boolean {
  const limit = BigInt(readCount(`${path}/memory.memsw.limit_in_bytes`));
  return limit > 0n && limit - BigInt(readCount(`${path}/memory.memsw.max_usage_in_bytes`)) <= 65536n;
}

function countOoms(path: string): bigint {
  return BigInt(parseKeyed(readIfThere(`${path}/memory.events.local`) ?? "").get("oom") ?? 0);
}

interface Level {
  readonly path: string;
  readonly count: bigint;
}

/** The container's cgroup and those above it, with how often their own limit was reached. */
function levels(directory: CgroupDirectory, reached: (path: string) => bigint): readonly Level[] {
  const list: Level[] = [];
  for (let path = directory.path; path.length >= directory.mount.length; path = path.slice(0, path.lastIndexOf("/"))) {
    list.push({ path, count: reached(path) });
  }
  return list;
}

/** v1 without an OOM killer: everything waits for memory. */
function isStuck({ path }: CgroupDirectory): boolean {
  const control = parseKeyed(readIfThere(`${path}/memory.oom_control`) ?? "");
  return control.get("oom_kill_disable") === 1 && control.get("under_oom") === 1;
}
