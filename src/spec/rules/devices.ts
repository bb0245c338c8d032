// linux.devices, the nodes, and linux.resources.devices, the rules on who may use which.

import type { Config, Device, DeviceRule, Int64 } from "../config.ts";
import { quote, type Report } from "../problem.ts";

const section = "config-linux.md#devices";

/** The kernel's dev_t: 12 bits for the major number, 20 for the minor. */
const most = { major: 4095, minor: 1048575 } as const;

export function checkDevices({ linux }: Config, { error }: Report): void {
  const byPath = new Map<string, Device>();
  linux?.devices?.forEach((device, index) => {
    const at = `/linux/devices/${index}`;
    const report = (member: string, message: string): void =>
      error({ at: at + member, message, rule: "device", section });
    const path = tidy(device.path);
    if (!path.startsWith("/")) report("/path", `must be an absolute path, not ${quote(device.path)}`);
    else if (path === "/" || path === "/dev") report("/path", `is ${quote(device.path)}, a directory`);
    if (device.type !== "p") checkNumbers(device, report);
    const before = byPath.get(path);
    if (before !== undefined && !sameDevice(before, device)) {
      report("/path", `is ${quote(path)} a second time, for another device`);
    }
    byPath.set(path, device);
  });
}

/** Without doubled and trailing slashes. */
function tidy(path: string): string {
  if (!path.includes("//") && !path.endsWith("/")) return path;
  return path.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");
}

function checkNumbers(device: Device, report: (member: string, message: string) => void): void {
  for (const name of ["major", "minor"] as const) {
    const number = device[name];
    if (number === undefined) report(`/${name}`, `must be given for a device of type ${quote(device.type)}`);
    else if (number < 0 || number > most[name]) report(`/${name}`, `is ${number}, must be from 0 to ${most[name]}`);
  }
}

function sameDevice(left: Device, right: Device): boolean {
  const kind = (device: Device): string => (device.type === "u" ? "c" : device.type);
  const number = (value: Int64 | undefined): string => String(value ?? 0);
  if (kind(left) !== kind(right)) return false;
  return number(left.major) === number(right.major) && number(left.minor) === number(right.minor);
}

/** @param at the pointer to the resources object */
export function checkDeviceRules(rules: readonly DeviceRule[], at: string, { error }: Report): void {
  rules.forEach(({ access = "", major = -1, minor = -1 }, index) => {
    const report = (member: string, message: string): void =>
      error({
        at: `${at}/devices/${index}/${member}`,
        message,
        rule: "device-rule",
        section: "config-linux.md#allowed-device-list",
      });
    if (access === "") report("access", `device access at ${index} field cannot be empty`);
    else if (!/^[rwm]+$/.test(access)) report("access", `is ${quote(access)}, must be made of r, w and m`);
    if (major < -1 || major > most.major)
      report("major", `is ${major}, must be from 0 to ${most.major}, or -1 for any`);
    if (minor < -1 || minor > most.minor)
      report("minor", `is ${minor}, must be from 0 to ${most.minor}, or -1 for any`);
  });
}
