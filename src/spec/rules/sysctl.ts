// linux.sysctl: only what belongs to a namespace the container has of its own; everything else is the host's.

import type { Config, NamespaceType } from "../config.ts";
import { escapePointer } from "../json.ts";
import { quote, type Report } from "../problem.ts";
import { findNamespace } from "./namespaces.ts";

const section = "config-linux.md#sysctl";

const ipcNames: ReadonlySet<string> = new Set(
  ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map(
    (name) => `kernel/${name}`,
  ),
);

const phrases: { readonly [type in NamespaceType]?: string } = {
  ipc: "is not allowed in the hosts ipc namespace",
  network: "not allowed in host network namespace",
  uts: "is not allowed in the hosts uts namespace",
  user: "is not allowed in the hosts user namespace",
};

export function checkSysctl({ linux }: Config, { error }: Report): void {
  for (const [key, value] of Object.entries(linux?.sysctl ?? {})) {
    const message = problemWith(key, value, (type) => findNamespace(linux, type) !== undefined);
    if (message === undefined) continue;
    error({ at: `/linux/sysctl/${escapePointer(key)}`, message, rule: "sysctl", section });
  }
}

function problemWith(key: string, value: string, own: (type: NamespaceType) => boolean): string | undefined {
  const path = sysctlPath(key);
  if (path === undefined) return `${quote(key)} is not the name of a sysctl`;
  if (value.includes("\n")) return `the value of ${quote(key)} has more than one line`;
  if (path === "kernel/hostname") {
    return `sysctl ${quote(key)} is not allowed as it conflicts with the OCI "hostname" field`;
  }
  const type = sysctlNamespace(path);
  if (type === undefined) return `sysctl ${quote(key)} is not in a separate kernel namespace`;
  return own(type) ? undefined : `sysctl ${quote(key)} ${phrases[type]}`;
}

/**
 * A sysctl's path below /proc/sys. As sysctl(8) reads names: the first separator decides, so that in
 * net/ipv4/conf/eth0.100/forwarding the dot belongs to the interface, and in net.ipv4.conf.eth0/100.forwarding the
 * slash stands for it.
 *
 * @returns undefined for a name that has empty or dot parts, or characters no sysctl has
 */
export function sysctlPath(key: string): string | undefined {
  const dotted = /[./]/.exec(key)?.[0] !== "/";
  const path = dotted ? key.replace(/[./]/g, (mark) => (mark === "." ? "/" : ".")) : key;
  const parts = path.split("/");
  const good = parts.length > 1 && parts.every((part) => /^[^\s/]+$/.test(part) && part !== "." && part !== "..");
  return good ? path : undefined;
}

/**
 * The kind of namespace that a sysctl belongs to; undefined for one of the whole machine. A namespace joined by a path
 * may turn out to be the host's: whoever opens it must look (security case V18).
 */
export function sysctlNamespace(path: string): NamespaceType | undefined {
  if (ipcNames.has(path) || path.startsWith("fs/mqueue/")) return "ipc";
  if (path.startsWith("net/")) return "network";
  if (path === "kernel/domainname") return "uts";
  return path.startsWith("user/") ? "user" : undefined;
}
