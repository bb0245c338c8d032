// Device rules as a program for the kernel (BPF_PROG_TYPE_CGROUP_DEVICE): on cgroup v2 it is asked for every open and mknod
// of a device by a process of the cgroup, and answers 1 (allowed) or 0. Pure: rules in, bytes out.
//
// Of two rules about the same device the later one counts, for each kind of access by itself. So the program goes through
// the rules from the last to the first: what a rule allows is crossed off the wish list, and when that is empty the answer
// is 1; a rule that forbids something still on the list makes it 0.

import type { DeviceRule } from "./devices.ts";

/** One instruction of struct bpf_insn. */
interface Instruction {
  readonly code: number;
  readonly to: number;
  readonly from: number;
  readonly jump: number;
  readonly value: number;
}

/** Instruction codes of include/uapi/linux/bpf.h. */
export const Bpf = {
  loadWord: 0x61,
  move: 0xbf,
  moveValue: 0xb7,
  and: 0x57,
  shiftRight: 0x77,
  ifEqual: 0x15,
  ifNotEqual: 0x55,
  exit: 0x95,
} as const;

/** The letters of a rule as the kernel's BPF_DEVCG_ACC_* bits. */
export const accessBits = { m: 1, r: 2, w: 4 } as const;
/** The types of a rule as BPF_DEVCG_DEV_*. */
export const typeNumbers = { b: 1, c: 2 } as const;

// registers: the answer, the kernel's question, and what it asks about
const answer = 0;
const question = 1;
const type = 2;
const wishes = 3;
const major = 4;
const minor = 5;

/** The program for rules in the order in which they count; the first must be for all devices. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const program = [...readQuestion()];
  for (const rule of [...rules].reverse()) program.push(...decide(rule));
  return encode(program);
}

/** Offsets in struct bpf_cgroup_dev_ctx. access_type has the type in its lower and the access in its upper half. */
function readQuestion(): readonly Instruction[] {
  return [
    make(Bpf.loadWord, { to: type, from: question, jump: 0 }),
    make(Bpf.move, { to: wishes, from: type }),
    make(Bpf.and, { to: type, value: 0xffff }),
    make(Bpf.shiftRight, { to: wishes, value: 16 }),
    make(Bpf.loadWord, { to: major, from: question, jump: 4 }),
    make(Bpf.loadWord, { to: minor, from: question, jump: 8 }),
  ];
}

function decide(rule: DeviceRule): readonly Instruction[] {
  const end = [make(Bpf.moveValue, { to: answer, value: rule.allow ? 1 : 0 }), make(Bpf.exit, {})];
  if (rule.type === "a") return end;
  const steps = [...unlessDecided(rule), ...end];
  for (const [register, value] of [
    [minor, rule.minor],
    [major, rule.major],
    [type, typeNumbers[rule.type]],
  ] as const) {
    // one that doesn't hold leads behind the rule
    if (value >= 0) steps.unshift(make(Bpf.ifNotEqual, { to: register, value, jump: steps.length }));
  }
  return steps;
}

/** The instructions before a rule's end, which jump over it (2 instructions) when the rule doesn't settle the matter. */
function unlessDecided({ allow, access }: DeviceRule): readonly Instruction[] {
  const bits = (["m", "r", "w"] as const).reduce(
    (sum, letter) => sum | (access.includes(letter) ? accessBits[letter] : 0),
    0,
  );
  const every = accessBits.m | accessBits.r | accessBits.w;
  if (bits === every) return [];
  if (allow)
    return [
      make(Bpf.and, { to: wishes, value: every & ~bits }),
      make(Bpf.ifNotEqual, { to: wishes, value: 0, jump: 2 }),
    ];
  return [
    make(Bpf.move, { to: question, from: wishes }),
    make(Bpf.and, { to: question, value: bits }),
    make(Bpf.ifEqual, { to: question, value: 0, jump: 2 }),
  ];
}

function make(code: number, rest: Partial<Omit<Instruction, "code">>): Instruction {
  return { to: 0, from: 0, jump: 0, value: 0, ...rest, code };
}

function encode(program: readonly Instruction[]): Uint8Array {
  const size = 8;
  const bytes = new Uint8Array(program.length * size);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, to, from, jump, value }, index) => {
    view.setUint8(index * size, code);
    view.setUint8(index * size + 1, to | (from << 4));
    view.setInt16(index * size + 2, jump, true);
    view.setInt32(index * size + 4, value, true);
  });
  return bytes;
}
