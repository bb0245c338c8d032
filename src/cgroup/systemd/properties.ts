// linux.resources -> properties of a unit, so that systemd knows the limits, too, and keeps them when it is reloaded. Pure.
// org.freedesktop.systemd1(5) has the properties' types.

import { UserError } from "../../errors.ts";
import type { Int64, Resources } from "../../spec/config.ts";
import { type DeviceRule, effectiveRules } from "../devices.ts";
import { deviceLines } from "../exceptions.ts";
import { swapMax, weightOfShares } from "../resources.ts";
import type { Value, Variant } from "./marshal.ts";

export type Property = readonly [name: string, value: Variant];

/** "no limit" */
const infinity = (1n << 64n) - 1n;

/** What decides which properties there are. */
export interface Target {
  readonly version: "v1" | "v2";
  /** Whether the manager may restrict devices: a user's may not */
  readonly devices: boolean;
}

/** The properties for the limits; with `devices` also for the device rules. */
export function resourceProperties(resources: Resources, { version, devices }: Target): readonly Property[] {
  const { memory, cpu, pids, blockIO } = resources;
  const v2 = version === "v2";
  return [
    ...number(v2 ? "MemoryMax" : "MemoryLimit", limit(memory?.limit)),
    ...(v2 ? number("MemoryLow", limit(memory?.reservation)) : []),
    ...(v2 && memory !== undefined ? number("MemorySwapMax", fileLimit(swapMax(memory))) : []),
    ...cpuWeight(cpu, v2),
    ...cpuQuota(given(cpu?.quota), given(cpu?.period)),
    ...number("TasksMax", tasks(pids?.limit)),
    ...(v2 ? [] : number("BlockIOWeight", given(blockIO?.weight))),
    ...bits("AllowedCPUs", cpu?.cpus),
    ...bits("AllowedMemoryNodes", cpu?.mems),
    ...(v2 ? unifiedProperties(resources.unified ?? {}) : []),
    ...(devices ? deviceProperties(effectiveRules(resources.devices)) : []),
  ];
}

function number(name: string, value: bigint | undefined): readonly Property[] {
  return value === undefined ? [] : [[name, { signature: "t", value }]];
}

/** Zero stands for "leave it as it is". */
function given(value: Int64 | undefined): bigint | undefined {
  return value === undefined || BigInt(value) === 0n ? undefined : BigInt(value);
}

function limit(value: Int64 | undefined): bigint | undefined {
  const wanted = given(value);
  return wanted !== undefined && wanted < 0n ? infinity : wanted;
}

/** 0 is a limit here, which systemd can't say: 1 is the nearest. */
function tasks(value: Int64 | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  const wanted = BigInt(value);
  return wanted < 0n ? infinity : wanted === 0n ? 1n : wanted;
}

/** A value of a cgroup file: a number or "max". Anything else is left to the file. */
function fileLimit(text: string | undefined): bigint | undefined {
  if (text === "max") return infinity;
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

function cpuWeight(cpu: Resources["cpu"], v2: boolean): readonly Property[] {
  const shares = given(cpu?.shares);
  // an idle group has no weight; which systemd 252 and newer calls 0
  if (v2 && Number(cpu?.idle ?? 0) === 1) return number("CPUWeight", 0n);
  if (shares === undefined) return [];
  return v2 ? number("CPUWeight", BigInt(weightOfShares(shares))) : number("CPUShares", shares);
}

const defaultPeriod = 100_000n;
const second = 1_000_000n;

/** systemd counts the quota per second, in steps of 10 ms: rounded up, as less would slow down what fits. */
function cpuQuota(quota: bigint | undefined, period: bigint | undefined): readonly Property[] {
  if (quota === undefined && period === undefined) return [];
  const step = 10_000n;
  const perSecond =
    quota === undefined || quota < 0n
      ? infinity
      : ((quota * second + (period ?? defaultPeriod) * step - 1n) / ((period ?? defaultPeriod) * step)) * step;
  return [...number("CPUQuotaPeriodUSec", period), ...number("CPUQuotaPerSecUSec", perSecond)];
}

/** A list such as "0-2,5" as a bit for each number, eight to a byte, the lowest first. */
function bits(name: string, list: string | undefined): readonly Property[] {
  if (list === undefined || list === "") return [];
  const bytes: number[] = [];
  for (const range of list.split(",")) {
    const found = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(range);
    const first = Number(found?.[1] ?? -1);
    const last = Number(found?.[2] ?? first);
    // the kernel says what is wrong with it when the file is written
    if (first < 0 || last < first || last > 8191) return [];
    for (let bit = first; bit <= last; bit++) {
      while (bytes.length <= bit >> 3) bytes.push(0);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return [[name, { signature: "ay", value: bytes }]];
}

/** The files of linux.resources.unified that have a property; systemd doesn't know the others. */
function unifiedProperties(files: Readonly<Record<string, string>>): readonly Property[] {
  const names: Readonly<Record<string, string>> = {
    "cpu.weight": "CPUWeight",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.max": "MemoryMax",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
  };
  return Object.entries(files).flatMap(([file, text]): readonly Property[] => {
    const value = text.trim();
    if (file === "cpuset.cpus") return bits("AllowedCPUs", value);
    if (file === "cpuset.mems") return bits("AllowedMemoryNodes", value);
    if (file === "cpu.idle") return value === "1" ? number("CPUWeight", 0n) : [];
    if (file === "cpu.max") {
      const [quota = "", period] = value.split(/\s+/);
      const wanted = fileLimit(quota);
      return wanted === undefined ? [] : cpuQuota(wanted === infinity ? -1n : wanted, fileLimit(period));
    }
    const name = Object.hasOwn(names, file) ? names[file] : undefined;
    return name === undefined ? [] : number(name, fileLimit(value));
  });
}

/**
 * Which devices systemd lets be used: no more than a list of those allowed. Rules that are more than that are left to
 * our own program. The order matters: the old list is cleared, then the policy set, then the new list.
 */
function deviceProperties(rules: readonly DeviceRule[]): readonly Property[] {
  const allowed = allowedDevices(rules);
  const list = (value: Value): Property => ["DeviceAllow", { signature: "a(ss)", value }];
  const policy = (value: string): Property => ["DevicePolicy", { signature: "s", value }];
  if (allowed === undefined) return [list([]), policy("auto")];
  return [list([]), policy("strict"), list(allowed)];
}

/** Pairs of node and access; undefined when a list can't say it, or when everything is allowed. */
function allowedDevices(
  rules: readonly DeviceRule[],
): readonly (readonly [node: string, access: string])[] | undefined {
  let lines: ReturnType<typeof deviceLines>;
  try {
    lines = deviceLines(rules);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
  const [[base] = ["deny"], ...others] = lines;
  if (base === "allow") return undefined;
  const pairs: [string, string][] = [];
  for (const [, line] of others) {
    const [type = "", major = "", minor = "", access = ""] = line.split(/[ :]/);
    const kind = type === "c" ? "char" : "block";
    if (major === "*" && minor !== "*") return undefined;
    pairs.push([minor !== "*" ? `/dev/${kind}/${major}:${minor}` : `${kind}-${major}`, access]);
  }
  return pairs;
}
