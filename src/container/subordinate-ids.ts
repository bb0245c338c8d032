// Maps of ids that are not our own: newuidmap(1) and newgidmap(1) write them, which root has allowed to hand on the ranges
// of /etc/subuid and /etc/subgid (subuid(5)). Loaded only for a user whose container has more than one id.

import { host } from "#host";
import { isErrno, UserError } from "../errors.ts";
import type { IdMapping } from "../spec/config.ts";
import { type IdMapFile, mappingsPointer } from "./id-maps.ts";
import { findProgram } from "./programs.ts";

const programs = {
  uid_map: { name: "newuidmap", ranges: "/etc/subuid" },
  gid_map: { name: "newgidmap", ranges: "/etc/subgid" },
} as const;

const mostOutput = 1 << 16;

/**
 * Has the program write the map. It decides about setgroups(2) by itself: it stays allowed when all groups are
 * subordinate ones.
 *
 * @throws UserError naming the program that is missing, or what it refuses, with the line to add
 */
export function mapByProgram(pid: number, file: IdMapFile, mappings: readonly IdMapping[]): void {
  const { name, ranges } = programs[file];
  const at = mappingsPointer(file);
  const path = findProgram(name);
  if (path === undefined) {
    throw new UserError(`${name} is needed to map ids that are not your own, and is not installed`, {
      at,
      code: "unsupported",
      hint:
        "install uidmap (Debian, Ubuntu) or shadow-utils (Fedora), " +
        `and have ${ranges} give you the ids: ${lineFor(file, mappings)}`,
    });
  }
  const args = mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String));
  const [status, , complaint] = runIt(path, [name, String(pid), ...args], at);
  if (status === 0) return;
  const why = complaint.trim().split("\n")[0]?.replace(`${name}: `, "") || howItEnded(status);
  throw new UserError(`${name} refuses to map these ids: ${why}`, {
    at,
    code: "unsupported",
    hint: `${ranges} must give you all of them: ${lineFor(file, mappings)}`,
  });
}

function runIt(path: string, args: readonly string[], at: string): ReturnType<typeof host.runProgram> {
  try {
    return host.runProgram(path, args, [], mostOutput);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't run ${path}: ${error.message}`, { at, code: "unsupported", errno: error.errno });
  }
}

function howItEnded(status: number): string {
  return status < 0 ? `it was killed by signal ${-status}` : `it ended with status ${status}`;
}

/** What to add for the ids that are not our own: the lines as they are in the file. */
function lineFor(file: IdMapFile, mappings: readonly IdMapping[]): string {
  const [, euid, egid] = host.ids();
  const own = file === "uid_map" ? euid : egid;
  const lines = mappings
    .filter(({ hostID, size }) => hostID !== own || size > 1)
    .map(({ hostID, size }) => `"${userName(euid)}:${hostID}:${size}"`);
  return `${lines.length === 1 ? "the line" : "the lines"} ${lines.join(", ")}`;
}

/** The user's name; the number, which subuid(5) takes as well, for one that /etc/passwd doesn't know. */
function userName(uid: number): string {
  try {
    const users = host.readText("/etc/passwd", 16 << 20).split("\n");
    const entry = users.map((line) => line.split(":")).find(([, , id]) => id === String(uid));
    return entry?.[0] ?? String(uid);
  } catch (error) {
    if (isErrno(error)) return String(uid);
    throw error;
  }
}
