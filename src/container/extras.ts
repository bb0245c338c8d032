// What only few configs need, loaded for those (cli/load.ts): labels, idmapped mounts, network devices, resctrl groups,
// links that are copied, ids of others in an ordinary user's container.

import { host } from "#host";
import { mountSource } from "../plan/mounts.ts";
import type { Mount } from "../spec/config.ts";

export { Idmaps } from "./idmap.ts";
export { enterResctrl, planResctrl } from "./intel-rdt.ts";
export { checkLabels } from "./labels.ts";
export { moveNetDevices } from "./net-devices.ts";
export { mapByProgram } from "./subordinate-ids.ts";

/** For mounts with copy-symlink: which sources are links, and their targets. */
export function sourceLinks(bundle: string, mounts: readonly Mount[] = []): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const mount of mounts) {
    if (!mount.options?.includes("copy-symlink")) continue;
    const source = mountSource(mount, bundle);
    if (host.stat(source, false)?.[0] === "link") links.set(source, host.readLink(source));
  }
  return links;
}
