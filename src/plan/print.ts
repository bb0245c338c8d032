// A plan as people read it: one line for each operation, with its place in config.json; or as JSON.

import { type Op, opShapes } from "./ops.generated.ts";
import type { Plan, Slot, Step } from "./plan.ts";

/** The operation's name and fields on one line, e.g. `bind hostPath="/srv/x" path="/data" attrSet=0x1`. */
export function describeOp(op: Op): string {
  const [, fields] = opShapes[op.op];
  const values = op as unknown as Readonly<Record<string, unknown>>;
  const parts = fields.map(([name, kind]) => `${name}=${describeValue(name, kind, values[name])}`);
  return [op.op, ...parts].join(" ");
}

const inHex = /^(flags|attr.*|recursive.*|propagation|effective|permitted|inheritable|ambient|keep)$/;
const inOctal = /^(mask|mode)$/;

function describeValue(name: string, kind: string, value: unknown): string {
  if (kind === "bytes") return `<${(value as Uint8Array).length} bytes>`;
  if (kind === "u32s") return `[${(value as readonly number[]).map((item) => number(name, item)).join(",")}]`;
  if (kind === "u32" || kind === "u64") return number(name, value as number | bigint);
  return JSON.stringify(value);
}

function number(name: string, value: number | bigint): string {
  if (inHex.test(name) && value !== 0 && value !== 0n) return `0x${value.toString(16)}`;
  if (inOctal.test(name)) return `0${value.toString(8)}`;
  return String(value);
}

function describeSlot(slot: Slot): string {
  switch (slot.kind) {
    case "namespace":
      return `${slot.type} namespace ${slot.path}`;
    case "preserved":
      return `descriptor ${slot.fd} of the caller`;
    case "cgroup":
      return slot.path;
    case "start-fifo":
      return "start fifo";
    case "status-fifo":
      return "status fifo";
    case "pidfd":
      return "pidfd of the container's init";
  }
}

/** The whole plan as text. */
export function printPlan(plan: Plan): string {
  const lines = [`clone3 flags=0x${plan.cloneFlags.toString(16)}`];
  plan.slots.forEach((slot, index) => {
    lines.push(`slot ${index}: ${describeSlot(slot)}`);
  });
  const width = String(plan.steps.length).length;
  plan.steps.forEach(({ op, at }: Step, index) => {
    const origin = at === "" ? "" : `   # ${at}`;
    const program = op.op === "filter" ? ` <${plan.filter?.().length} bytes>` : "";
    lines.push(`${String(index).padStart(width)} ${describeOp(op)}${program}${origin}`);
  });
  return `${lines.join("\n")}\n`;
}

/**
 * The plan as JSON: cloneFlags, slots, and steps with their fields and `at`; the operation that asks for the seccomp filter
 * has it as `program`. Bytes are arrays of numbers.
 */
export function planJson(plan: Plan): string {
  const steps = plan.steps.map(({ op, at }) => ({
    ...op,
    ...(op.op === "filter" ? { program: plan.filter?.() } : {}),
    at,
  }));
  const replace = (_key: string, value: unknown): unknown => {
    if (typeof value === "bigint") return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
    return value instanceof Uint8Array ? [...value] : value;
  };
  return `${JSON.stringify({ cloneFlags: plan.cloneFlags, slots: plan.slots, steps }, replace, 2)}\n`;
}
