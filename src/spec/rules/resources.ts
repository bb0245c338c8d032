// linux.resources, and the document of `update`: values that no cgroup can take. 0 mostly means "not set" there (Go
// programs write it so), -1 means unlimited. What a controller of this kernel can't do is told when it is applied.

import type { Cpu, Int64, Resources } from "../config.ts";
import { escapePointer } from "../json.ts";
import { listForm, parseList } from "../lists.ts";
import { quote, type Report, type Section } from "../problem.ts";
import { checkDeviceRules } from "./devices.ts";
import { validName } from "./net-devices.ts";

type ErrorAt = (member: string, message: string) => void;

/** @param at "/linux/resources" in config.json, "" when the object is the document */
export function checkResources(resources: Resources, at: string, report: Report): void {
  const under =
    (member: string, section: Section): ErrorAt =>
    (rest, message) =>
      report.error({ at: `${at}/${member}${rest}`, message, rule: "resources", section });
  checkDeviceRules(resources.devices ?? [], at, report);
  checkMemory(resources, under("memory", "config-linux.md#memory"));
  checkCpu(resources.cpu ?? {}, under("cpu", "config-linux.md#cpu"));
  checkPids(resources, under("pids", "config-linux.md#pids"));
  checkBlockIo(resources, under("blockIO", "config-linux.md#block-io"));
  checkHugePages(resources, under("hugepageLimits", "config-linux.md#huge-page-limits"));
  checkNetwork(resources, under("network", "config-linux.md#network"));
  checkRdma(resources, under("rdma", "config-linux.md#rdma"));
  checkUnified(resources, under("unified", "config-linux.md#unified"));
}

function checkMemory({ memory = {} }: Resources, error: ErrorAt): void {
  for (const name of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
    const value = memory[name] ?? 0;
    if (value < -1) error(`/${name}`, `is ${value}, must be a number of bytes, or -1 for unlimited`);
  }
  const { limit = 0, swap = 0, swappiness = 0 } = memory;
  if (limit > 0 && swap > 0 && swap < limit) {
    error("/swap", `is ${swap}, less than the memory limit of ${limit}: it is the limit of both together`);
  }
  if (swappiness > 100) error("/swappiness", `invalid memory swappiness value: ${swappiness} (must be from 0 to 100)`);
}

function checkCpu({ quota = 0, burst = 0, period = 0, idle = 0, cpus = "", mems = "" }: Cpu, error: ErrorAt): void {
  if (quota < -1 || (quota > 0 && quota < 1000))
    error("/quota", `is ${quota} us, must be at least 1000, or -1 for unlimited`);
  if (Number(period) !== 0 && (period < 1000 || period > 1_000_000)) {
    error("/period", `is ${period} us, must be from 1000 to 1000000`);
  }
  if (quota > 0 && burst > quota) error("/burst", `is ${burst} us, more than the quota of ${quota}`);
  if (idle < 0 || idle > 1) error("/idle", `is ${idle}, must be 0 or 1`);
  for (const [name, list] of [
    ["cpus", cpus],
    ["mems", mems],
  ] as const) {
    if (list !== "" && parseList(list) === undefined) error(`/${name}`, `is ${quote(list)}, must be ${listForm}`);
  }
}

function checkPids({ pids }: Resources, error: ErrorAt): void {
  const limit = pids?.limit ?? 0;
  if (limit < -1) error("/limit", `is ${limit}, must be a number of tasks, or -1 for unlimited`);
}

const throttles = [
  "throttleReadBpsDevice",
  "throttleWriteBpsDevice",
  "throttleReadIOPSDevice",
  "throttleWriteIOPSDevice",
] as const;

function checkBlockIo({ blockIO = {} }: Resources, error: ErrorAt): void {
  const weigh = (at: string, value: number | undefined): void => {
    if (value !== undefined && value !== 0 && (value < 10 || value > 1000))
      error(at, `is ${value}, must be from 10 to 1000`);
  };
  const number = (at: string, value: Int64): void => {
    if (value < 0 || value > 0xffffffffn) error(at, `is ${value}, not a device number`);
  };
  weigh("/weight", blockIO.weight);
  weigh("/leafWeight", blockIO.leafWeight);
  blockIO.weightDevice?.forEach(({ major, minor, weight, leafWeight }, index) => {
    const at = `/weightDevice/${index}`;
    number(`${at}/major`, major);
    number(`${at}/minor`, minor);
    weigh(`${at}/weight`, weight);
    weigh(`${at}/leafWeight`, leafWeight);
    if (weight === undefined && leafWeight === undefined) error(at, "must have a weight, a leafWeight, or both");
  });
  for (const list of throttles) {
    blockIO[list]?.forEach(({ major, minor }, index) => {
      number(`/${list}/${index}/major`, major);
      number(`/${list}/${index}/minor`, minor);
    });
  }
}

function checkHugePages({ hugepageLimits = [] }: Resources, error: ErrorAt): void {
  const seen = new Set<string>();
  hugepageLimits.forEach(({ pageSize }, index) => {
    const size = Number.parseInt(pageSize, 10);
    // Whatever the unit, a power of two stays one.
    if (!Number.isInteger(Math.log2(size))) error(`/${index}/pageSize`, `is ${quote(pageSize)}, not a power of two`);
    if (seen.has(pageSize)) error(`/${index}/pageSize`, `is ${quote(pageSize)} a second time`);
    seen.add(pageSize);
  });
}

function checkNetwork({ network }: Resources, error: ErrorAt): void {
  network?.priorities?.forEach(({ name }, index) => {
    if (!validName(name)) error(`/priorities/${index}/name`, `invalid network device name ${quote(name)}`);
  });
}

function checkRdma({ rdma = {} }: Resources, error: ErrorAt): void {
  for (const [name, { hcaHandles, hcaObjects }] of Object.entries(rdma)) {
    const at = `/${escapePointer(name)}`;
    if (!/^[A-Za-z0-9_.:-]+$/.test(name)) error(at, `${quote(name)} is not the name of an RDMA device`);
    if (hcaHandles === undefined && hcaObjects === undefined) error(at, "must have hcaHandles, hcaObjects, or both");
  }
}

function checkUnified({ unified = {} }: Resources, error: ErrorAt): void {
  for (const key of Object.keys(unified)) {
    // One file of the container's own cgroup: controller.name, without a way out of the directory.
    if (/^[A-Za-z0-9_]+(\.[A-Za-z0-9_-]+)+$/.test(key)) continue;
    error(`/${escapePointer(key)}`, `${quote(key)} is not the name of a cgroup file, such as memory.high`);
  }
}
