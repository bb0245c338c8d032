// A container's groups in the resctrl file system, after they have been made (intel-rdt.ts): for exec and delete.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";

/** What later commands must know of a container's groups; kept in its state. */
export interface ResctrlRecord {
  /** Files that every process of the container is written to */
  readonly tasks: readonly string[];
  /** Directories that go with the container, innermost first */
  readonly remove: readonly string[];
}

/** Puts a process where the container's init is. */
export function joinResctrl({ tasks }: Pick<ResctrlRecord, "tasks">, pid: number): void {
  for (const file of tasks) writeFile(file, String(pid));
}

/** Removes groups; the kernel moves what is left in them to the root group. A missing one is no error. */
export function removeResctrl(directories: readonly string[]): void {
  for (const directory of directories) {
    try {
      host.removeDir(directory);
    } catch (error) {
      if (!isErrno(error, Errno.ENOENT)) throw error;
    }
  }
}

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;

/** One write. In resctrl the files are always there; creating them makes a plain directory do for tests. */
export function writeFile(path: string, text: string): void {
  const fd = host.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
  try {
    host.writeFd(fd, text);
  } finally {
    host.close(fd);
  }
}
