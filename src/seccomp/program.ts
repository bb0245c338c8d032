// Writes a classic BPF program from its end to its beginning.
//
// BPF jumps forward only, so whoever writes backwards knows every target when he writes the jump. A position is counted
// from the program's end: the last instruction is 0. A conditional jump reaches 255 instructions; beyond that a copy of
// the return it wants, or an unconditional jump, is put in between.

/** Opcodes without a comparison: BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_JMP|JA, BPF_RET|K. */
export const opcodes = { load: 0x20, and: 0x54, goTo: 0x05, return: 0x06 } as const;

/** Opcodes of the comparisons: BPF_JMP|K with JEQ, JGT, JGE, JSET. */
export const jump = { equal: 0x15, greater: 0x25, greaterEqual: 0x35, anySet: 0x45 } as const;

/** Offsets in struct seccomp_data. */
export const offsets = { number: 0, architecture: 4, args: 16 } as const;

/** What the kernel takes: BPF_MAXINSNS. */
export const maxInstructions = 4096;

/** Offset of an argument's low or high word on a little-endian machine. */
export const lowWord = (index: number): number => offsets.args + 8 * index;
export const highWord = (index: number): number => offsets.args + 8 * index + 4;

// One less than a jump reaches: bringing its other target near may put one instruction in between.
const reach = 254;

/** What is certain at a jump. */
export interface Known {
  /** Offset of the word that is loaded, or -1 */
  readonly loaded: number;
  /** The word at this offset ... */
  readonly offset: number;
  /** ... equals this value, or surely doesn't */
  readonly value: number;
  readonly equal: boolean;
}

export interface Program {
  /** How many instructions there are. */
  length(): number;
  /** The position of an instruction that returns this action, near enough to jump to. */
  return(action: number): number;
  /** Loads a word of the call's data and continues with what was written last. */
  load(offset: number): number;
  /** Keeps these bits and continues with what was written last. */
  and(mask: number): number;
  /** Continues at the target: with what was written last nothing is needed, otherwise a jump. */
  goTo(target: number): number;
  /** Compares what was loaded with k and goes to one of two positions. */
  branch(code: number, k: number, yes: number, no: number): number;
  /** Where a jump really ends up: skips loads and comparisons whose outcome is known there. */
  follow(target: number, known: Known): number;
  /** The instructions from first to last, as the kernel's struct sock_filter. */
  bytes(): Uint8Array;
}

/**
 * An empty program. A closure rather than a class: an interpreting engine reaches variables faster than fields, and a
 * profile costs some thousand calls.
 * @param actions what the program can return; may grow while it is written
 */
export function newProgram(actions: readonly number[]): Program {
  let capacity = 512;
  // Two words an instruction, the first written ones at the end.
  let words = new Int32Array(2 * capacity);
  let length = 0;
  // Position of the last return of each action.
  const returns: number[] = [];

  const wordOf = (at: number): number => 2 * (capacity - 1 - at);

  const is = (at: number, code: number, k: number): boolean =>
    words[wordOf(at)] === code && words[wordOf(at) + 1] === k;

  function put(code: number, k: number): number {
    if (length === capacity) grow();
    const word = 2 * (capacity - 1 - length);
    words[word] = code;
    words[word + 1] = k;
    return length++;
  }

  function grow(): void {
    const grown = new Int32Array(4 * capacity);
    grown.set(words, 2 * capacity);
    words = grown;
    capacity *= 2;
  }

  function returnAction(action: number): number {
    const at = returns[action];
    if (at !== undefined && length - at <= reach) return at;
    const position = put(opcodes.return, actions[action] as number);
    returns[action] = position;
    return position;
  }

  /** A position within reach that leads to the target: another return of the same action, or a jump. */
  function near(target: number): number {
    const word = wordOf(target);
    if (words[word] !== opcodes.return) return put(opcodes.goTo, length - target - 1);
    return returnAction(actions.indexOf((words[word + 1] as number) >>> 0));
  }

  const goTo = (target: number): number => (target === length - 1 ? target : put(opcodes.goTo, length - target - 1));

  function skip(at: number, { offset, value, equal }: Known): number {
    const word = wordOf(at);
    if (words[word] === opcodes.goTo) return at - 1 - (words[word + 1] as number);
    if (!is(at, opcodes.load, offset)) return at;
    const test = words[word + 2] as number;
    if ((test & 0xffff) !== jump.equal) return at;
    const same = words[word + 3] === (value | 0);
    if (same) return at - 2 - (equal ? (test >> 16) & 0xff : test >>> 24);
    return equal ? at - 2 - (test >>> 24) : at;
  }

  return {
    length: () => length,
    return: returnAction,
    load: (offset) => put(opcodes.load, offset),
    and: (mask) => put(opcodes.and, mask),
    goTo,
    branch(code, k, yes, no) {
      if (yes === no) return goTo(yes);
      const nearYes = length - yes <= reach ? yes : near(yes);
      const nearNo = length - no <= reach ? no : near(no);
      return put(code | ((length - 1 - nearYes) << 16) | ((length - 1 - nearNo) << 24), k);
    },
    follow(target, known) {
      let at = target;
      for (let next = skip(at, known); next !== at; next = skip(at, known)) at = next;
      return is(at, opcodes.load, known.loaded) ? at - 1 : at;
    },
    bytes: () => new Uint8Array(words.buffer.slice(8 * (capacity - length))),
  };
}
