// Carries out a list of cgroup writes in its order, with the second tries and alternatives that it names.

import { Errno, isErrno } from "../errors.ts";
import type { WriteFile } from "./journal.ts";
import type { CgroupWrite } from "./resources.ts";

export interface Target {
  /** The directory a write goes to; throws when there is none */
  readonly directoryFor: (write: CgroupWrite) => string;
  readonly write: WriteFile;
  /** The error to throw for a refused write */
  readonly failure: (error: unknown, write: CgroupWrite, directory: string) => unknown;
}

export function writeAll(writes: readonly CgroupWrite[], target: Target): void {
  let postponed: CgroupWrite[] = [];
  const finish = (): void => {
    for (const write of postponed) writeOne(write, target);
    postponed = [];
  };
  writes.forEach((write, index) => {
    if (write.controller !== writes[index - 1]?.controller) finish();
    try {
      writeOne(write, target);
    } catch (error) {
      if (write.again !== true || !hasErrno(error, Errno.EINVAL)) throw error;
      postponed.push(write);
    }
  });
  finish();
}

function writeOne(write: CgroupWrite, { directoryFor, write: writeFile, failure }: Target): void {
  const directory = directoryFor(write);
  try {
    writeFile(`${directory}/${write.file}`, write.value);
  } catch (error) {
    if (write.optional === "absent" && isErrno(error, Errno.ENOENT)) return;
    // io.bfq.weight is there without taking weights of devices on kernels before 5.4 (EINVAL)
    if (write.instead !== undefined && isErrno(error, Errno.ENOENT, Errno.EINVAL, Errno.EOPNOTSUPP)) {
      const { instead, ...rest } = write;
      writeOne({ ...rest, ...instead }, { directoryFor, write: writeFile, failure });
      return;
    }
    throw failure(error, write, directory);
  }
}

/** Of a system call, or of the error that was made of its failure. */
function hasErrno(error: unknown, errno: number): boolean {
  return error instanceof Error && "errno" in error && error.errno === errno;
}
