// linux.personality: the spec defines no flags yet.

import type { Config } from "../config.ts";
import type { Report } from "../problem.ts";

export function checkPersonality({ linux }: Config, { warn }: Report): void {
  if ((linux?.personality?.flags?.length ?? 0) === 0) return;
  const message = "is ignored: the spec defines no personality flags";
  const section = "config-linux.md#personality";
  warn({ at: "/linux/personality/flags", message, rule: "personality", section });
}
