// Two resources objects into one: what `update` is asked for, on top of what the container has. Pure.
//
// Engines (Go programs) write 0 and "" for "not given", so these leave things as they are. Exceptions are the fields
// for which 0 means something, and which are therefore absent when not given: pids.limit, swappiness, cpu.burst,
// cpu.idle. Lists are merged by what their entries are about. Devices are never updated: others (the NVIDIA hook, for
// one) may have added rules that we know nothing of.

import { UserError } from "../errors.ts";
import type { BlockIo, Cpu, Int64, Memory, Resources } from "../spec/config.ts";

export interface Merged {
  /** What the container has afterwards */
  readonly resources: Resources;
  /** What must be written to get there: the change, with the stored partner of each value that depends on one */
  readonly change: Resources;
}

/** @param version v1 limits memory and swap together, v2 each on its own */
export function mergeResources(stored: Resources, asked: Resources, version: "v1" | "v2"): Merged {
  const { devices: _, ...rest } = asked;
  const given = withoutZeros(rest);
  const memory = given.memory && mergeMemory(stored.memory ?? {}, given.memory, version);
  const cpu = given.cpu && mergeCpu(stored.cpu ?? {}, given.cpu);
  const blockIO = given.blockIO && mergeBlockIo(stored.blockIO ?? {}, given.blockIO);
  const lists = mergeLists(stored, given);
  return {
    resources: { ...stored, ...given, ...lists, ...part({ memory: memory?.stored, cpu: cpu?.stored, blockIO }) },
    change: { ...given, ...part({ memory: memory?.change, cpu: cpu?.change }) },
  };
}

