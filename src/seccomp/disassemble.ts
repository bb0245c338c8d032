// A program as text, for `tsrunc seccomp explain --dump`.
import { actionText } from "./explain.ts";
import { jump, offsets, opcodes } from "./program.ts";

const comparisons: Readonly<Record<number, string>> = {
  [jump.equal]: "==",
  [jump.greater]: ">",
  [jump.greaterEqual]: ">=",
  [jump.anySet]: "&",
};

/**
 * One line an instruction: its number, what it does, and where it goes.
 * @param program struct sock_filter[], little endian
 */
export function disassemble(program: Uint8Array): readonly string[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const lines: string[] = [];
  for (let at = 0; 8 * at < program.byteLength; at++) {
    const code = view.getUint16(8 * at, true);
    const yes = at + 1 + view.getUint8(8 * at + 2);
    const no = at + 1 + view.getUint8(8 * at + 3);
    lines.push(`${String(at).padStart(4)}  ${instruction(code, view.getUint32(8 * at + 4, true), at, yes, no)}`);
  }
  return lines;
}

function instruction(code: number, k: number, at: number, yes: number, no: number): string {
  const sign = comparisons[code];
  if (sign !== undefined) return `if ${sign} 0x${k.toString(16)} go to ${yes}, else ${no}`;
  switch (code) {
    case opcodes.load:
      return `load ${wordText(k)}`;
    case opcodes.and:
      return `and 0x${k.toString(16)}`;
    case opcodes.goTo:
      return `go to ${at + 1 + k}`;
    case opcodes.return:
      return `return ${actionText(k)}`;
    default:
      return `unknown instruction 0x${code.toString(16)} 0x${k.toString(16)}`;
  }
}

function wordText(offset: number): string {
  if (offset === offsets.number) return "system call number";
  if (offset === offsets.architecture) return "architecture";
  const arg = Math.floor((offset - offsets.args) / 8);
  return offset < offsets.args ? `word ${offset}` : `arg${arg} ${(offset - offsets.args) % 8 === 0 ? "low" : "high"}`;
}
