// What of a container lies outside of it, in CRIU's terms: mounts of the host's, namespaces of others, descriptors of the
// caller's. A dump names them, a restore says what they are this time.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { compileCreate } from "../plan/compile.ts";
import type { CreateRequest, HostFacts } from "../plan/facts.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config } from "../spec/config.ts";

/** A mount point in the container, free of links, and the host's file or directory on it. */
export interface ExternalMount {
  readonly key: string;
  readonly value: string;
}

/** The plan of the container without what a checkpoint has no use for: its mounts are what is looked for. */
export function mountPlan(
  config: Config,
  facts: HostFacts,
  where: Pick<CreateRequest, "id" | "bundle" | "rootfs" | "cgroup" | "links">,
): Plan {
  const { seccomp: _seccomp, ...linux } = config.linux ?? {};
  return compileCreate({ ...config, linux }, facts, {
    ...where,
    start: "now",
    root: "pivot",
    keyring: "inherited",
    preserved: [],
    environment: [],
    seccomp: undefined,
  });
}

/**
 * The mounts that show the host's files: binds, device nodes in user namespaces, and masks of files (/dev/null).
 *
 * @param root the root file system, or /proc/PID/root: where links on the way to a mount point are looked up
 */
export function externalMounts(plan: Plan, root: string): readonly ExternalMount[] {
  const mounts = plan.steps.flatMap(({ op }): ExternalMount[] => {
    switch (op.op) {
      case "bind":
      case "device_bind":
        return [{ key: resolveInRoot(root, op.path), value: op.hostPath }];
      case "mask":
        return [{ key: resolveInRoot(root, op.path), value: "/dev/null" }];
      default:
        return [];
    }
  });
  // of two mounts on one place the later one is what is seen
  return [...new Map(mounts.map((mount) => [mount.key, mount])).values()];
}

const mostLinks = 40;

/** Where a path leads inside a root, with all links followed as a process in there would. */
export function resolveInRoot(root: string, path: string): string {
  const todo = path.split("/").reverse();
  const done: string[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = `/${[...done, part].join("/")}`;
    if (host.stat(`${root}${here}`, false)?.[0] !== "link") {
      done.push(part);
      continue;
    }
    if (++links > mostLinks) throw new UserError(`too many links on the way to "${path}"`, { code: "config" });
    const target = host.readLink(`${root}${here}`);
    if (target.startsWith("/")) done.length = 0;
    todo.push(...target.split("/").reverse());
  }
  return `/${done.join("/")}`;
}

/** The name by which CRIU knows a namespace that isn't the container's own. */
export const externalNames = { network: "extRootNetNS", pid: "extRootPidNS" } as const;

/** Joined namespaces as resources of a dump: type[inode]:name. */
export function externalNamespaces({ linux }: Config): readonly string[] {
  return (linux?.namespaces ?? []).flatMap(({ type, path }) => {
    if (!path || (type !== "network" && type !== "pid")) return [];
    const inode = host.stat(path, true)?.[5];
    if (inode === undefined) return [];
    return [`${type === "network" ? "net" : "pid"}[${inode}]:${externalNames[type]}`];
  });
}

/** Makes a directory with its parents, where missing. */
export function makeDirs(path: string): void {
  if (host.stat(path, true)?.[0] === "directory") return;
  const parent = path.slice(0, path.lastIndexOf("/"));
  if (parent !== "") makeDirs(parent);
  try {
    host.makeDir(path, 0o700);
  } catch (error) {
    if (!isErrno(error, Errno.EEXIST)) throw error;
  }
}

const O_RDONLY = 0;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;

/**
 * Opens a directory once, for CRIU to work by the descriptor: what its path names may change meanwhile. Images are not
 * looked for behind a link; a directory for logs may be one (in containerd's bundles it is).
 */
export function openDirectory(path: string, flag: "--image-path" | "--work-path"): number {
  const link = flag === "--image-path" ? O_NOFOLLOW : 0;
  try {
    return host.open(path, O_RDONLY | O_DIRECTORY | link, 0);
  } catch (error) {
    if (!isErrno(error, Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP)) throw error;
    throw new UserError(`"${path}" is no directory`, { at: flag, code: "usage", cause: error, errno: error.errno });
  }
}
