// linux.netDevices: which devices move into the container's network namespace, and what they are called there.

import type { Config } from "../config.ts";
import type { Facts } from "../facts.ts";
import { escapePointer } from "../json.ts";
import { quote, type Report } from "../problem.ts";
import { utf8Length } from "../utf8.ts";
import { findNamespace } from "./namespaces.ts";

const section = "config-linux.md#network-devices";

export function checkNetDevices({ linux }: Config, { rootless }: Facts, { error }: Report): void {
  const devices = Object.entries(linux?.netDevices ?? {});
  if (devices.length === 0) return;
  const at = "/linux/netDevices";
  const report = (pointer: string, message: string): void =>
    error({ at: pointer, message, rule: "net-device", section });
  if (findNamespace(linux, "network") === undefined)
    report(at, "unable to move network devices without a NET namespace");
  if (rootless) report(at, "network devices are not supported for rootless containers");
  const inside = new Set<string>();
  for (const [outer, { name = "" }] of devices) {
    const here = `${at}/${escapePointer(outer)}`;
    const inner = name === "" ? outer : name;
    if (!validName(outer)) report(here, `invalid network device name ${quote(outer)}`);
    if (name !== "" && !validName(name)) report(`${here}/name`, `invalid network device name ${quote(name)}`);
    // A name with %d is a pattern: the kernel picks a number for each.
    if (inside.has(inner) && !inner.includes("%d")) report(here, `is the second device to be called ${quote(inner)}`);
    inside.add(inner);
  }
}

/** dev_valid_name() of the kernel: 1 to 15 bytes, no path of its own, no separator of other interfaces. */
export function validName(name: string): boolean {
  const length = utf8Length(name);
  return length >= 1 && length <= 15 && name !== "." && name !== ".." && !/[/:\s]/.test(name);
}
