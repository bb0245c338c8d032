// config.json -> the plan of a container's init. One column of steps; each concern has its own file.

import { UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../spec/tables/mount-flags.ts";
import { planConsole } from "./console.ts";
import { planDevices } from "./devices.ts";
import type { CreateRequest, HostFacts } from "./facts.ts";
import { planHooks } from "./hooks.ts";
import { planMounts } from "./mounts.ts";
import { hasNamespace, isTight, planNamespaces } from "./namespaces.ts";
import { SyncPoint } from "./ops.generated.ts";
import { type Plan, type Slot, type Step, step } from "./plan.ts";
import { planProcess } from "./process.ts";
import { planNames, planRestrictions, planSysctls } from "./system.ts";

/** Compiles the plan for a container. Throws UserError for what can't be done. */
export function compileCreate(config: Config, facts: HostFacts, request: CreateRequest): Plan {
  const { process } = config;
  if (process === undefined) throw new UserError("process property must not be empty", { at: "/process" });
  const slots: Slot[] = [];
  if (request.start === "later") slots.push({ kind: "start-fifo" }, { kind: "status-fifo" });
  const { before, after, filter } = planProcess(config, process, facts, { ...request, createCwd: true });
  const early = planEarly(config, facts, before);
  const namespaces = planNamespaces(config, facts, request.cgroup, slots, early);
  const firstPreserved = slots.length;
  slots.push(...request.preserved.map((fd) => ({ kind: "preserved", fd }) as const));

  const steps: Step[] = [
    ...namespaces.steps,
    ...planKeyring(request),
    ...planRuntimeStop(config),
    ...planRoot(config, facts, request),
    ...planNames(config),
    ...planSysctls(config),
    ...planRestrictions(config),
    ...before.filter((entry) => !early.includes(entry)),
    step("", { op: "preserve", first: firstPreserved, count: request.preserved.length }),
    step("", { op: "commit", keep: request.start === "now" ? 1 : 0 }),
    ...(request.start === "later" ? [step("", { op: "wait_start", slot: 0, statusSlot: 1 } as const)] : []),
    ...planHooks(config, "startContainer", request),
    ...after,
  ];
  return { ...namespaces, slots, steps, ...(filter === undefined ? {} : { filter }) };
}

/**
 * What a very small memory limit is spared: each capability dropped leaves 200 bytes that the kernel frees much later.
 * A createContainer hook that init starts after it would lose them, too.
 */
function planEarly(config: Config, facts: HostFacts, before: readonly Step[]): readonly Step[] {
  if (!isTight(config, facts) || (config.hooks?.createContainer?.length ?? 0) > 0) return [];
  return before.filter(({ op }) => op.op === "bounding");
}

function planKeyring({ keyring, id }: CreateRequest): readonly Step[] {
  return keyring === "new" ? [step("", { op: "keyring", name: `_ses.${id}` })] : [];
}

/** Init stops once more when its namespaces are final, if the runtime has something to do in or with them. */
function planRuntimeStop(config: Config): readonly Step[] {
  const { prestart = [], createRuntime = [] } = config.hooks ?? {};
  const devices = Object.keys(config.linux?.netDevices ?? {});
  const at =
    prestart.length > 0 ? "/hooks/prestart" : createRuntime.length > 0 ? "/hooks/createRuntime" : "/linux/netDevices";
  const needed = prestart.length + createRuntime.length + devices.length > 0;
  return needed ? [step(at, { op: "sync", point: SyncPoint.namespaces })] : [];
}

const propagationFlag = {
  private: MS_PRIVATE,
  shared: MS_SHARED,
  slave: MS_SLAVE,
  unbindable: MS_UNBINDABLE,
  rprivate: MS_PRIVATE | MS_REC,
  rshared: MS_SHARED | MS_REC,
  rslave: MS_SLAVE | MS_REC,
  runbindable: MS_UNBINDABLE | MS_REC,
} as const;

/** The root file system: mounts, devices, the change of root, the terminal, and what is read-only from then on. */
function planRoot(config: Config, facts: HostFacts, request: CreateRequest): readonly Step[] {
  if (!hasNamespace(config, "mount")) return planChroot(config, request);
  const mounts = planMounts(config, facts, request);
  const masks = (config.linux?.maskedPaths?.length ?? 0) > 0;
  const userNamespace = hasNamespace(config, "user");
  const terminal = config.process?.terminal === true ? config.process : undefined;
  return [
    ...planPropagation(config, request),
    step("", { op: "own_proc" }),
    step("/root/path", { op: "rootfs", hostPath: request.rootfs }),
    ...(masks ? [step("/linux/maskedPaths", { op: "mask_source" } as const)] : []),
    ...mounts.now,
    ...planDevices(config, facts.privileged && !userNamespace),
    ...planHooks(config, "createContainer", request),
    step("/root/path", { op: request.root === "pivot" ? "pivot" : "move_root" }),
    step("", { op: "stdio_null" }),
    ...(terminal === undefined ? [] : [planConsole(terminal, !hostDev(config))]),
    ...mounts.later,
    ...planFinalPropagation(config),
    ...(config.root?.readonly === true ? [step("/root/readonly", { op: "readonly_root" } as const)] : []),
  ];
}

/** Without a mount namespace nothing may be mounted: it would be the host's. */
function planChroot(config: Config, request: CreateRequest): readonly Step[] {
  const linux = config.linux ?? {};
  const forbidden = (
    [
      ["/mounts", config.mounts],
      ["/linux/maskedPaths", linux.maskedPaths],
      ["/linux/readonlyPaths", linux.readonlyPaths],
      ["/linux/devices", linux.devices],
    ] as const
  ).find(([, list]) => (list?.length ?? 0) > 0);
  const at = forbidden?.[0] ?? (config.root?.readonly === true ? "/root/readonly" : undefined);
  if (at !== undefined) {
    throw new UserError("unable to restrict sys entries without a private MNT namespace", {
      at,
      hint: 'add {"type": "mount"} to linux.namespaces',
    });
  }
  return [
    step("", { op: "own_proc" }),
    ...planHooks(config, "createContainer", request),
    step("/root/path", { op: "chroot", hostPath: request.rootfs }),
    step("", { op: "stdio_null" }),
    ...(config.process?.terminal === true ? [planConsole(config.process, false)] : []),
  ];
}

/**
 * Mounts of the container must not reach the host: the whole tree becomes a slave first, whatever rootfsPropagation
 * says; "private" even receives nothing from it. Binds that are to be shared with the host come from the runtime (staysPeer).
 */
function planPropagation(config: Config, request: CreateRequest): readonly Step[] {
  const at = "/linux/rootfsPropagation";
  const wanted = config.linux?.rootfsPropagation;
  const isPrivate = wanted === "private" || wanted === "rprivate";
  if (isPrivate && request.root === "move") {
    throw new UserError("rootfsPropagation of [r]private is not safe without pivot_root", { at });
  }
  const flags = MS_REC | (isPrivate ? MS_PRIVATE : MS_SLAVE);
  return [step(wanted === undefined ? "" : at, { op: "propagate_root", flags })];
}

function planFinalPropagation(config: Config): readonly Step[] {
  const wanted = config.linux?.rootfsPropagation;
  if (wanted === undefined) return [];
  return [step("/linux/rootfsPropagation", { op: "propagate", flags: propagationFlag[wanted] })];
}

function hostDev(config: Config): boolean {
  return (
    config.mounts?.some(
      ({ destination, options }) =>
        destination === "/dev" && options?.some((word) => word === "bind" || word === "rbind"),
    ) ?? false
  );
}
