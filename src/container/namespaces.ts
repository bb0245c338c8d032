// The namespaces a container joins: opened once, checked, and handed to init as descriptors.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Slot } from "../plan/plan.ts";
import { namespaces } from "../spec/tables/namespaces.ts";

/**
 * Opens the namespace of a slot. Refused: what isn't a namespace of this type; our own mount namespace, in which a
 * container's mounts would be the host's; and the ones that stand for "the host's" where a setting needs a private one.
 *
 * @param needsPrivate JSON pointer of a setting that would change the host's namespace, if there is one
 */
export function openNamespaceSlot(slot: Slot & { kind: "namespace" }, needsPrivate: string | undefined): number {
  const { type, path, at } = slot;
  const refuse = (why: string, hint?: string): UserError =>
    new UserError(`can't join the ${type} namespace "${path}": ${why}`, {
      at,
      ...(hint === undefined ? {} : { hint }),
    });
  let opened: ReturnType<typeof host.openNamespace>;
  try {
    opened = host.openNamespace(path);
  } catch (error) {
    if (!isErrno(error)) throw error;
    if (error.errno === Errno.ENOENT) throw refuse(errnoText(error.errno), "the process it belonged to may have ended");
    if (error.errno === Errno.EINVAL) throw refuse("it is not a namespace", "give a file such as /proc/PID/ns/net");
    throw refuse(errnoText(error.errno));
  }
  const [fd, flag, device, inode] = opened;
  try {
    if (flag !== namespaces[type].flag) throw refuse(`it is a ${typeOf(flag)} namespace`);
    const own = host.stat(`/proc/self/ns/${namespaces[type].file}`, true);
    if (own !== undefined && own[4] === device && own[5] === inode) {
      if (type === "mount") throw refuse("it is the runtime's own, whose mounts are the host's");
      if (needsPrivate !== undefined) {
        throw new UserError(`${needsPrivate} is not allowed in the host's ${type} namespace`, {
          at: needsPrivate,
          hint: "give the container a namespace of its own",
        });
      }
    }
    return fd;
  } catch (error) {
    host.close(fd);
    throw error;
  }
}

function typeOf(flag: number): string {
  return Object.entries(namespaces).find(([, kind]) => kind.flag === flag)?.[0] ?? "unknown";
}
