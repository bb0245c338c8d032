// The words for a limit that the kernel refused.

import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { CgroupWrite } from "./resources.ts";

/** The error for a failed write, with the setting it came from and what the errno means for it. */
export function writeFailure(error: unknown, write: CgroupWrite, path: string): unknown {
  if (!isErrno(error)) return error;
  const hint = hints[error.errno];
  return new UserError(`can't set ${write.file} to "${write.value}" in ${path}: ${errnoText(error.errno)}`, {
    at: write.at,
    code: "cgroup",
    cause: error,
    errno: error.errno,
    ...(hint === undefined ? {} : { hint }),
  });
}

const hints: Readonly<Record<number, string>> = {
  [Errno.EINVAL]: "the kernel doesn't accept this value",
  [Errno.ERANGE]: "the value is outside of what the kernel or this machine has",
  [Errno.EBUSY]: "the limit is below what is in use",
  [Errno.EACCES]: "the cgroup is not delegated to this user",
  [Errno.EPERM]: "the cgroup is not delegated to this user",
};
