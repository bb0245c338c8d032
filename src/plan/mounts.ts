// mounts[] -> mount and bind operations, in their order. What must be complete before it may be read-only (a tmpfs, /dev)
// is mounted writable first; `later` holds the steps that close it.

import { UserError } from "../errors.ts";
import type { Config, Mount } from "../spec/config.ts";
import { type MountMappings, readIdmapOption } from "../spec/idmap-option.ts";
import { honoured } from "../spec/tables/annotations.ts";
import { MOUNT_ATTR_RDONLY, MS_SHARED } from "../spec/tables/mount-flags.ts";
import { planCgroupMount } from "./cgroup-mount.ts";
import type { CreateRequest, HostFacts } from "./facts.ts";
import { type ParsedOptions, parseMountOptions } from "./mount-options.ts";
import { hasNamespace, hasNewNamespace } from "./namespaces.ts";
import {
  PLAN_LINK_EXACT,
  PLAN_MOUNT_BIND_FALLBACK,
  PLAN_MOUNT_COPY_UP,
  PLAN_MOUNT_FROM_RUNTIME,
  PLAN_MOUNT_INHERIT_MODE,
  PLAN_MOUNT_NO_SYMLINKS,
  PLAN_MOUNT_NOFOLLOW,
  PLAN_MOUNT_RECURSIVE,
  PLAN_MOUNT_SOURCE_NOFOLLOW,
} from "./ops.generated.ts";
import { cleanPath } from "./paths.ts";
import { type Step, step } from "./plan.ts";

interface MountSteps {
  readonly now: readonly Step[];
  /** After devices, console and hooks */
  readonly later: readonly Step[];
}

export function planMounts(config: Config, facts: HostFacts, request: CreateRequest): MountSteps {
  const now: Step[] = [];
  const later: Step[] = [];
  const inUserNamespace = hasNamespace(config, "user");
  config.mounts?.forEach((mount, index) => {
    const at = `/mounts/${index}`;
    const path = cleanPath(mount.destination);
    const options = parseMountOptions(mount.options ?? []);
    refuse(mount, options, at);
    if (options.remount && options.bind === undefined) {
      later.push(step(at, { op: "remount", path, attrSet: options.attributes.set }));
    } else if (options.bind !== undefined) {
      // Root of a user namespace may not reach what only the root outside of it can, who makes it. As an ordinary user we
      // could make no mounts for it, and would reach no more.
      const byRuntime = facts.clonesMounts && (inUserNamespace || staysPeer(options, config));
      planBind({ config, request, mount, options, at, path, now, later, readonly: "later" }, byRuntime);
    } else if (mount.type === "cgroup" || mount.type === "cgroup2") {
      const steps = planCgroupMount(config, facts, request, { at, path, attributes: options.attributes });
      now.push(...steps.now);
      later.push(...steps.later);
    } else {
      planFileSystem({ config, request, mount, options, at, path, now, later, readonly: "later" });
    }
  });
  return { now, later };
}

/**
 * Mounts for a container that runs: every source comes from the runtime, and what is read-only is so from the beginning,
 * as programs may already look at it.
 */
export function planAddedMounts(mounts: readonly Mount[], config: Config, bundle: string): readonly Step[] {
  const now: Step[] = [];
  const later: Step[] = [];
  mounts.forEach((mount, index) => {
    const at = `/${index}`;
    const options = parseMountOptions(mount.options ?? []);
    const path = cleanPath(mount.destination);
    refuse(mount, options, at);
    const context = { config, request: { bundle }, mount, options, at, path, now, later, readonly: "at once" } as const;
    if (options.bind === undefined) planFileSystem(context);
    else planBind(context, true);
  });
  return now;
}

interface Context {
  readonly config: Config;
  readonly request: Pick<CreateRequest, "bundle" | "links">;
  readonly mount: Mount;
  readonly options: ParsedOptions;
  readonly at: string;
  readonly path: string;
  readonly now: Step[];
  readonly later: Step[];
  /** When what others are mounted into (a tmpfs, /dev) becomes read-only */
  readonly readonly: "later" | "at once";
}

