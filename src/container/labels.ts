// Labels of security modules: whether this machine has the module that a config's label is for. A label that nobody
// enforces would be a promise not kept, so it is refused before anything is done.

import { host } from "#host";
import { isErrno, UserError } from "../errors.ts";
import type { Config, Process } from "../spec/config.ts";

/** Whether AppArmor enforces profiles here. */
export function appArmorEnabled(): boolean {
  return readFlag("/sys/module/apparmor/parameters/enabled").startsWith("Y");
}

const SELINUX_MAGIC = 0xf97cff8c;

/** Whether SELinux has a policy loaded: its file system is mounted then (libselinux asks the same way). */
export function selinuxEnabled(): boolean {
  const mount = "/sys/fs/selinux";
  return host.stat(mount, true) !== undefined && host.filesystemType(mount) === SELINUX_MAGIC;
}

function readFlag(path: string): string {
  try {
    return host.readText(path, 64);
  } catch (error) {
    if (isErrno(error)) return "";
    throw error;
  }
}

/** Throws UserError for a label of a module that isn't there. */
export function checkLabels(process: Process | undefined, linux: Config["linux"]): void {
  if (process?.apparmorProfile && !appArmorEnabled()) {
    throw new UserError("apparmor: config provided but apparmor not supported", {
      at: "/process/apparmorProfile",
      code: "unsupported",
      hint: "AppArmor is not enabled on this machine; remove process.apparmorProfile",
    });
  }
  const selinux = process?.selinuxLabel ? "/process/selinuxLabel" : linux?.mountLabel ? "/linux/mountLabel" : undefined;
  if (selinux !== undefined && !selinuxEnabled()) {
    throw new UserError("selinux label is specified in config, but selinux is disabled or not supported", {
      at: selinux,
      code: "unsupported",
      hint: "SELinux has no policy loaded on this machine; remove process.selinuxLabel and linux.mountLabel",
    });
  }
}
