// Annotations org.systemd.property.NAME: further properties of a container's unit, as crun and runc have them. They come from
// whoever wrote the config, often a pod's author, so only what is about the unit itself may be set.

import { UserError } from "../../errors.ts";
import { honoured } from "../../spec/tables/annotations.ts";
import type { Variant } from "./marshal.ts";
import type { Property } from "./properties.ts";
import { parseVariant } from "./variant-text.ts";

const prefix = honoured.systemdProperty;

/**
 * What may be set on a scope. Not here: what starts or stops other things, or the machine (OnFailure, FailureAction,
 * JobTimeoutAction, Conflicts, ...), and what the runtime sets itself (PIDs, Slice, Delegate).
 */
const allowed: ReadonlySet<string> = new Set([
  // systemd.unit(5)
  ...["After", "Before", "BindsTo", "CollectMode", "DefaultDependencies", "Description", "Documentation", "PartOf"],
  ...["Requires", "Requisite", "StopWhenUnneeded", "Wants", "JobTimeoutUSec", "JobRunningTimeoutUSec"],
  // systemd.scope(5), systemd.kill(5)
  ...["OOMPolicy", "RuntimeMaxUSec", "RuntimeRandomizedExtraUSec", "TimeoutStopUSec"],
  ...["FinalKillSignal", "KillMode", "KillSignal", "SendSIGHUP", "SendSIGKILL", "WatchdogSignal"],
  // systemd.resource-control(5)
  ...["CPUAccounting", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "CPUShares", "CPUWeight", "StartupCPUWeight"],
  ...["AllowedCPUs", "AllowedMemoryNodes", "StartupAllowedCPUs", "StartupAllowedMemoryNodes"],
  ...["MemoryAccounting", "MemoryHigh", "MemoryLimit", "MemoryLow", "MemoryMax", "MemoryMin", "MemorySwapMax"],
  ...["MemoryZSwapMax", "DefaultMemoryLow", "DefaultMemoryMin", "MemoryPressureWatch", "MemoryPressureThresholdUSec"],
  ...["TasksAccounting", "TasksMax", "IOAccounting", "IOWeight", "IODeviceWeight", "IOReadBandwidthMax"],
  ...["IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax", "IODeviceLatencyTargetUSec", "StartupIOWeight"],
  ...["BlockIOAccounting", "BlockIOWeight", "IPAccounting", "IPAddressAllow", "IPAddressDeny"],
  ...["ManagedOOMSwap", "ManagedOOMMemoryPressure", "ManagedOOMMemoryPressureLimit", "ManagedOOMPreference"],
]);

/**
 * The properties that annotations ask for.
 *
 * @throws UserError for a name that isn't allowed, or a value that can't be read
 */
export function annotatedProperties(annotations: Readonly<Record<string, string>> = {}): readonly Property[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, text]) => property(key, key.slice(prefix.length), text));
}

function property(key: string, name: string, text: string): Property {
  const refuse = (why: string): UserError => new UserError(`the annotation ${key} ${why}`, { at: "/annotations" });
  // NAMESec is another way to say NAMEUSec
  const seconds = /^(.*[a-z])Sec$/.exec(name)?.[1];
  const actual = seconds === undefined || name.endsWith("USec") ? name : `${seconds}USec`;
  if (!/^[A-Za-z]{3,}$/.test(name)) throw refuse("has no name of a property");
  if (!allowed.has(actual)) throw refuse("asks for a property that a container may not have");
  let value: Variant;
  try {
    value = parseVariant(text);
  } catch (error) {
    if (error instanceof UserError) throw refuse(`has a value that can't be read: ${error.message}`);
    throw error;
  }
  if (actual === name) return [name, value];
  const micro = microseconds(value);
  if (micro === undefined) throw refuse("must be a number of seconds");
  return [actual, { signature: "t", value: micro }];
}

function microseconds({ value }: Variant): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n ? value * 1_000_000n : undefined;
  return typeof value === "number" && value >= 0 ? BigInt(Math.round(value * 1e6)) : undefined;
}
