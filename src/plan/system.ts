// What is set for the whole container: names, sysctls, and which paths are hidden or read-only.

import type { Config } from "../spec/config.ts";
import { escapePointer } from "../spec/json.ts";
import { type Step, step } from "./plan.ts";

export function planNames(config: Config): readonly Step[] {
  const steps: Step[] = [];
  if (config.hostname) steps.push(step("/hostname", { op: "hostname", name: config.hostname }));
  if (config.domainname) steps.push(step("/domainname", { op: "domainname", name: config.domainname }));
  return steps;
}

/** Keys as sysctl(8) reads them: if "." comes first it separates and "/" belongs to a name, else the other way round. */
export function sysctlPath(key: string): string {
  const separator = /[./]/.exec(key)?.[0];
  if (separator !== ".") return key;
  return key.replace(/[./]/g, (character) => (character === "." ? "/" : "."));
}

export function planSysctls(config: Config): readonly Step[] {
  return Object.entries(config.linux?.sysctl ?? {}).map(([key, value]) =>
    step(`/linux/sysctl/${escapePointer(key)}`, {
      op: "sysctl",
      path: sysctlPath(key),
      value,
    }),
  );
}

/** readonlyPaths, then maskedPaths; what is listed twice is done once. */
export function planRestrictions(config: Config): readonly Step[] {
  const steps: Step[] = [];
  unique(config.linux?.readonlyPaths, (path, index) => {
    steps.push(step(`/linux/readonlyPaths/${index}`, { op: "readonly_path", path }));
  });
  unique(config.linux?.maskedPaths, (path, index) => {
    steps.push(step(`/linux/maskedPaths/${index}`, { op: "mask", path }));
  });
  return steps;
}

function unique(paths: readonly string[] | undefined, use: (path: string, index: number) => void): void {
  const seen = new Set<string>();
  paths?.forEach((path, index) => {
    if (seen.has(path)) return;
    seen.add(path);
    use(path, index);
  });
}
