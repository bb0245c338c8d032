// process.capabilities. A capability that can't be granted is a warning (the spec says so: MUST be logged, must not
// fail); sets that contradict each other are errors, as the kernel would refuse them later without saying which.

import type { Capabilities, CapabilitySet, Process } from "../config.ts";
import type { Facts } from "../facts.ts";
import { quote, type Report } from "../problem.ts";
import { capabilityNumber } from "../tables/capabilities.ts";

const section = "config.md#linux-process";
const sets: readonly CapabilitySet[] = ["bounding", "effective", "inheritable", "permitted", "ambient"];

export function checkCapabilities({ capabilities }: Process, at: string, facts: Facts, report: Report): void {
  if (capabilities === undefined) return;
  for (const set of sets) {
    const ignored = (capabilities[set] ?? []).filter((name) => !available(name, facts));
    if (ignored.length === 0) continue;
    const names = ignored.map((name) => (/^\w+$/.test(name) ? name : quote(name))).join(" ");
    const message = `ignoring unknown or unavailable capabilities: [${names}]`;
    report.warn({ at: `${at}/capabilities/${set}`, message, rule: "capability-known", section });
  }
  checkSubset(capabilities, `${at}/capabilities`, facts, report);
}

function available(name: string, { capabilities }: Facts): boolean {
  const number = capabilityNumber(name);
  if (number === undefined) return false;
  return capabilities === undefined || ((capabilities >> BigInt(number)) & 1n) === 1n;
}

function checkSubset(
  { effective = [], permitted = [], inheritable = [], ambient = [] }: Capabilities,
  at: string,
  facts: Facts,
  report: Report,
): void {
  const missing = (names: readonly string[], from: readonly string[]): string[] =>
    names.filter((name) => available(name, facts) && !from.includes(name));
  const beyond = missing(effective, permitted);
  if (beyond.length > 0) {
    const message = `has ${beyond.join(" ")}, which permitted has not: the kernel refuses that`;
    report.error({ at: `${at}/effective`, message, rule: "capability-sets", section });
  }
  const unraised = [...new Set([...missing(ambient, permitted), ...missing(ambient, inheritable)])];
  if (unraised.length > 0) {
    const message = `has ${unraised.join(" ")}, which is not both in permitted and in inheritable: not raised`;
    report.warn({ at: `${at}/ambient`, message, rule: "capability-sets", section });
  }
}