/** The members that are there. */
function part<T extends object>(members: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function isSet(value: Int64 | undefined): value is Int64 {
  return value !== undefined && BigInt(value) !== 0n;
}

// ---- what is really given ----------------------------------------------------------------------------------------------

/** Members for which 0 and false are values. */
const meantZeros: ReadonlySet<string> = new Set(["swappiness", "burst", "idle"]);

function withoutZeros(asked: Resources): Resources {
  const { pids, unified, hugepageLimits, rdma, ...rest } = asked;
  const sections = Object.entries(rest)
    .map(([name, section]) => [name, nonZero(section)] as const)
    .filter(([, section]) => Object.keys(section).length > 0);
  return {
    ...Object.fromEntries(sections),
    ...part({
      pids: pids?.limit === undefined ? undefined : pids,
      unified: unified !== undefined && Object.keys(unified).length > 0 ? unified : undefined,
      hugepageLimits: hugepageLimits !== undefined && hugepageLimits.length > 0 ? hugepageLimits : undefined,
      rdma: rdma !== undefined && Object.keys(rdma).length > 0 ? rdma : undefined,
    }),
  };
}

function nonZero(section: object): object {
  return Object.fromEntries(
    Object.entries(section).filter(([name, value]) => {
      if (value === undefined) return false;
      if (Array.isArray(value)) return value.length > 0;
      return meantZeros.has(name) || (value !== 0 && value !== 0n && value !== "" && value !== false);
    }),
  );
}

// ---- memory, cpu: values that depend on each other -----------------------------------------------------------------------

interface Pair<T> {
  readonly stored: T;
  readonly change: T;
}

function mergeMemory(stored: Memory, given: Memory, version: "v1" | "v2"): Pair<Memory> {
  const merged = { ...stored, ...given };
  if (isSet(given.limit) && !isSet(given.swap)) {
    // lifting the memory limit lifts that of both, too
    if (BigInt(given.limit) === -1n) return both(merged, given, { swap: -1 });
    if (!isSet(stored.swap) || BigInt(stored.swap) === -1n) return { stored: merged, change: given };
    if (version === "v1") {
      if (BigInt(given.limit) > BigInt(stored.swap)) {
        throw new UserError(`memory limit ${given.limit} exceeds the memory+swap limit ${stored.swap}`, {
          at: "/memory/limit",
          hint: "update the memory+swap limit together with it",
        });
      }
      // in the order that the kernel takes them
      return both(merged, given, { swap: stored.swap });
    }
    // the swap itself stays as large as it was; the sum that config.json speaks of changes
    const swapAlone = isSet(stored.limit) ? BigInt(stored.swap) - BigInt(stored.limit) : 0n;
    return { stored: { ...merged, swap: small(BigInt(given.limit) + swapAlone) }, change: given };
  }
  if (isSet(given.swap) && !isSet(given.limit) && isSet(stored.limit)) {
    return { stored: merged, change: { ...given, limit: stored.limit } };
  }
  return { stored: merged, change: given };
}

function both(merged: Memory, given: Memory, more: Memory): Pair<Memory> {
  return { stored: { ...merged, ...more }, change: { ...given, ...more } };
}

function small(value: bigint): Int64 {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function mergeCpu(stored: Cpu, given: Cpu): Pair<Cpu> {
  const merged: { -readonly [K in keyof Cpu]: Cpu[K] } = { ...stored, ...given };
  // shares have no meaning in an idle group, and the kernel refuses them there
  if (given.idle !== undefined && !isSet(given.shares)) delete merged.shares;
  const change: { -readonly [K in keyof Cpu]: Cpu[K] } = { ...given };
  if (isSet(given.quota) || isSet(given.period)) {
    if (merged.quota !== undefined) change.quota = merged.quota;
    if (merged.period !== undefined) change.period = merged.period;
  }
  return { stored: merged, change };
}

// ---- lists -----------------------------------------------------------------------------------------------------------------

interface DeviceEntry {
  readonly major: Int64;
  readonly minor: Int64;
}

const deviceKey = ({ major, minor }: DeviceEntry): string => `${major}:${minor}`;

function mergeBlockIo(stored: BlockIo, given: BlockIo): BlockIo {
  const list = <T extends DeviceEntry>(old: readonly T[] | undefined, fresh: readonly T[] | undefined) =>
    fresh === undefined ? old : byKey(old, fresh, deviceKey);
  return {
    ...stored,
    ...given,
    ...part({
      weightDevice: list(stored.weightDevice, given.weightDevice),
      throttleReadBpsDevice: list(stored.throttleReadBpsDevice, given.throttleReadBpsDevice),
      throttleWriteBpsDevice: list(stored.throttleWriteBpsDevice, given.throttleWriteBpsDevice),
      throttleReadIOPSDevice: list(stored.throttleReadIOPSDevice, given.throttleReadIOPSDevice),
      throttleWriteIOPSDevice: list(stored.throttleWriteIOPSDevice, given.throttleWriteIOPSDevice),
    }),
  };
}

function mergeLists(stored: Resources, given: Resources): Partial<Resources> {
  const { hugepageLimits, network, rdma, unified } = given;
  const priorities = network?.priorities;
  return part<Resources>({
    hugepageLimits: hugepageLimits && byKey(stored.hugepageLimits, hugepageLimits, ({ pageSize }) => pageSize),
    network: network && {
      ...stored.network,
      ...network,
      ...part({ priorities: priorities && byKey(stored.network?.priorities, priorities, ({ name }) => name) }),
    },
    // free maps: a spread defines members, it never assigns to "__proto__"
    rdma: rdma && { ...stored.rdma, ...rdma },
    unified: unified && { ...stored.unified, ...unified },
  });
}

/** The old list with the entries of the new one in their places, or at the end. */
function byKey<T>(old: readonly T[] | undefined, fresh: readonly T[], keyOf: (entry: T) => string): readonly T[] {
  const entries = new Map((old ?? []).map((entry) => [keyOf(entry), entry]));
  for (const entry of fresh) entries.set(keyOf(entry), { ...entries.get(keyOf(entry)), ...entry });
  return [...entries.values()];
}
