// Mappings of user and group ids: of the user namespace, and of idmapped mounts. The kernel takes them in one write and
// answers EINVAL for any mistake, so each is found here and named.

import type { Config, IdMapping } from "../config.ts";
import type { Facts } from "../facts.ts";
import type { Report } from "../problem.ts";
import { findNamespace, isJoined } from "./namespaces.ts";

const section = "config-linux.md#user-namespace-mappings";

/** user_namespaces(7): lines of one map, since Linux 4.15 */
const mostLines = 340;
/** The map is written at once, and a write of a page or more is refused. */
const page = 4096;
/** Ids are below 2^32 - 1, so that is as far as a range may reach. */
const endOfIds = 4294967295;

export function checkUserNamespace({ linux }: Config, { rootless }: Facts, { error }: Report): void {
  const { uidMappings = [], gidMappings = [] } = linux ?? {};
  const namespace = findNamespace(linux, "user");
  const report = (at: string, message: string): void => error({ at, message, rule: "user-namespace", section });
  if (namespace === undefined && rootless) {
    error({
      at: "/linux/namespaces",
      message: "rootless container requires user namespaces",
      rule: "rootless",
      section,
    });
  }
  if (namespace === undefined) {
    const message = "user namespace mappings specified, but user namespace isn't enabled in the config";
    if (uidMappings.length > 0) report("/linux/uidMappings", message);
    if (gidMappings.length > 0) report("/linux/gidMappings", message);
  } else if (!isJoined(namespace) && uidMappings.length === 0 && gidMappings.length === 0) {
    const nothing = "user namespaces enabled, but no namespace path to join nor mappings to apply specified";
    report("/linux/uidMappings", nothing);
  } else if (!isJoined(namespace)) {
    for (const [list, mappings] of [
      ["uidMappings", uidMappings],
      ["gidMappings", gidMappings],
    ] as const) {
      if (mapId(mappings, 0) !== undefined) continue;
      report(`/linux/${list}`, "must map id 0 of the container: it is set up as root of its user namespace");
    }
  }
  checkMappings("/linux/uidMappings", uidMappings, error);
  checkMappings("/linux/gidMappings", gidMappings, error);
}

/** What is wrong with one list of mappings in itself. */
export function checkMappings(at: string, mappings: readonly IdMapping[], error: Report["error"]): void {
  const report = (pointer: string, message: string): void =>
    error({ at: pointer, message, rule: "id-mapping", section });
  mappings.forEach(({ containerID, hostID, size }, index) => {
    if (size === 0) report(`${at}/${index}/size`, "must not be 0");
    if (containerID + size > endOfIds)
      report(`${at}/${index}`, `containerID ${containerID} + size ${size} is past the last id`);
    if (hostID + size > endOfIds) report(`${at}/${index}`, `hostID ${hostID} + size ${size} is past the last id`);
  });
  for (const side of ["containerID", "hostID"] as const) {
    for (const [first, second] of overlaps(mappings, side)) {
      report(`${at}/${second}`, `overlaps with ${at}/${first} in the ids that begin at ${side}`);
    }
  }
  if (mappings.length > mostLines) report(at, `has ${mappings.length} mappings, the kernel takes at most ${mostLines}`);
  else {
    const size = mappings.map(mapLine).join("").length;
    if (size >= page) report(at, `is ${size} bytes as a map, the kernel takes less than ${page}`);
  }
}

/** A line of /proc/PID/uid_map or gid_map. */
export function mapLine({ containerID, hostID, size }: IdMapping): string {
  return `${containerID} ${hostID} ${size}\n`;
}

/** The id outside that an id of the container stands for; undefined when it isn't mapped. */
export function mapId(mappings: readonly IdMapping[], id: number): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id - containerID < size);
  return mapping === undefined ? undefined : mapping.hostID + (id - mapping.containerID);
}

/** Pairs of mappings, by index, whose ranges on one side share an id. */
function overlaps(mappings: readonly IdMapping[], side: "containerID" | "hostID"): (readonly [number, number])[] {
  const sorted = mappings
    .map((mapping, index) => ({ index, start: mapping[side], end: mapping[side] + mapping.size }))
    .sort((left, right) => left.start - right.start);
  const found: (readonly [number, number])[] = [];
  let furthest = sorted[0];
  for (const range of sorted.slice(1)) {
    if (furthest !== undefined && range.start < furthest.end) {
      found.push([Math.min(range.index, furthest.index), Math.max(range.index, furthest.index)]);
    }
    if (furthest === undefined || range.end > furthest.end) furthest = range;
  }
  return found;
}
