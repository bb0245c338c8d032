// doctor: namespaces, each made once by an init that does nothing else. Without privileges they are made inside of a user
// namespace, as rootless containers do.

import { host } from "#host";
import { Errno, errnoText, isErrno } from "../errors.ts";
import { MessageKind, SyncPoint } from "../plan/ops.generated.ts";
import { type Plan, step } from "../plan/plan.ts";
import type { NamespaceType } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { type Check, isPrivileged, kernelText } from "./doctor.ts";
import { abandon, startInit } from "./init.ts";

export function namespaceChecks(): readonly Check[] {
  const types = (Object.keys(namespaces) as NamespaceType[]).filter((type) => type !== "user");
  const user = tryNamespace("user");
  // without privileges nothing else can be made where user namespaces can't
  return [userNamespace(user), ...types.map((type) => check(type, tryNamespace(type)))];
}

function check(type: NamespaceType, errno: number): Check {
  const area = "namespaces";
  if (errno === 0)
    return {
      area,
      name: type,
      status: "ok",
      detail: isPrivileged() ? "can be made" : "can be made in a user namespace",
    };
  const needed = type === "mount";
  const limit = `/proc/sys/user/max_${namespaces[type].file}_namespaces`;
  if (errno === Errno.ENOSPC) {
    return {
      area,
      name: type,
      status: "missing",
      detail: `none left: ${limit} is ${kernelText(limit) ?? "?"}`,
      needed,
      fix: `raise ${limit}`,
    };
  }
  if (errno === Errno.EINVAL) {
    const fix = type === "time" ? "use linux 5.6 or newer" : "use a kernel that is built with it";
    return { area, name: type, status: "missing", detail: "this kernel doesn't have it", needed, fix };
  }
  return {
    area,
    name: type,
    status: "missing",
    detail: `can't be made: ${errnoText(errno)}`,
    needed,
    fix: refusedFix(),
  };
}

function userNamespace(errno: number): Check {
  const found = check("user", errno);
  const needed = !isPrivileged();
  if (errno === 0) {
    const restriction = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    if (needed && kernelText(restriction) === "1") {
      return {
        ...found,
        status: "limited",
        detail: "made, but AppArmor gives programs without a profile of their own no privileges in it (Ubuntu)",
        fix: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with "userns,"`,
      };
    }
    return found;
  }
  return { ...found, needed, fix: found.fix === undefined || errno === Errno.EPERM ? refusedFix() : found.fix };
}

/** Which of the known switches is off. */
function refusedFix(): string {
  if (kernelText("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
    return "sysctl -w kernel.unprivileged_userns_clone=1 (Debian), or run as root";
  }
  if (kernelText("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or an AppArmor profile with "userns,"`;
  }
  if (kernelText("/proc/sys/user/max_user_namespaces") === "0") return "sysctl -w user.max_user_namespaces=10000";
  return isPrivileged()
    ? "in a surrounding container: give it CAP_SYS_ADMIN and a seccomp profile that allows unshare"
    : "run as root, or have the surrounding sandbox allow unshare";
}

/** 0, or the errno with which the kernel refuses one. */
function tryNamespace(type: NamespaceType): number {
  const { flag } = namespaces[type];
  const flags = isPrivileged() || type === "user" ? [flag] : [namespaces.user.flag, flag];
  const plan: Plan = {
    cloneFlags: 0,
    slots: [],
    steps: [
      ...flags.map((each) => step("", { op: "unshare" as const, flags: each })),
      step("", { op: "sync", point: SyncPoint.namespaces }),
    ],
  };
  try {
    const init = startInit(plan, [], [-1, -1, -1], { driver: "none" });
    try {
      const [kind, , errno] = host.receive(init.socket, 10_000) ?? [MessageKind.failed, 0, Errno.ECHILD];
      return kind === MessageKind.reached ? 0 : errno;
    } finally {
      abandon(init);
    }
  } catch (error) {
    if (isErrno(error)) return error.errno;
    throw error;
  }
}
