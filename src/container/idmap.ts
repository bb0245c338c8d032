// Idmapped mounts: a mount that shows the owners of files through a mapping of its own (mount_setattr(2)). The kernel takes
// the mapping from a user namespace: the container's, or for mappings of the mount itself one that is made for them and
// that nobody ever lives in.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { MessageKind, PLAN_MOUNT_RECURSIVE, PLAN_MOUNT_SOURCE_NOFOLLOW, SyncPoint } from "../plan/ops.generated.ts";
import { type Plan, type Step, step } from "../plan/plan.ts";
import type { MountMappings } from "../spec/idmap-option.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { hiddenBelow } from "./failure.ts";
import { mapText } from "./id-maps.ts";
import { abandon, startInit } from "./init.ts";

/** The user namespaces that stand for mappings, each made once for a container. */
export class Idmaps {
  private readonly opened = new Map<string, number>();

  /**
   * The detached and idmapped tree for a bind step with `idmap`.
   *
   * @param pid init's, for the container's own user namespace
   * @param from the process in whose mount namespace the source is looked up; 0: in ours
   * @param peer whether it stays a peer of the host's mount
   */
  openTree({ op, at, idmap }: Step, pid: number, from: number, peer: boolean): number {
    if (op.op !== "bind" || idmap === undefined) throw new TypeError(`${op.op} is no idmapped bind`);
    const userns = this.namespaceFor(idmap, at, pid);
    const recursive = (op.flags & PLAN_MOUNT_RECURSIVE) !== 0;
    const nofollow = (op.flags & PLAN_MOUNT_SOURCE_NOFOLLOW) !== 0;
    try {
      return host.openTree(op.hostPath, recursive, nofollow, userns, idmap.tree, from, peer);
    } catch (error) {
      if (!isErrno(error)) throw error;
      throw new UserError(`idmapped bind mount of "${op.hostPath}": ${error.call}: ${errnoText(error.errno)}`, {
        at,
        code: "kernel",
        errno: error.errno,
        ...hintFor(error.call, error.errno),
      });
    }
  }

  close(): void {
    for (const fd of this.opened.values()) host.close(fd);
    this.opened.clear();
  }

  private namespaceFor({ uidMappings, gidMappings }: MountMappings, at: string, pid: number): number {
    const uids = mapText(uidMappings);
    const gids = mapText(gidMappings);
    const key = `${uids}/${gids}`;
    let fd = this.opened.get(key);
    if (fd === undefined) {
      fd = uidMappings.length === 0 ? userNamespaceOf(pid) : makeUserNamespace(uids, gids, at);
      this.opened.set(key, fd);
    }
    return fd;
  }
}

function userNamespaceOf(pid: number): number {
  return host.openNamespace(`/proc/${pid}/ns/user`)[0];
}

/** An init with nothing to do but to be in a new user namespace while its maps are written. */
const holder: Plan = {
  cloneFlags: 0,
  slots: [],
  steps: [step("", { op: "unshare", flags: namespaces.user.flag }), step("", { op: "sync", point: SyncPoint.userns })],
};

/** A user namespace with these maps, and nobody in it; its descriptor. */
export function makeUserNamespace(uids: string, gids: string, at: string): number {
  const init = startInit(holder, [], [-1, -1, -1], { driver: "none" });
  try {
    const [kind, , errno] = host.receive(init.socket, -1) ?? [MessageKind.failed, 0, Errno.ECHILD];
    if (kind !== MessageKind.reached) {
      throw new UserError(`can't make a user namespace for an idmapped mount: ${errnoText(errno)}`, { at, errno });
    }
    writeMap(`/proc/${init.pid}/uid_map`, uids, `${at}/uidMappings`);
    writeMap(`/proc/${init.pid}/gid_map`, gids, `${at}/gidMappings`);
    return userNamespaceOf(init.pid);
  } finally {
    abandon(init);
  }
}

function writeMap(path: string, text: string, at: string): void {
  try {
    host.writeText(path, text);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new UserError(`the kernel refuses these mappings of an idmapped mount: ${errnoText(error.errno)}`, {
      at,
      code: "kernel",
      errno: error.errno,
    });
  }
}

function hintFor(call: string, errno: number): { readonly hint?: string } {
  if (call === "open_tree" && errno === Errno.EINVAL) return { hint: hiddenBelow };
  if (call === "open_tree") return errno === Errno.ENOENT ? { hint: "the source must exist on the host" } : {};
  if (errno === Errno.ENOSYS) return { hint: "idmapped mounts need linux 5.12" };
  if (errno === Errno.EINVAL) return { hint: "its file system can't be idmapped, or it already is" };
  return {};
}
