// What a config asks for that this machine doesn't have: for `tsrunc validate --host`. Looks only, by the files in which
// the kernel tells of itself; what needs to be tried (idmapped mounts) is tried on a mount of our own.

import { host } from "#host";
import { readLayout } from "../cgroup/layout.ts";
import { Errno, isErrno } from "../errors.ts";
import { hasNamespace } from "../plan/namespaces.ts";
import { sysctlPath } from "../plan/system.ts";
import type { Config, Mount, Resources } from "../spec/config.ts";
import { escapePointer } from "../spec/json.ts";
import { parseList } from "../spec/lists.ts";
import { collect, type Findings, quote, type Report } from "../spec/problem.ts";
import { capabilityNumber } from "../spec/tables/capabilities.ts";
import { mountOption } from "../spec/tables/mount-options.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { findResctrl } from "./intel-rdt.ts";
import { appArmorEnabled, selinuxEnabled } from "./labels.ts";

/** Reports what is missing here for a config that keeps the schema. */
export function inspectMachine(bundle: string, config: Config): Findings {
  return collect((report) => {
    checkNamespaces(config, report);
    checkMounts(bundle, config, report);
    checkHooks(config, report);
    checkCapabilities(config, report);
    checkDevices(config, report);
    checkSysctls(config, report);
    checkSeccomp(config, report);
    checkLabels(config, report);
    checkControllers(config.linux?.resources ?? {}, report);
    checkProcessors(config, report);
    checkIntelRdt(config, report);
  });
}

const rule = "host";

function exists(path: string): boolean {
  return host.stat(path, true) !== undefined;
}

