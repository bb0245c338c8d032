// Runs a classic BPF program on one system call, as the kernel would: for tests and for explaining filters.
import { jump, offsets, opcodes } from "./program.ts";

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

/**
 * Makes a program runnable.
 * @param program struct sock_filter[], little endian
 * @returns runs it on one call; throws Error for what the kernel would have refused: unknown instructions, loads outside
 *   of the data, no return
 */
export function interpreter(program: Uint8Array): (call: SyscallData) => Outcome {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = Math.floor(program.byteLength / 8);
  const heads = Uint32Array.from({ length: count }, (_, at) => view.getUint32(8 * at, true));
  const constants = Uint32Array.from({ length: count }, (_, at) => view.getUint32(8 * at + 4, true));
  return (call) => {
    let accumulator = 0;
    let at = 0;
    for (let steps = 1; at < count; steps++) {
      const head = heads[at] as number;
      const k = constants[at] as number;
      const code = head & 0xffff;
      at++;
      if (code === opcodes.return) return { value: k, steps };
      if (code === opcodes.load) accumulator = wordOf(call, k);
      else if (code === opcodes.and) accumulator = (accumulator & k) >>> 0;
      else if (code === opcodes.goTo) at += k;
      else at += compare(code, accumulator, k) ? (head >>> 16) & 0xff : head >>> 24;
    }
    throw new Error("the program ends without a return");
  };
}

/** Runs a program on one call. */
export function interpret(program: Uint8Array, call: SyscallData): Outcome {
  return interpreter(program)(call);
}

function compare(code: number, accumulator: number, k: number): boolean {
  switch (code) {
    case jump.equal:
      return accumulator === k;
    case jump.greater:
      return accumulator > k;
    case jump.greaterEqual:
      return accumulator >= k;
    case jump.anySet:
      return (accumulator & k) !== 0;
    default:
      throw new Error(`unknown instruction 0x${code.toString(16)}`);
  }
}

/** A 32-bit word of struct seccomp_data, as a little-endian machine lays it out. */
function wordOf({ number, audit, args = [] }: SyscallData, offset: number): number {
  if (offset === offsets.number) return number;
  if (offset === offsets.architecture) return audit;
  if (offset % 4 !== 0 || offset < 0 || offset >= offsets.args + 48)
    throw new Error(`load outside of the data: ${offset}`);
  // In between is the instruction pointer, which no filter of ours or libseccomp's looks at.
  const arg = args[Math.floor((offset - offsets.args) / 8)] ?? 0n;
  return Number((offset % 8 === 0 ? arg : arg >> 32n) & 0xffffffffn);
}
