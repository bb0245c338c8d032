// What a restore connects the container with: the caller's pipes, namespaces of others, its cgroups of now.

import { host } from "#host";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { firstGivenFd } from "./criu.ts";

/** Where in each hierarchy the container's cgroup is now; in the images it has the path it had at the dump. */
export function cgroupRoots(cgroup: CgroupRecord) {
  if (cgroup.driver === "none") return [];
  return cgroup.directories.map(({ controllers, name, mount, path }) => ({
    key: controllers.length > 0 ? controllers.join(",") : name === "" || name === "unified" ? "" : `name=${name}`,
    value: path.slice(mount.length),
  }));
}

/** Of init's standard streams those that were pipes are now the caller's. */
export function inheritedPipes(imagesFd: number) {
  return readDescriptors(imagesFd).flatMap((target, index) =>
    index < 3 && target.startsWith("pipe:") ? [{ key: target, fd: firstGivenFd + index }] : [],
  );
}

function readDescriptors(imagesFd: number): readonly string[] {
  let text: string;
  try {
    text = host.readText(`/proc/self/fd/${imagesFd}/descriptors.json`, 1 << 16);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT)) return [];
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  throw new UserError("descriptors.json of the checkpoint is no list of texts", { at: "--image-path", code: "usage" });
}

/** Other namespaces with a path: CRIU joins those by themselves (since 3.16.1). */
export function joinedByName({ linux }: Config) {
  return (linux?.namespaces ?? []).flatMap(({ type, path }) =>
    path && (type === "ipc" || type === "uts" || type === "time") ? [{ type, file: path }] : [],
  );
}
