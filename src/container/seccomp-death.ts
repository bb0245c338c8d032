// Which system call a seccomp filter has killed for. Only the kernel's log tells (audit record 1326), and not everywhere.

import { host } from "#host";
import { isErrno, UserError } from "../errors.ts";
import { syscallName } from "../seccomp/names.ts";

export const SIGSYS = 31;

/** The name of the call that this process was killed for; undefined where the log doesn't tell. */
function deniedCall(pid: number): string | undefined {
  let record: string | undefined;
  try {
    record = host.kernelLog(` pid=${pid} `);
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
  const found = /type=1326 .* sig=31 arch=([0-9a-f]+) syscall=(\d+)/.exec(record ?? "");
  if (found === null) return undefined;
  const [, arch = "", number = ""] = found;
  return syscallName(Number.parseInt(arch, 16), Number(number)) ?? `system call ${number}`;
}

/** The error for an init that was killed by SIGSYS while it was set up. */
export function killedInSetUp(pid: number): UserError {
  const call = deniedCall(pid);
  return new UserError(
    `the seccomp profile kills the container's init${call === undefined ? "" : ` for ${call}`} before the program can start`,
    {
      code: "init",
      at: "/linux/seccomp",
      hint: "allow the calls that setting up the process needs; with noNewPrivileges that is only close_range and execve",
    },
  );
}

/** One line about a program that ended by SIGSYS. */
export function killedProgram(pid: number): string {
  const call = deniedCall(pid);
  const what = call === undefined ? "a system call" : call;
  return `the seccomp profile has killed the process for ${what} (see: tsrunc seccomp explain, tsrunc seccomp trace)`;
}
