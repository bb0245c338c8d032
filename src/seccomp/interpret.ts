// Runs a classic BPF program on one system call, as the kernel would: for tests and for explaining filters.
import { jump, opcodes } from "./program.ts";

/** What the kernel shows a filter: struct seccomp_data. */
export interface SyscallData {
  readonly number: number;
  readonly audit: number;
  /** Six 64-bit arguments; missing ones are 0 */
  readonly args?: readonly bigint[];
}

export interface Outcome {
  /** The filter's return value */
  readonly value: number;
  /** How many instructions it took */
  readonly steps: number;
}

const tests: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  [jump.equal]: (a, k) => a === k,
  [jump.greater]: (a, k) => a > k,
  [jump.greaterEqual]: (a, k) => a >= k,
  [jump.anySet]: (a, k) => (a & k) !== 0,
};

/**
 * Runs a program.
 * @param program struct sock_filter[], little endian
 * @throws Error for what the kernel would have refused: unknown instructions, loads outside of the data, no return
 */
export function interpret(program: Uint8Array, call: SyscallData): Outcome {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = encode(call);
  let accumulator = 0;
  let at = 0;
  for (let steps = 1; at < program.byteLength / 8; steps++) {
    const code = view.getUint16(8 * at, true);
    const k = view.getUint32(8 * at + 4, true);
    at++;
    const test = tests[code];
    if (code === opcodes.return) return { value: k, steps };
    if (code === opcodes.load) accumulator = data.getUint32(k, true);
    else if (code === opcodes.and) accumulator = (accumulator & k) >>> 0;
    else if (code === opcodes.goTo) at += k;
    else if (test !== undefined) at += view.getUint8(8 * (at - 1) + (test(accumulator, k) ? 2 : 3));
    else throw new Error(`instruction ${at - 1} has the unknown code 0x${code.toString(16)}`);
  }
  throw new Error("the program ends without a return");
}

function encode({ number, audit, args = [] }: SyscallData): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, audit, true);
  for (const [i, arg] of args.entries()) data.setBigUint64(16 + 8 * i, arg, true);
  return data;
}
