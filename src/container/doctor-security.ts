// doctor: seccomp and security modules.

import { host } from "#host";
import { filterFlags, newListenerFlag } from "../seccomp/profile.ts";
import { type Check, kernelText } from "./doctor.ts";
import { appArmorEnabled, selinuxEnabled } from "./labels.ts";

const area = "security";

export function securityChecks(): readonly Check[] {
  return [seccomp(), modules(), appArmor(), selinux()];
}

function seccomp(): Check {
  const name = "seccomp";
  const actions = kernelText("/proc/sys/kernel/seccomp/actions_avail");
  if (actions === undefined) {
    return {
      area,
      name,
      status: "missing",
      detail: "this kernel has no seccomp filters: configs with linux.seccomp are refused",
      fix: "use a kernel that is built with CONFIG_SECCOMP_FILTER",
    };
  }
  const listens = host.seccompTakes(newListenerFlag | filterFlags.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  const notify = actions.split(" ").includes("user_notif");
  const detail = notify ? `filters, and listeners${listens ? " that wait killably" : ""}` : "filters, no listeners";
  if (notify) return { area, name, status: "ok", detail };
  return { area, name, status: "limited", detail, fix: "use linux 5.0 or newer for SCMP_ACT_NOTIFY" };
}

function modules(): Check {
  const active = kernelText("/sys/kernel/security/lsm");
  const detail =
    active === undefined || active === "" ? "can't be told: securityfs is not mounted" : active.split(",").join(", ");
  return { area, name: "security modules", status: "ok", detail };
}

function appArmor(): Check {
  const name = "AppArmor";
  if (appArmorEnabled()) return { area, name, status: "ok", detail: "enabled: process.apparmorProfile can be used" };
  return {
    area,
    name,
    status: "limited",
    detail: "not enabled: configs with process.apparmorProfile are refused",
    fix: "only where wanted: boot with apparmor=1 security=apparmor",
  };
}

function selinux(): Check {
  const name = "SELinux";
  if (selinuxEnabled()) return { area, name, status: "ok", detail: "enabled: process.selinuxLabel can be used" };
  return {
    area,
    name,
    status: "limited",
    detail: "not enabled: configs with process.selinuxLabel are refused",
    fix: "only where wanted: load a policy and boot with security=selinux",
  };
}