function refuse(mount: Mount, options: ParsedOptions, at: string): void {
  if (options.bind !== undefined && options.unknown.length > 0) {
    throw new UserError(
      `bind mounts cannot have any filesystem-specific options applied: ${options.unknown.join(",")} (${mount.destination})`,
      { at: `${at}/options` },
    );
  }
  const idmapped = options.idmap !== undefined || (mount.uidMappings?.length ?? 0) > 0;
  if (idmapped && options.bind === undefined) {
    throw new UserError("id-mapped mounts are only supported for bind-mounts", { at });
  }
}

function planBind(context: Context, byRuntime: boolean): void {
  const { config, request, mount, options, at, path, now, later } = context;
  const hostPath = mountSource(mount, request.bundle);
  const target = options.copySymlink ? request.links?.get(hostPath) : undefined;
  if (target !== undefined) {
    now.push(step(at, { op: "link", target, path, replace: PLAN_LINK_EXACT }));
    return;
  }
  const readonlyLater =
    context.readonly === "later" && path === "/dev" && (options.attributes.set & MOUNT_ATTR_RDONLY) !== 0;
  const attrSet = readonlyLater ? options.attributes.set & ~MOUNT_ATTR_RDONLY : options.attributes.set;
  const mapped = options.idmap !== undefined || (mount.uidMappings?.length ?? 0) > 0;
  let flags = options.bind === "tree" ? PLAN_MOUNT_RECURSIVE : 0;
  if (mapped || byRuntime) flags |= PLAN_MOUNT_FROM_RUNTIME;
  if (options.sourceNofollow) flags |= PLAN_MOUNT_SOURCE_NOFOLLOW;
  if (options.destinationNofollow) flags |= PLAN_MOUNT_NOFOLLOW;
  const bind = step(at, {
    op: "bind",
    hostPath,
    attrSet,
    attrClear: options.attributes.clear,
    recursiveSet: options.recursive.set,
    recursiveClear: options.recursive.clear,
    propagation: options.propagation,
    path,
    flags,
  });
  now.push(
    mapped ? { ...bind, idmap: { ...mappingsOf(mount, options, config, at), tree: options.idmap === "tree" } } : bind,
  );
  if (readonlyLater) later.push(step(at, { op: "remount", path, attrSet: MOUNT_ATTR_RDONLY }));
}

/**
 * Whether a bind stays a peer of the host's mount, so that what is mounted below it on one side appears on the other:
 * Kubernetes' Bidirectional, Docker's rshared. All other mounts are at most slaves; so are all in a user namespace.
 */
export function staysPeer({ propagation }: { readonly propagation: readonly number[] }, config: Config): boolean {
  const wanted = config.linux?.rootfsPropagation;
  const shared = wanted === "shared" || wanted === "rshared";
  return shared && !hasNamespace(config, "user") && propagation.some((type) => (type & MS_SHARED) !== 0);
}

/** The mappings of an idmapped mount itself; none where it has the container's. */
function mappingsOf(mount: Mount, { mappings }: ParsedOptions, { linux }: Config, at: string): MountMappings {
  const { uidMappings = [], gidMappings = [] } = mount;
  if (mappings === undefined) return { uidMappings, gidMappings };
  const read = readIdmapOption(mappings, linux ?? {});
  if (typeof read === "string") throw new UserError(`the option idmap=${mappings}: ${read}`, { at: `${at}/options` });
  return read;
}

/** What a bind mount binds: a path of the host, relative ones seen from the bundle. */
export function mountSource({ source = "" }: Mount, bundle: string): string {
  return source.startsWith("/") ? source : `${bundle}/${source}`;
}

/** Without own labels: the kernel's file systems that don't take one as an option. */
const unlabelled = new Set(["proc", "sysfs", "mqueue"]);

