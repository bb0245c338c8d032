// Operations <-> their wire form, a list of field values in the order of native/include/plan.def. The bytes are made
// of it in C (native/host/plan_encode.c): strings go from the JavaScript engine to their place in one step, which an
// encoder written in TypeScript can't do in an interpreting engine (it would cost more than the whole launch).

import type { WireOp } from "../host/host.ts";
import { type Op, opShapes } from "./ops.generated.ts";

/** The wire form of one operation. */
export function toWire(op: Op): WireOp {
  const [number, fields] = opShapes[op.op];
  const values = op as unknown as Readonly<Record<string, WireOp[number]>>;
  const wire: WireOp[number][] = [number];
  // A plan may have thousands of these: no iterators, which an interpreting engine is slow with.
  for (let index = 0; index < fields.length; index++) {
    const name = (fields[index] as (typeof fields)[number])[0];
    const value = values[name];
    if (value === undefined) throw new TypeError(`operation ${op.op} lacks its field ${name}`);
    wire.push(value);
  }
  return wire;
}

/** The operation of a wire form. Throws RangeError for numbers that no operation has. */
export function fromWire(wire: WireOp): Op {
  const [number, ...values] = wire;
  for (const [op, [candidate, fields]] of Object.entries(opShapes)) {
    if (candidate !== number) continue;
    const entries = fields.map(([name], index) => [name, values[index]] as const);
    return { op, ...Object.fromEntries(entries) } as unknown as Op;
  }
  throw new RangeError(`no operation has number ${String(number)}`);
}
