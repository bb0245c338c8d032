import { host } from "#host";
import { readerFor } from "../../container/reader.ts";
import { savedConfig } from "../../container/saved.ts";
import { load } from "../../container/store.ts";
import { update } from "../../container/update.ts";
import { UserError } from "../../errors.ts";
import { log } from "../../log.ts";
import type { Int64 } from "../../spec/config.ts";
import { jsonText } from "../../spec/json-text.ts";
import { parseResources } from "../../spec/load.ts";
import { type Context, idArgument, pathFlag } from "../context.ts";
import { textFlag } from "../flags.ts";
import { loadDriverOf } from "../load.ts";

const maxDocumentBytes = 16 << 20;

export async function run(context: Context): Promise<number> {
  const id = idArgument(context);
  const changeSchemata = schemataOfFlags(context, id);
  const text = document(context) ?? jsonText(resourcesOfFlags(context));
  const { resources } = parseResources(text, readerFor(context.facts));
  await loadDriverOf(context.store, id);
  update(context.store, id, resources, (container) => savedConfig(context.store, container));
  await changeSchemata?.();
  return 0;
}

/** The document of --resources: of a file, or of standard input for "-". */
function document(context: Context): string | undefined {
  const file = textFlag(context.command, "resources");
  if (file === undefined) return undefined;
  if (file === "-") return host.readFd(0, maxDocumentBytes);
  return host.readText(pathFlag(context, "resources") ?? "", maxDocumentBytes);
}

/** Each flag and the field it sets. Sizes may have a suffix. */
const fields: readonly (readonly [flag: string, kind: "number" | "size" | "text", section: string, field: string])[] = [
  ["blkio-weight", "number", "blockIO", "weight"],
  ["cpu-period", "number", "cpu", "period"],
  ["cpu-quota", "number", "cpu", "quota"],
  ["cpu-burst", "number", "cpu", "burst"],
  ["cpu-share", "number", "cpu", "shares"],
  ["cpu-rt-period", "number", "cpu", "realtimePeriod"],
  ["cpu-rt-runtime", "number", "cpu", "realtimeRuntime"],
  ["cpu-idle", "number", "cpu", "idle"],
  ["cpuset-cpus", "text", "cpu", "cpus"],
  ["cpuset-mems", "text", "cpu", "mems"],
  ["memory", "size", "memory", "limit"],
  ["memory-reservation", "size", "memory", "reservation"],
  ["memory-swap", "size", "memory", "swap"],
  ["pids-limit", "number", "pids", "limit"],
];

function resourcesOfFlags({ command }: Context): Readonly<Record<string, unknown>> {
  const resources: Record<string, Record<string, unknown>> = {};
  for (const [flag, kind, section, field] of fields) {
    const text = textFlag(command, flag);
    if (text === undefined || text === "") continue;
    resources[section] ??= {};
    resources[section][field] = kind === "text" ? text : kind === "size" ? size(text, flag) : whole(text, flag);
  }
  for (const flag of ["kernel-memory", "kernel-memory-tcp"]) {
    if (textFlag(command, flag) !== undefined) log.warn(`--${flag} is ignored: kernels no longer limit that apart`);
  }
  return resources;
}

function whole(text: string, flag: string): Int64 {
  if (!/^-?[0-9]{1,20}$/.test(text)) throw badValue(text, flag, "must be a whole number");
  return exact(BigInt(text));
}

const units = "bkmgtp";

/** Bytes: 1024, 512k, 1.5g, 2GiB; -1 for unlimited. */
function size(text: string, flag: string): Int64 {
  if (text === "-1") return -1;
  const [, digits, fraction = "", unit = "b"] = /^([0-9]{1,20})(\.[0-9]{1,9})? ?([bkmgtp])?(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) throw badValue(text, flag, "must be a size such as 1048576, 512k or 2g, or -1");
  const factor = 1024n ** BigInt(units.indexOf(unit.toLowerCase()));
  const rest = fraction === "" ? 0n : BigInt(Math.floor(Number(`0${fraction}`) * Number(factor)));
  return exact(BigInt(digits) * factor + rest);
}

function exact(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function badValue(text: string, flag: string, must: string): UserError {
  return new UserError(`invalid value ${JSON.stringify(text)} for ${flag}: ${must}`, {
    at: `--${flag}`,
    code: "usage",
  });
}

/** Cache and bandwidth shares of a container that was made with linux.intelRdt. */
function schemataOfFlags({ command, store }: Context, id: string): (() => Promise<void>) | undefined {
  const l3CacheSchema = textFlag(command, "l3-cache-schema") ?? "";
  const memBwSchema = textFlag(command, "mem-bw-schema") ?? "";
  if (l3CacheSchema === "" && memBwSchema === "") return undefined;
  const { resctrl } = load(store, id);
  if (resctrl === undefined) {
    throw new UserError("updating a non-existent Intel RDT configuration is not supported", {
      at: l3CacheSchema === "" ? "--mem-bw-schema" : "--l3-cache-schema",
      code: "unsupported",
      hint: "the container was made without linux.intelRdt",
    });
  }
  return async () => {
    const { changeSchemata } = await import("../../container/intel-rdt.ts");
    changeSchemata(resctrl, { l3CacheSchema, memBwSchema });
  };
}
