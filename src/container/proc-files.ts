// What only the runtime may write about init: files of /proc/PID, while init waits.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Config, IdMapping } from "../spec/config.ts";

/** oom_score_adj, by which the kernel chooses whom to kill when memory is short (proc_pid_oom_score_adj(5)). */
export function setOomScore(pid: number, score: number): void {
  try {
    host.writeText(`/proc/${pid}/oom_score_adj`, String(score));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't set oom_score_adj to ${score}: ${errnoText(error.errno)}`, {
      at: "/process/oomScoreAdj",
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.EACCES ? { hint: "lowering it needs CAP_SYS_RESOURCE" } : {}),
    });
  }
}

/**
 * uid_map or gid_map of a new user namespace (user_namespaces(7)); nothing for an empty list. Without privilege the gid_map
 * may be written only once the namespace has given up setgroups(2), by which one could leave a group that denies access.
 */
export function writeIdMap(pid: number, file: "uid_map" | "gid_map", mappings: readonly IdMapping[]): void {
  const text = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
  if (text === "") return;
  try {
    if (file === "gid_map" && host.ids()[1] !== 0) host.writeText(`/proc/${pid}/setgroups`, "deny");
    host.writeText(`/proc/${pid}/${file}`, text);
  } catch (error) {
    if (!isErrno(error)) throw error;
    const field = file === "uid_map" ? "uidMappings" : "gidMappings";
    throw new UserError(`can't write the ${file} of the user namespace: ${errnoText(error.errno)}`, {
      at: `/linux/${field}`,
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.EPERM ? { hint: "these host ids are not ours to hand on" } : {}),
    });
  }
}

/** The clocks of a new time namespace, before anybody is in it (time_namespaces(7)). */
export function writeTimeOffsets(pid: number, config: Config): void {
  try {
    host.writeText(`/proc/${pid}/timens_offsets`, timeOffsets(config));
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't set the offsets of the time namespace: ${errnoText(error.errno)}`, {
      at: "/linux/timeOffsets",
      code: "kernel",
      errno: error.errno,
      ...(error.errno === Errno.ERANGE ? { hint: "no clock may go below 0 or near its end" } : {}),
    });
  }
}

function timeOffsets(config: Config): string {
  return (["monotonic", "boottime"] as const)
    .map((clock) => [clock, config.linux?.timeOffsets?.[clock]] as const)
    .filter(([, offset]) => offset !== undefined)
    .map(([clock, offset]) => `${clock} ${offset?.secs ?? 0} ${offset?.nanosecs ?? 0}\n`)
    .join("");
}
