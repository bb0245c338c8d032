// linux.resources -> what is written into which cgroup file: pure tables, one for v1 and one for v2.
// Order matters and is the order of the list. Values of 0 mean "leave as it is" where engines send zeros for that.

import { UserError } from "../errors.ts";
import type { BlockIo, Cpu, Int64, Memory, Resources } from "../spec/config.ts";
import { escapePointer } from "../spec/json.ts";

/** One value for one cgroup file. */
export interface CgroupWrite {
  /** The v1 hierarchy it lives in; on v2 only the controller that must be enabled */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** JSON pointer of the setting */
  readonly at: string;
  /** "absent": the file may be missing (older kernels, no swap accounting); then nothing is written */
  readonly optional?: "absent";
  /** Refused (EINVAL) while a later write of the same controller isn't done: then it is tried once more after those */
  readonly again?: boolean;
  /** What to write where the kernel has another file for it (BFQ's weights) */
  readonly instead?: { readonly file: string; readonly value: string };
}

/** Adds a write to a list; `more` are its uncommon members. */
type Put = (
  file: string,
  value: string,
  at: string,
  more?: Pick<CgroupWrite, "optional" | "again" | "instead">,
) => void;

function putInto(writes: CgroupWrite[]): Put {
  return (file, value, at, more = {}) => {
    writes.push({ controller: file.slice(0, file.indexOf(".")), file, value, at: resourcesAt + at, ...more });
  };
}

/** Where the settings are in config.json. */
export const resourcesAt = "/linux/resources";

const absent = { optional: "absent" } as const;

/** A number that is given and not zero: the way engines say "set this". */
export function given(value: Int64 | undefined): value is Int64 {
  return value !== undefined && BigInt(value) !== 0n;
}

/**
 * CPU shares (v1, 2..262144) as a v2 weight (1..10000), by the formula runc and crun agreed on, which maps the default
 * 1024 to the default 100.
 */
export function weightOfShares(shares: Int64): number {
  const value = Number(shares);
  if (value <= 2) return 1;
  if (value >= 262144) return 10000;
  const log = Math.log2(value);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** blkio weight (10..1000) as io.weight (1..10000). */
export function ioWeightOfBlkio(weight: number): number {
  return Math.floor(1 + ((weight - 10) * 9999) / 990);
}

/**
 * memory.swap.max of v2 (swap alone) from the spec's memory+swap value; undefined: not written.
 * Errors: swap without limit, or smaller than the limit.
 */
export function swapMax(memory: Memory): string | undefined {
  const limit = BigInt(memory.limit ?? 0);
  const swap = BigInt(memory.swap ?? 0);
  if (limit < -1n) throw new UserError(`invalid memory value: ${limit}`, { at: `${resourcesAt}/memory/limit` });
  if (swap === 0n) return limit === -1n ? "max" : undefined;
  if (swap === -1n) return "max";
  if (limit === -1n) return String(swap);
  if (limit === 0n) {
    throw new UserError("unable to set swap limit without memory limit", { at: `${resourcesAt}/memory/swap` });
  }
  if (swap < limit) {
    throw new UserError(`memory+swap limit ${swap} should be >= memory limit ${limit}`, {
      at: `${resourcesAt}/memory/swap`,
    });
  }
  return String(swap - limit);
}

function limitText(value: Int64): string {
  return BigInt(value) === -1n ? "max" : String(value);
}

/** pids.max: 0 is a real limit (it becomes 1, as in runc), negative means none. */
function pidsText(limit: Int64): string {
  const value = BigInt(limit);
  if (value < 0n) return "max";
  return value === 0n ? "1" : String(value);
}

/** The writes for a v2 cgroup, in the order runc uses: pids, memory, io, cpu, cpuset, hugetlb, rdma, unified. */
export function writesV2(resources: Resources): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const put = putInto(writes);
  if (resources.pids?.limit !== undefined) put("pids.max", pidsText(resources.pids.limit), "/pids/limit");
  if (resources.memory !== undefined) memoryV2(resources.memory, put);
  if (resources.blockIO !== undefined) blockIOV2(resources.blockIO, put);
  if (resources.cpu !== undefined) cpuV2(resources.cpu, put);
  resources.hugepageLimits?.forEach((page, index) => {
    const at = `/hugepageLimits/${index}/limit`;
    put(`hugetlb.${page.pageSize}.max`, String(page.limit), at);
    put(`hugetlb.${page.pageSize}.rsvd.max`, String(page.limit), at, absent);
  });
  rdma(resources, put);
  for (const [file, value] of Object.entries(resources.unified ?? {})) {
    for (const line of value.split("\n")) if (line !== "") put(file, line, `/unified/${escapePointer(file)}`);
  }
  return writes;
}

