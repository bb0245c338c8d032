// linux.devices and the devices, links and terminals that every container has in /dev.

import type { Config, Device as ConfigDevice } from "../spec/config.ts";
import { PLAN_LINK_REPLACE } from "./ops.generated.ts";
import { pathParts } from "./paths.ts";
import { type Step, step } from "./plan.ts";

interface Device {
  readonly at: string;
  readonly path: string;
  readonly type: "c" | "b" | "p";
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const fileType = { c: 0o020000, b: 0o060000, p: 0o010000 } as const;

/** config-linux.md#default-devices; /dev/console comes with the terminal, /dev/ptmx is a link. */
const defaults: readonly (readonly [name: string, major: number, minor: number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];

const links: readonly (readonly [name: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/**
 * The device steps, after all mounts. Nothing is made when the config binds the host's /dev over the container's.
 * `mknod` false (user namespaces) binds the host's nodes instead.
 */
export function planDevices(config: Config, mknod: boolean): readonly Step[] {
  if (bindsDev(config)) return [];
  const listed = (config.linux?.devices ?? []).map(fromConfig);
  const paths = new Set(listed.map((device) => device.path));
  const all = [...defaults.map(fromDefault).filter((device) => !paths.has(device.path)), ...listed];
  const steps = all.map((device) => (mknod || device.type === "p" ? make(device) : bind(device)));
  for (const [name, target] of links) steps.push(step("", { op: "link", target, path: `/dev/${name}`, replace: 0 }));
  // an image may bring a ptmx of its own, which would be another devpts instance's
  steps.push(step("", { op: "link", target: "pts/ptmx", path: "/dev/ptmx", replace: PLAN_LINK_REPLACE }));
  return steps;
}

function bindsDev(config: Config): boolean {
  return (
    config.mounts?.some(
      (mount) =>
        pathParts(mount.destination).join("/") === "dev" &&
        mount.options?.some((option) => option === "bind" || option === "rbind"),
    ) ?? false
  );
}

function fromDefault([name, major, minor]: (typeof defaults)[number]): Device {
  return { at: "", path: `/dev/${name}`, type: "c", major, minor, mode: 0o666, uid: 0, gid: 0 };
}

function fromConfig(device: ConfigDevice, index: number): Device {
  return {
    at: `/linux/devices/${index}`,
    path: `/${pathParts(device.path).join("/")}`,
    type: device.type === "u" ? "c" : device.type,
    major: Number(device.major ?? 0),
    minor: Number(device.minor ?? 0),
    mode: (device.fileMode ?? 0o666) & 0o7777,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
  };
}

function make({ at, path, type, major, minor, mode, uid, gid }: Device): Step {
  return step(at, { op: "device", path, mode: fileType[type] | mode, major, minor, uid, gid });
}

function bind({ at, path, type, major, minor, mode }: Device): Step {
  return step(at, { op: "device_bind", hostPath: path, path, mode: fileType[type] | mode, major, minor, flags: 0 });
}
