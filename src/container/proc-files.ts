// What only the runtime may write about init: files of /proc/PID, while init waits.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";

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