/** The SELinux option that a label is given by. */
function labelOption({ annotations }: Config): string {
  const wanted = annotations?.[honoured.mountContext] ?? "context";
  if (["context", "fscontext", "defcontext", "rootcontext"].includes(wanted)) return wanted;
  throw new UserError(`${honoured.mountContext} is ${JSON.stringify(wanted)}, which is no SELinux mount option`, {
    at: `/annotations/${honoured.mountContext}`,
    hint: "use context, fscontext, defcontext or rootcontext",
  });
}

function planFileSystem(context: Context): void {
  const { config, mount, options, at, path, now, later } = context;
  const type = mount.type ?? "";
  if (type === "") throw new UserError(`the mount on "${mount.destination}" needs a type, or the option bind`, { at });
  const data = type === "overlay" ? splitLayers(options.data) : [...options.data];
  const label = config.linux?.mountLabel;
  if (label && !unlabelled.has(type)) data.push(`${labelOption(config)}=${label}`);
  // of a mount with nothing below it, rro is ro
  const { attributes, recursive } = options;
  const readonly = (((attributes.set & ~recursive.clear) | recursive.set) & MOUNT_ATTR_RDONLY) !== 0;
  const readonlyLater = context.readonly === "later" && readonly && (type === "tmpfs" || path === "/dev");
  const kept = readonlyLater ? ~MOUNT_ATTR_RDONLY : ~0;
  let flags = 0;
  let source = mount.source ?? type;
  if (type === "proc" || type === "sysfs") flags |= PLAN_MOUNT_NO_SYMLINKS;
  if (options.destinationNofollow) flags |= PLAN_MOUNT_NOFOLLOW;
  if (type === "tmpfs") {
    if (options.copyUp) flags |= PLAN_MOUNT_COPY_UP;
    if (!data.some((word) => word.startsWith("mode="))) flags |= PLAN_MOUNT_INHERIT_MODE;
  }
  const fallback = fallbackSource(config, type);
  if (fallback !== undefined) {
    flags |= PLAN_MOUNT_BIND_FALLBACK;
    source = fallback;
  }
  now.push(
    step(at, {
      op: "mount",
      type,
      source,
      options: data,
      attr: attributes.set & kept,
      recursiveSet: recursive.set & kept,
      recursiveClear: recursive.clear,
      propagation: options.propagation,
      path,
      flags,
    }),
  );
  if (readonlyLater) later.push(step(at, { op: "remount", path, attrSet: MOUNT_ATTR_RDONLY }));
}

/** As much as mount(2) takes; init uses that for a value beyond the 255 bytes of fsconfig(2). */
const pageOfOptions = 4095;

/**
 * More layers of an overlay than fit into one page are given one by one, which kernels know since 6.7. Layers are
 * separated by ":", from data-only ones by "::"; a backslash takes the meaning from what follows.
 */
function splitLayers(words: readonly string[]): string[] {
  if (words.join(",").length <= pageOfOptions) return [...words];
  return words.flatMap((word) => {
    if (!word.startsWith("lowerdir=")) return [word];
    const [layers = "", ...dataOnly] = word.slice("lowerdir=".length).split("::");
    const each = (text: string): readonly string[] =>
      (text.match(/(?:[^:\\]|\\.)+/g) ?? []).map((layer) => layer.replace(/\\(.)/g, "$1"));
    return [
      ...each(layers).map((layer) => `lowerdir+=${layer}`),
      ...dataOnly.flatMap(each).map((layer) => `datadir+=${layer}`),
    ];
  });
}

/**
 * In a user namespace the kernel gives a new sysfs only with a network namespace that belongs to it, a new mqueue only
 * with such an ipc namespace, a new proc only with such a pid namespace: the host's mount is bound instead, with the
 * same attributes. That of proc only where the host's processes are what the container is to see.
 */
function fallbackSource(config: Config, type: string): string | undefined {
  if (!hasNamespace(config, "user")) return undefined;
  if (type === "sysfs" && !hasNewNamespace(config, "network")) return "/sys";
  if (type === "proc" && !hasNamespace(config, "pid")) return "/proc";
  if (type === "mqueue" && !hasNewNamespace(config, "ipc")) return "/dev/mqueue";
  return undefined;
}
