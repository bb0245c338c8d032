// What this machine offers and lacks for containers, each with what to do about it. Found out by trying, where that
// leaves nothing behind; a kernel's version says little about what a distribution or a sandbox has switched off.

import { host } from "#host";
import { isErrno } from "../errors.ts";
import { firstUserNamespace } from "./facts.ts";

export interface Check {
  readonly area: "kernel" | "namespaces" | "cgroups" | "security" | "programs";
  readonly name: string;
  /** "limited": there, but not for everything; "missing" is an error only where `needed` */
  readonly status: "ok" | "limited" | "missing";
  /** What was found */
  readonly detail: string;
  /** Without it containers don't start, or not for this user */
  readonly needed?: boolean;
  /** What to do, one clause */
  readonly fix?: string;
}

export interface Diagnosis {
  readonly kernel: string;
  readonly machine: string;
  /** Effective uid */
  readonly user: number;
  /** Whether we are in a user namespace of somebody's, where uid 0 may less than root */
  readonly nested: boolean;
  readonly checks: readonly Check[];
}

/** Puts together what the checks of each area say. */
export function diagnose(areas: readonly (() => readonly Check[])[]): Diagnosis {
  const [kernel, machine] = host.kernel();
  const nested = host.stat("/proc/self/ns/user", true)?.[5] !== firstUserNamespace;
  return { kernel, machine, user: host.ids()[1], nested, checks: areas.flatMap((area) => area()) };
}

/** Whether containers can be started at all. */
export function isHealthy({ checks }: Diagnosis): boolean {
  return checks.every(({ status, needed }) => status !== "missing" || needed !== true);
}

/** The text of a file of the kernel; undefined when it can't be read. */
export function kernelText(path: string): string | undefined {
  try {
    return host.readText(path, 1 << 20).trim();
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
}

export function isPrivileged(): boolean {
  return host.ids()[1] === 0;
}
