// Programs of the host that do some of our work, found by PATH. Relative elements of it could be anybody's.

import { host } from "#host";
import { isErrno } from "../errors.ts";

/** Some callers clear the environment, PATH included. */
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function searchPath(): string {
  return host.env("PATH") || usualPath;
}

/** Where the program is; undefined when no folder of PATH has it, or none that we may look into. */
export function findProgram(name: string): string | undefined {
  const folders = searchPath()
    .split(":")
    .filter((folder) => folder.startsWith("/"));
  return folders.map((folder) => `${folder}/${name}`).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    const stat = host.stat(path, true);
    return stat?.[0] === "file" && (stat[1] & 0o111) !== 0;
  } catch (error) {
    if (isErrno(error)) return false;
    throw error;
  }
}