/** The text of a file of the kernel; undefined when this kernel doesn't have it. */
function kernelText(path: string): string | undefined {
  try {
    return host.readText(path, 1 << 20).trim();
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
}

function checkNamespaces({ linux }: Config, { error }: Report): void {
  const section = "config-linux.md#namespaces";
  linux?.namespaces?.forEach(({ type, path = "" }, index) => {
    const at = `/linux/namespaces/${index}`;
    const { file } = namespaces[type];
    if (path !== "") {
      if (!exists(path)) error({ at: `${at}/path`, message: `${quote(path)} does not exist`, rule, section });
    } else if (!exists(`/proc/self/ns/${file}`)) {
      error({ at, message: `this kernel has no ${type} namespaces`, rule, section });
    } else if (kernelText(`/proc/sys/user/max_${file}_namespaces`) === "0") {
      const message = `new ${type} namespaces are switched off here (/proc/sys/user/max_${file}_namespaces is 0)`;
      error({ at, message, rule, section });
    }
  });
}

function checkMounts(bundle: string, { mounts = [] }: Config, report: Report): void {
  const section = "config.md#mounts";
  const known = new Set((kernelText("/proc/filesystems") ?? "").split("\n").map((line) => line.split("\t").at(-1)));
  let attributes: boolean | undefined;
  mounts.forEach((mount, index) => {
    const at = `/mounts/${index}`;
    const kinds = new Set((mount.options ?? []).map((word) => mountOption(word)?.kind));
    if (kinds.has("bind")) {
      const { source = "" } = mount;
      const path = source.startsWith("/") ? source : `${bundle}/${source}`;
      if (source !== "" && host.stat(path, false) === undefined) {
        report.error({ at: `${at}/source`, message: `${quote(path)} does not exist`, rule, section });
      }
    } else if (!kinds.has("remount") && !knownType(mount, known)) {
      const message = `this kernel doesn't know the file system ${mount.type}, unless a module brings it`;
      report.warn({ at: `${at}/type`, message, rule, section });
    }
    if (needsAttributes(mount)) {
      attributes ??= hasMountSetattr();
      const message = "idmapped mounts and recursive options need mount_setattr(2), which this kernel doesn't have";
      if (!attributes) report.error({ at, message, rule, section });
    }
  });
}

function knownType({ type = "" }: Mount, known: ReadonlySet<string | undefined>): boolean {
  // which of the two cgroup file systems there is, the layout decides
  return type === "" || type.startsWith("cgroup") || known.has(type);
}

function needsAttributes({ options = [], uidMappings = [] }: Mount): boolean {
  if (uidMappings.length > 0) return true;
  return options.some((word) => {
    const option = mountOption(word);
    return option?.kind === "idmap" || (option?.kind === "attribute" && option.recursive);
  });
}

/** Tries it with a mapping that every kernel refuses, the first user namespace's: only one without the call says ENOSYS. */
function hasMountSetattr(): boolean {
  const [userns] = host.openNamespace("/proc/self/ns/user");
  try {
    host.close(host.openTree("/", false, false, userns, false, 0, false));
    return true;
  } catch (error) {
    if (!isErrno(error)) throw error;
    return error.errno !== Errno.ENOSYS;
  } finally {
    host.close(userns);
  }
}

function checkHooks({ hooks = {} }: Config, { error }: Report): void {
  for (const [kind, list = []] of Object.entries(hooks)) {
    // startContainer hooks are programs of the container
    if (kind === "startContainer") continue;
    list.forEach(({ path }, index) => {
      const stat = host.stat(path, true);
      const message =
        stat === undefined
          ? `${quote(path)} does not exist`
          : stat[0] !== "file" || (stat[1] & 0o111) === 0
            ? `${quote(path)} is not an executable file`
            : undefined;
      if (message === undefined) return;
      error({ at: `/hooks/${kind}/${index}/path`, message, rule, section: "config.md#posix-platform-hooks" });
    });
  }
}

function checkCapabilities({ process }: Config, { warn }: Report): void {
  const last = Number(kernelText("/proc/sys/kernel/cap_last_cap") ?? 63);
  for (const [set, names = []] of Object.entries(process?.capabilities ?? {})) {
    names.forEach((name, index) => {
      if ((capabilityNumber(name) ?? 0) <= last) return;
      const at = `/process/capabilities/${set}/${index}`;
      warn({ at, message: `${name} is unknown to this kernel`, rule, section: "config.md#linux-process" });
    });
  }
}

function checkDevices(config: Config, { error }: Report): void {
  const section = "config-linux.md#devices";
  const byBind = hasNamespace(config, "user");
  config.linux?.devices?.forEach(({ path, type }, index) => {
    if (!byBind || type === "p" || exists(path)) return;
    const message = `${quote(path)} does not exist on the host, and in a user namespace devices are bound from there`;
    error({ at: `/linux/devices/${index}/path`, message, rule, section });
  });
  for (const name of Object.keys(config.linux?.netDevices ?? {})) {
    if (exists(`/sys/class/net/${name}`)) continue;
    const at = `/linux/netDevices/${escapePointer(name)}`;
    error({ at, message: "is no network device here", rule, section: "config-linux.md#network-devices" });
  }
}

function checkSysctls({ linux }: Config, { error }: Report): void {
  for (const key of Object.keys(linux?.sysctl ?? {})) {
    if (exists(`/proc/sys/${sysctlPath(key)}`)) continue;
    const at = `/linux/sysctl/${escapePointer(key)}`;
    error({ at, message: "is unknown to this kernel", rule, section: "config-linux.md#sysctl" });
  }
}

/** Of our actions, how /proc/sys/kernel/seccomp/actions_avail calls them. */
const actionWords: { readonly [action: string]: string } = {
  SCMP_ACT_KILL: "kill_thread",
  SCMP_ACT_KILL_THREAD: "kill_thread",
  SCMP_ACT_KILL_PROCESS: "kill_process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_ERRNO: "errno",
  SCMP_ACT_NOTIFY: "user_notif",
  SCMP_ACT_TRACE: "trace",
  SCMP_ACT_LOG: "log",
  SCMP_ACT_ALLOW: "allow",
};

function checkSeccomp({ linux }: Config, { error }: Report): void {
  const profile = linux?.seccomp;
  if (profile === undefined) return;
  const section = "config-linux.md#seccomp";
  const available = kernelText("/proc/sys/kernel/seccomp/actions_avail")?.split(" ");
  if (available === undefined) {
    error({ at: "/linux/seccomp", message: "this kernel has no seccomp filters", rule, section });
    return;
  }
  const check = (action: string, at: string): void => {
    const word = actionWords[action];
    if (word === undefined || available.includes(word)) return;
    error({ at, message: `this kernel doesn't know ${action}`, rule, section });
  };
  check(profile.defaultAction, "/linux/seccomp/defaultAction");
  profile.syscalls?.forEach(({ action }, index) => {
    check(action, `/linux/seccomp/syscalls/${index}/action`);
  });
}

function checkLabels({ process, linux }: Config, { error }: Report): void {
  const section = "config.md#linux-process";
  if (process?.apparmorProfile && !appArmorEnabled()) {
    error({ at: "/process/apparmorProfile", message: "AppArmor is not enabled here", rule, section });
  }
  if (selinuxEnabled()) return;
  const message = "SELinux is not enabled here";
  if (process?.selinuxLabel) error({ at: "/process/selinuxLabel", message, rule, section });
  if (linux?.mountLabel) {
    error({ at: "/linux/mountLabel", message, rule, section: "config-linux.md#mount-label" });
  }
}

/** Which controller a part of resources needs: on v1, on v2 (undefined: none, the setting has no effect there). */
const controllers: readonly (readonly [member: keyof Resources, v1: string, v2: string | undefined])[] = [
  ["memory", "memory", "memory"],
  ["cpu", "cpu", "cpu"],
  ["pids", "pids", "pids"],
  ["blockIO", "blkio", "io"],
  ["hugepageLimits", "hugetlb", "hugetlb"],
  ["rdma", "rdma", "rdma"],
  ["network", "net_cls", undefined],
];

function checkControllers(resources: Resources, { error, warn }: Report): void {
  const section = "config-linux.md#control-groups";
  const layout = readLayout();
  if (layout.mode === "none") {
    if (Object.keys(resources).length > 0) {
      error({ at: "/linux/resources", message: "no cgroups are mounted here", rule, section });
    }
    return;
  }
  const available =
    layout.mode === "v2"
      ? (kernelText(`${layout.unified.mount}${layout.unified.own}/cgroup.controllers`) ?? "").split(" ")
      : layout.hierarchies.flatMap((hierarchy) => hierarchy.controllers);
  for (const [member, v1, v2] of controllers) {
    const value = resources[member];
    if (value === undefined || Object.keys(value).length === 0) continue;
    const controller = layout.mode === "v2" ? v2 : v1;
    const at = `/linux/resources/${member}`;
    if (controller === undefined) {
      warn({ at, message: "has no effect with cgroup v2", rule, section });
    } else if (!available.includes(controller)) {
      error({ at, message: `the cgroup controller ${controller} is not available here`, rule, section });
    }
  }
}

/** CPUs and memory nodes by number. */
function checkProcessors({ process, linux }: Config, { error }: Report): void {
  const cpus = new Set(parseList(kernelText("/sys/devices/system/cpu/online") ?? ""));
  const nodes = new Set(parseList(kernelText("/sys/devices/system/node/online") ?? "0"));
  const check = (text: string | undefined, present: ReadonlySet<number>, what: string, at: string): void => {
    const missing = parseList(text ?? "")?.filter((number) => !present.has(number)) ?? [];
    if (missing.length === 0) return;
    const message = `this machine has no ${what} ${missing.slice(0, 8).join(", ")}`;
    error({ at, message, rule, section: "config-linux.md#cpu" });
  };
  check(linux?.resources?.cpu?.cpus, cpus, "CPU", "/linux/resources/cpu/cpus");
  check(linux?.resources?.cpu?.mems, nodes, "memory node", "/linux/resources/cpu/mems");
  check(linux?.memoryPolicy?.nodes, nodes, "memory node", "/linux/memoryPolicy/nodes");
  check(process?.execCPUAffinity?.initial, cpus, "CPU", "/process/execCPUAffinity/initial");
  check(process?.execCPUAffinity?.final, cpus, "CPU", "/process/execCPUAffinity/final");
}

function checkIntelRdt({ linux }: Config, { error }: Report): void {
  if (linux?.intelRdt === undefined || findResctrl() !== undefined) return;
  const message = "no resctrl file system is mounted here";
  error({ at: "/linux/intelRdt", message, rule, section: "config-linux.md#intelrdt" });
}