function memoryV2(memory: Memory, put: Put): void {
  const swap = swapMax(memory);
  // swap first, so that a shrinking limit doesn't kill what could still be swapped out
  if (swap !== undefined) {
    const unlimitedOrOff = swap === "max" || swap === "0";
    put("memory.swap.max", swap, "/memory/swap", unlimitedOrOff ? absent : {});
  }
  if (given(memory.limit)) put("memory.max", limitText(memory.limit), "/memory/limit");
  if (given(memory.reservation)) put("memory.low", limitText(memory.reservation), "/memory/reservation");
}

function cpuV2(cpu: Cpu, put: Put): void {
  if (cpu.idle !== undefined) put("cpu.idle", String(cpu.idle), "/cpu/idle");
  if (given(cpu.shares) && Number(cpu.idle ?? 0) !== 1) {
    put("cpu.weight", String(weightOfShares(cpu.shares)), "/cpu/shares");
  }
  // a burst must not exceed the quota, neither the old one nor the new one
  if (cpu.burst !== undefined) {
    const none = Number(cpu.burst) === 0 ? absent : {};
    put("cpu.max.burst", String(cpu.burst), "/cpu/burst", { again: true, ...none });
  }
  if (given(cpu.quota) || given(cpu.period)) {
    const quota = given(cpu.quota) && BigInt(cpu.quota) > 0n ? String(cpu.quota) : "max";
    put(
      "cpu.max",
      `${quota} ${given(cpu.period) ? cpu.period : 100000}`,
      given(cpu.quota) ? "/cpu/quota" : "/cpu/period",
    );
  }
  if (cpu.cpus) put("cpuset.cpus", cpu.cpus, "/cpu/cpus");
  if (cpu.mems) put("cpuset.mems", cpu.mems, "/cpu/mems");
}

const throttles = [
  ["throttleReadBpsDevice", "rbps", "blkio.throttle.read_bps_device"],
  ["throttleWriteBpsDevice", "wbps", "blkio.throttle.write_bps_device"],
  ["throttleReadIOPSDevice", "riops", "blkio.throttle.read_iops_device"],
  ["throttleWriteIOPSDevice", "wiops", "blkio.throttle.write_iops_device"],
] as const;

function blockIOV2(io: BlockIo, put: Put): void {
  if (given(io.weight)) {
    put("io.bfq.weight", String(io.weight), "/blockIO/weight", {
      instead: { file: "io.weight", value: `default ${ioWeightOfBlkio(Number(io.weight))}` },
    });
  }
  io.weightDevice?.forEach((device, index) => {
    if (!given(device.weight)) return;
    const at = `/blockIO/weightDevice/${index}/weight`;
    const id = `${device.major}:${device.minor}`;
    put("io.bfq.weight", `${id} ${device.weight}`, at, {
      instead: { file: "io.weight", value: `${id} ${ioWeightOfBlkio(Number(device.weight))}` },
    });
  });
  for (const [field, key] of throttles) {
    io[field]?.forEach((device, index) => {
      // a rate of 0 takes the limit away, as on v1
      const rate = given(device.rate) ? device.rate : "max";
      put("io.max", `${device.major}:${device.minor} ${key}=${rate}`, `/blockIO/${field}/${index}/rate`);
    });
  }
}

function rdma(resources: Resources, put: Put): void {
  for (const [device, limit] of Object.entries(resources.rdma ?? {})) {
    const handles = limit.hcaHandles === undefined ? "" : ` hca_handle=${limit.hcaHandles}`;
    const objects = limit.hcaObjects === undefined ? "" : ` hca_object=${limit.hcaObjects}`;
    put("rdma.max", device + handles + objects, `/rdma/${escapePointer(device)}`);
  }
}

