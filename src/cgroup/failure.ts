// The words for a limit that the kernel refused.

import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { CgroupWrite } from "./resources.ts";

/** The error for a failed write, with the setting it came from and what the errno means for it. */
export function writeFailure(error: unknown, write: CgroupWrite, path: string): unknown {
  if (!isErrno(error)) return error;
  const hint = hintFor(error.errno, write);
  return new UserError(`can't set ${write.file} to "${write.value}" in ${path}: ${reason(error.errno, write)}`, {
    at: write.at,
    code: "cgroup",
    cause: error,
    errno: error.errno,
    ...(hint === undefined ? {} : { hint }),
  });
}

// Engines take "no such file or directory" for a missing program (exit status 127), so these words are kept for that.
function reason(errno: number, { file }: CgroupWrite): string {
  if (errno !== Errno.ENOENT) return errnoText(errno);
  return file.startsWith("hugetlb.") ? "this machine has no pages of this size" : "this kernel has no such setting";
}

function hintFor(errno: number, { file, controller }: CgroupWrite): string | undefined {
  if (controller === "cpuset" && (errno === Errno.ERANGE || errno === Errno.EINVAL || errno === Errno.EACCES)) {
    const what = file.endsWith("mems") ? "memory nodes" : "CPUs";
    return `these ${what} must be there, and be allowed in the cgroups above`;
  }
  if (errno === Errno.ENOENT && file.startsWith("memory.memsw."))
    return "swap accounting is off: boot with swapaccount=1";
  if (errno === Errno.ENODEV) return "there is no such device";
  return hints[errno];
}

const hints: Readonly<Record<number, string>> = {
  [Errno.EINVAL]: "the kernel doesn't accept this value",
  [Errno.ERANGE]: "the value is outside of what the kernel or this machine has",
  [Errno.EBUSY]: "the limit is below what is in use",
  [Errno.EACCES]: "the cgroup is not delegated to this user",
  [Errno.EPERM]: "the cgroup is not delegated to this user",
};
