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

const area = "namespaces";

export function namespaceChecks(): readonly Check[] {
  const types = (Object.keys(namespaces) as NamespaceType[]).filter((type) => type !== "user");
  return [userNamespace(tryNamespace("user")), ...types.map((type) => check(type, tryNamespace(type))), procfs()];
}

function check(type: NamespaceType, errno: number): Check {
  if (errno === 0) {
    const detail = isPrivileged() || type === "user" ? "can be made" : "can be made in a user namespace";
    return { area, name: type, status: "ok", detail };
  }
  return { area, name: type, status: "missing", needed: type === "mount", ...refusal(type, errno) };
}

function refusal(type: NamespaceType, errno: number): Required<Pick<Check, "detail" | "fix">> {
  const limit = `/proc/sys/user/max_${namespaces[type].file}_namespaces`;
  switch (errno) {
    case Errno.ENOSPC:
      return { detail: `none left: ${limit} is ${kernelText(limit) ?? "?"}`, fix: `raise ${limit}` };
    case Errno.EINVAL:
      return {
        detail: "this kernel doesn't have it",
        fix:
          type === "time" ? "use linux 5.6 or newer, built with CONFIG_TIME_NS" : "use a kernel that is built with it",
      };
    default:
      return { detail: `can't be made: ${errnoText(errno)}`, fix: refusedFix() };
  }
}

/**
 * A new procfs in a user namespace may not show what the one around it hides, so mounts on top of files of ours, as
 * container engines make them, forbid it (mount_too_revealing in fs/namespace.c). Mounts on directories that are made
 * for it don't count.
 */
function procfs(): Check {
  const name = "proc in a user namespace";
  const masks = (kernelText("/proc/self/mountinfo") ?? "")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith("/proc/") && !/^\/proc\/(sys\/fs\/binfmt_misc|fs\/nfsd)$/.test(point));
  if (masks.length === 0) return { area, name, status: "ok", detail: "nothing of ours is hidden" };
  return {
    area,
    name,
    status: "limited",
    detail: `can't be mounted: something is mounted on ${masks.slice(0, 3).join(", ")}${masks.length > 3 ? ", ..." : ""}`,
    fix: "have the surrounding container show all of /proc (podman: --security-opt unmask=ALL)",
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
  return { ...found, needed };
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