/** The writes for v1 hierarchies. */
export function writesV1(resources: Resources): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const put = putInto(writes);
  if (Object.keys(resources.unified ?? {}).length > 0) {
    throw new UserError("cannot use unified on cgroup v1", {
      at: `${resourcesAt}/unified`,
      hint: "use the v1 fields of linux.resources, or boot with systemd.unified_cgroup_hierarchy=1",
    });
  }
  if (resources.pids?.limit !== undefined) put("pids.max", pidsText(resources.pids.limit), "/pids/limit");
  if (resources.memory !== undefined) memoryV1(resources.memory, put);
  if (resources.cpu !== undefined) cpuV1(resources.cpu, put);
  if (resources.blockIO !== undefined) blockIOV1(resources.blockIO, put);
  resources.hugepageLimits?.forEach((page, index) => {
    const at = `/hugepageLimits/${index}/limit`;
    put(`hugetlb.${page.pageSize}.limit_in_bytes`, String(page.limit), at);
    put(`hugetlb.${page.pageSize}.rsvd.limit_in_bytes`, String(page.limit), at, absent);
  });
  if (given(resources.network?.classID)) put("net_cls.classid", String(resources.network.classID), "/network/classID");
  resources.network?.priorities?.forEach((priority, index) => {
    put("net_prio.ifpriomap", `${priority.name} ${priority.priority}`, `/network/priorities/${index}`);
  });
  rdma(resources, put);
  return writes;
}

function memoryV1(memory: Memory, put: Put): void {
  const limit = given(memory.limit) ? memory.limit : undefined;
  // v1 counts memory+swap like the spec does; unlimited memory lifts the swap limit, too
  const swap = given(memory.swap) ? memory.swap : limit !== undefined && BigInt(limit) === -1n ? limit : undefined;
  if (limit !== undefined) put("memory.limit_in_bytes", String(limit), "/memory/limit");
  if (swap !== undefined) {
    put("memory.memsw.limit_in_bytes", String(swap), "/memory/swap", BigInt(swap) === -1n ? absent : {});
  }
  if (given(memory.reservation)) {
    put("memory.soft_limit_in_bytes", String(memory.reservation), "/memory/reservation");
  }
  if (memory.disableOOMKiller === true) put("memory.oom_control", "1", "/memory/disableOOMKiller");
  if (memory.swappiness !== undefined) put("memory.swappiness", String(memory.swappiness), "/memory/swappiness");
}

function cpuV1(cpu: Cpu, put: Put): void {
  if (cpu.idle !== undefined) put("cpu.idle", String(cpu.idle), "/cpu/idle");
  // an idle group has no shares: the kernel refuses them
  if (given(cpu.shares) && Number(cpu.idle ?? 0) !== 1) put("cpu.shares", String(cpu.shares), "/cpu/shares");
  // of each of these the kernel checks every step, not the end: what it refuses at first may be right after the others
  const again = true;
  if (given(cpu.realtimePeriod)) put("cpu.rt_period_us", String(cpu.realtimePeriod), "/cpu/realtimePeriod", { again });
  if (given(cpu.realtimeRuntime)) put("cpu.rt_runtime_us", String(cpu.realtimeRuntime), "/cpu/realtimeRuntime");
  if (given(cpu.period)) put("cpu.cfs_period_us", String(cpu.period), "/cpu/period", { again });
  if (cpu.burst !== undefined) {
    const none = Number(cpu.burst) === 0 ? absent : {};
    put("cpu.cfs_burst_us", String(cpu.burst), "/cpu/burst", { again, ...none });
  }
  if (given(cpu.quota)) put("cpu.cfs_quota_us", String(cpu.quota), "/cpu/quota");
  if (cpu.cpus) put("cpuset.cpus", cpu.cpus, "/cpu/cpus");
  if (cpu.mems) put("cpuset.mems", cpu.mems, "/cpu/mems");
}

function blockIOV1(io: BlockIo, put: Put): void {
  /** CFQ's name and BFQ's: a kernel has one of them, or none. */
  const weigh = (name: string, value: string, at: string): void => {
    put(`blkio.${name}`, value, at, { instead: { file: `blkio.bfq.${name}`, value } });
  };
  if (given(io.weight)) weigh("weight", String(io.weight), "/blockIO/weight");
  if (given(io.leafWeight)) weigh("leaf_weight", String(io.leafWeight), "/blockIO/leafWeight");
  io.weightDevice?.forEach((device, index) => {
    const at = `/blockIO/weightDevice/${index}`;
    const id = `${device.major}:${device.minor}`;
    if (given(device.weight)) weigh("weight_device", `${id} ${device.weight}`, `${at}/weight`);
    if (given(device.leafWeight)) weigh("leaf_weight_device", `${id} ${device.leafWeight}`, `${at}/leafWeight`);
  });
  for (const [field, , file] of throttles) {
    io[field]?.forEach((device, index) => {
      put(file, `${device.major}:${device.minor} ${device.rate}`, `/blockIO/${field}/${index}/rate`);
    });
  }
}
