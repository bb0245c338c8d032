// The id maps of a new user namespace (user_namespaces(7)). Who lacks the capability for it may map but one id, its own;
// other ids are written by the programs newuidmap and newgidmap, as far as /etc/subuid and /etc/subgid let them.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Config, IdMapping } from "../spec/config.ts";

export type IdMapFile = "uid_map" | "gid_map";

/** Has a program write the map (subordinate-ids.ts). */
export type MapByProgram = (pid: number, file: IdMapFile, mappings: readonly IdMapping[]) => void;

/** CAP_SETUID and CAP_SETGID, as bits: whoever has it over the ids that are mapped may map any of them. */
const capability = { uid_map: 1n << 7n, gid_map: 1n << 6n } as const;

/** Whether the code for newuidmap and newgidmap is needed for this config. */
export function needsMapPrograms({ linux }: Config): boolean {
  const { uidMappings = [], gidMappings = [] } = linux ?? {};
  return writerOf("uid_map", uidMappings) === "program" || writerOf("gid_map", gidMappings) === "program";
}

/**
 * Who writes the map, and how: we as we like, we with our own id alone, or a program. A map of our own id needs no
 * program, whatever it is called inside.
 */
function writerOf(file: IdMapFile, mappings: readonly IdMapping[]): "free" | "own" | "program" {
  if (mappings.length === 0 || (BigInt(host.capabilities()) & capability[file]) !== 0n) return "free";
  const [, euid, egid] = host.ids();
  const [first] = mappings;
  const own = mappings.length === 1 && first?.size === 1 && first.hostID === (file === "uid_map" ? euid : egid);
  return own ? "own" : "program";
}

/**
 * Writes uid_map or gid_map of the process's user namespace; nothing for an empty list. By our own right alone the gid_map
 * may be written only once the namespace has given up setgroups(2), by which one could leave a group that denies access.
 *
 * @throws UserError naming the mappings that are refused
 */
export function writeIdMap(
  pid: number,
  file: IdMapFile,
  mappings: readonly IdMapping[],
  byProgram: MapByProgram | undefined,
): void {
  if (mappings.length === 0) return;
  const writer = writerOf(file, mappings);
  if (writer === "program" && byProgram !== undefined) {
    byProgram(pid, file, mappings);
    return;
  }
  try {
    if (file === "gid_map" && writer === "own") host.writeText(`/proc/${pid}/setgroups`, "deny");
    host.writeText(`/proc/${pid}/${file}`, mapText(mappings));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't write the ${file} of the user namespace: ${errnoText(error.errno)}`, {
      at: mappingsPointer(file),
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.EPERM ? { hint: "these host ids are not ours to hand on" } : {}),
    });
  }
}

/** Mappings as uid_map and gid_map take them. */
export function mapText(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
}

/** Where in config.json they are. */
export function mappingsPointer(file: IdMapFile): string {
  return file === "uid_map" ? "/linux/uidMappings" : "/linux/gidMappings";
}
