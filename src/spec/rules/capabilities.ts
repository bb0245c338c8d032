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
  const available = availability(facts);
  for (const set of sets) {
    const ignored = (capabilities[set] ?? []).filter((name) => !available(name));
    if (ignored.length === 0) continue;
    const names = ignored.map((name) => (/^\w+$/.test(name) ? name : quote(name))).join(" ");
    const message = `ignoring unknown or unavailable capabilities: [${names}]`;
    report.warn({ at: `${at}/capabilities/${set}`, message, rule: "capability-known", section });
  }
  checkSubsets(capabilities, `${at}/capabilities`, available, report);
}

type Available = (name: string) => boolean;

function availability({ capabilities = ~0n }: Facts): Available {
  // Two numbers instead of a BigInt: this is asked for each name of each set.
  const low = Number(BigInt.asIntN(32, capabilities));
  const high = Number(BigInt.asIntN(32, capabilities >> 32n));
  return (name) => {
    const number = capabilityNumber(name);
    return number !== undefined && (((number < 32 ? low : high) >>> (number & 31)) & 1) === 1;
  };
}

function checkSubsets(
  { effective = [], permitted = [], inheritable = [], ambient = [] }: Capabilities,
  at: string,
  available: Available,
  report: Report,
): void {
  const beyond = effective.filter((name) => !permitted.includes(name) && available(name));
  if (beyond.length > 0) {
    const message = `has ${beyond.join(" ")}, which permitted has not: the kernel refuses that`;
    report.error({ at: `${at}/effective`, message, rule: "capability-sets", section });
  }
  const raised = (name: string): boolean => permitted.includes(name) && inheritable.includes(name);
  const unraised = ambient.filter((name) => !raised(name) && available(name));
  if (unraised.length > 0) {
    const message = `has ${unraised.join(" ")}, which is not both in permitted and in inheritable: not raised`;
    report.warn({ at: `${at}/ambient`, message, rule: "capability-sets", section });
  }
}
