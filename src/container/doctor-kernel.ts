// doctor: system calls and file systems of the kernel.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { type Check, isPrivileged } from "./doctor.ts";
import { makeUserNamespace } from "./idmap.ts";

interface Call {
  readonly name: string;
  /** The release that brought it */
  readonly since: string;
  /** What is done with it, or without it */
  readonly use: string;
  readonly needed: boolean;
}

const calls: readonly Call[] = [
  { name: "clone3", since: "5.3", use: "starts init; without it the old clone does", needed: false },
  { name: "pidfd_open", since: "5.3", use: "names processes for good", needed: true },
  { name: "pidfd_send_signal", since: "5.1", use: "signals can't hit another process", needed: true },
  { name: "openat2", since: "5.6", use: "paths can't lead out of the root file system", needed: true },
  { name: "close_range", since: "5.9", use: "no descriptor leaks into the container", needed: false },
  { name: "open_tree", since: "5.2", use: "bind mounts by descriptor", needed: true },
  { name: "mount_setattr", since: "5.12", use: "recursive options and idmapped mounts", needed: false },
];

export function kernelChecks(): readonly Check[] {
  return [...calls.map(checkCall), idmappedMounts()];
}

function checkCall({ name, since, use, needed }: Call): Check {
  const area = "kernel";
  const errno = host.tryCall(name);
  if (errno === Errno.ENOSYS) {
    return {
      area,
      name,
      status: "missing",
      detail: `this kernel doesn't have it (${use})`,
      needed,
      fix: `use linux ${since} or newer; in a sandbox, have its seccomp profile let it pass`,
    };
  }
  if (errno === Errno.EPERM) {
    return {
      area,
      name,
      status: "missing",
      detail: `refused by a seccomp filter around us (${use})`,
      needed,
      fix: "have the profile of the surrounding container let it pass",
    };
  }
  return { area, name, status: "ok", detail: use };
}

/** Tried on the root file system, which says what most bundles can expect. */
function idmappedMounts(): Check {
  const area = "kernel";
  const name = "idmapped mounts";
  if (!isPrivileged()) {
    return { area, name, status: "limited", detail: "only root may make them", fix: "run doctor as root to try them" };
  }
  let userns: number;
  try {
    userns = makeUserNamespace("0 100000 65536\n", "0 100000 65536\n", "");
  } catch (error) {
    const why = reason(error);
    return { area, name, status: "limited", detail: why, fix: "they need user namespaces: see there" };
  }
  try {
    host.close(host.openTree("/", false, false, userns, false, 0, false));
    return { area, name, status: "ok", detail: "the root file system can be idmapped" };
  } catch (error) {
    return {
      area,
      name,
      status: isErrno(error, Errno.ENOSYS) ? "missing" : "limited",
      detail: `the root file system can't be idmapped: ${reason(error)}`,
      fix: "keep bundles on a file system that can (ext4, xfs, btrfs, tmpfs since 6.3), with linux 5.12 or newer",
    };
  } finally {
    host.close(userns);
  }
}

/** Anything but a refusal of the kernel is a mistake of ours. */
function reason(error: unknown): string {
  if (isErrno(error)) return errnoText(error.errno);
  if (error instanceof UserError) return error.message;
  throw error;
}
