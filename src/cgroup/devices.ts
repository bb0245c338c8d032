// Which devices a container may use: the rules of linux.resources.devices in order, after "deny all", before the
// built-in ones that every container needs. The same list drives devices.allow (v1) and the eBPF program (v2).

import type { DeviceRule as ConfigRule } from "../spec/config.ts";

/** One normalised rule. -1 stands for any number; access is a subset of "rwm". */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: "a" | "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: string;
}

/** What every container may do: make any node, and use the default devices, terminals and tun (runc's list). */
export const builtInRules: readonly DeviceRule[] = [
  { allow: true, type: "c", major: -1, minor: -1, access: "m" },
  { allow: true, type: "b", major: -1, minor: -1, access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }, // null
  { allow: true, type: "c", major: 1, minor: 8, access: "rwm" }, // random
  { allow: true, type: "c", major: 1, minor: 7, access: "rwm" }, // full
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" }, // tty
  { allow: true, type: "c", major: 1, minor: 5, access: "rwm" }, // zero
  { allow: true, type: "c", major: 1, minor: 9, access: "rwm" }, // urandom
  { allow: true, type: "c", major: 136, minor: -1, access: "rwm" }, // pts
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" }, // ptmx
  { allow: true, type: "c", major: 10, minor: 200, access: "rwm" }, // tun
];

/** The effective rules, first "deny all", last wins. A rule of type "a" forgets everything before it. */
export function effectiveRules(rules: readonly ConfigRule[] | undefined): readonly DeviceRule[] {
  let list: DeviceRule[] = [{ allow: false, type: "a", major: -1, minor: -1, access: "rwm" }];
  for (const rule of rules ?? []) {
    const type = rule.type ?? "a";
    const normal: DeviceRule = {
      allow: rule.allow,
      type,
      major: type === "a" ? -1 : Number(rule.major ?? -1),
      minor: type === "a" ? -1 : Number(rule.minor ?? -1),
      access: type === "a" ? "rwm" : (rule.access ?? "rwm"),
    };
    if (type === "a") list = [normal];
    else list.push(normal);
  }
  const first = list[0];
  // "allow all" without exceptions already holds the built-in ones
  if (list.length === 1 && first?.allow === true) return list;
  return [...list, ...builtInRules];
}

/** A rule as the v1 files devices.allow and devices.deny take it. */
export function ruleText(rule: DeviceRule): string {
  if (rule.type === "a") return "a";
  const number = (value: number): string => (value < 0 ? "*" : String(value));
  return `${rule.type} ${number(rule.major)}:${number(rule.minor)} ${rule.access}`;
}
