// The file of --pid-file.

import { host } from "#host";
import { errnoText, isErrno, UserError } from "../errors.ts";

/** Writes the pid, digits only, by renaming: engines poll this file. */
export function writePidFile(path: string | undefined, pid: number): void {
  if (path === undefined) return;
  try {
    host.writeAtomic(path, String(pid), 0o644, false);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`can't write the pid file "${path}": ${errnoText(error.errno)}`, {
      at: "--pid-file",
      cause: error,
    });
  }
}
