// linux.netDevices: devices of the runtime's network namespace that become the container's (config-linux.md#network-devices).

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { escapePointer } from "../spec/json.ts";

/** Moves them to where `pid` is. They come back, or vanish, with that namespace: the kernel sees to it. */
export function moveNetDevices({ linux }: Config, pid: number): void {
  const devices = Object.entries(linux?.netDevices ?? {});
  if (devices.length === 0) return;
  const [target] = host.openNamespace(`/proc/${pid}/ns/net`);
  try {
    for (const [device, { name = "" }] of devices) moveNetDevice(target, device, name === "" ? device : name);
  } finally {
    host.close(target);
  }
}

function moveNetDevice(target: number, device: string, name: string): void {
  try {
    host.moveNetDevice(target, device, name);
  } catch (error) {
    if (!isErrno(error)) throw error;
    const { errno } = error;
    throw new UserError(`can't move network device "${device}": ${error.subject}: ${errnoText(errno)}`, {
      at: `/linux/netDevices/${escapePointer(device)}`,
      code: "kernel",
      errno,
      ...hintFor(errno, name),
    });
  }
}

function hintFor(errno: number, name: string): { readonly hint?: string } {
  if (errno === Errno.ENODEV) return { hint: "see /sys/class/net for what there is" };
  if (errno === Errno.EEXIST) return { hint: `the container's network namespace has a "${name}" already` };
  return {};
}
