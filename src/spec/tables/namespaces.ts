// The kinds of namespaces: the spec's name, the kernel's number and file name.

import type { NamespaceType } from "../config.ts";

export interface NamespaceKind {
  /** CLONE_NEW* of clone(2), setns(2) and NS_GET_NSTYPE */
  readonly flag: number;
  /** The file in /proc/PID/ns */
  readonly file: string;
}

export const namespaces: { readonly [type in NamespaceType]: NamespaceKind } = {
  cgroup: { flag: 0x02000000, file: "cgroup" },
  ipc: { flag: 0x08000000, file: "ipc" },
  mount: { flag: 0x00020000, file: "mnt" },
  network: { flag: 0x40000000, file: "net" },
  pid: { flag: 0x20000000, file: "pid" },
  time: { flag: 0x00000080, file: "time" },
  user: { flag: 0x10000000, file: "user" },
  uts: { flag: 0x04000000, file: "uts" },
};
