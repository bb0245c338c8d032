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

export class Program {
  /** How many instructions there are; also the position the next one gets */
  length = 0;
  // Two words an instruction, the first written ones at the end.
  private words = new Int32Array(2 * 512);
  private capacity = 512;
  private readonly actions: readonly number[];
  /** Position of the last return of each action */
  private readonly returns: number[] = [];

  /** @param actions what the program can return; may grow while it is written */
  constructor(actions: readonly number[]) {
    this.actions = actions;
  }

  /** The position of an instruction that returns this action, near enough to jump to. */
  return(action: number): number {
    const at = this.returns[action];
    if (at !== undefined && this.length - at <= reach) return at;
    const position = this.put(opcodes.return, this.actions[action] as number);
    this.returns[action] = position;
    return position;
  }

  /** Loads a word of the call's data and continues with what was written last. */
  load(offset: number): number {
    return this.put(opcodes.load, offset);
  }

  /** Keeps these bits and continues with what was written last. */
  and(mask: number): number {
    return this.put(opcodes.and, mask);
  }

  /** Continues at the target: with what was written last nothing is needed, otherwise a jump. */
  goTo(target: number): number {
    return target === this.length - 1 ? target : this.put(opcodes.goTo, this.length - target - 1);
  }

  /** Compares what was loaded with k and goes to one of two positions. */
  branch(code: number, k: number, yes: number, no: number): number {
    if (yes === no) return this.goTo(yes);
    const nearYes = this.length - yes <= reach ? yes : this.near(yes);
    const nearNo = this.length - no <= reach ? no : this.near(no);
    const from = this.length - 1;
    return this.put(code | ((from - nearYes) << 16) | ((from - nearNo) << 24), k);
  }

  /** Where a jump really ends up: skips loads and comparisons whose outcome is known there. */
  follow(target: number, known: Known): number {
    let at = target;
    for (let next = this.skip(at, known); next !== at; next = this.skip(at, known)) at = next;
    return this.is(at, opcodes.load, known.loaded) ? at - 1 : at;
  }

  /** The instructions from first to last, as the kernel's struct sock_filter. */
  bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer.slice(8 * (this.capacity - this.length)));
  }

  private skip(at: number, { offset, value, equal }: Known): number {
    const word = this.wordOf(at);
    if (this.words[word] === opcodes.goTo) return at - 1 - (this.words[word + 1] as number);
    if (!this.is(at, opcodes.load, offset)) return at;
    const test = this.words[word + 2] as number;
    if ((test & 0xffff) !== jump.equal) return at;
    const same = this.words[word + 3] === (value | 0);
    if (same) return at - 2 - (equal ? (test >> 16) & 0xff : test >>> 24);
    return equal ? at - 2 - (test >>> 24) : at;
  }

  private is(at: number, code: number, k: number): boolean {
    const word = this.wordOf(at);
    return this.words[word] === code && this.words[word + 1] === k;
  }

  /** A position within reach that leads to the target: another return of the same action, or a jump. */
  private near(target: number): number {
    const word = this.wordOf(target);
    if (this.words[word] !== opcodes.return) return this.put(opcodes.goTo, this.length - target - 1);
    return this.return(this.actions.indexOf((this.words[word + 1] as number) >>> 0));
  }

  private wordOf(at: number): number {
    return 2 * (this.capacity - 1 - at);
  }

  private put(code: number, k: number): number {
    if (this.length === this.capacity) this.grow();
    const word = 2 * (this.capacity - 1 - this.length);
    this.words[word] = code;
    this.words[word + 1] = k;
    return this.length++;
  }

  private grow(): void {
    const grown = new Int32Array(4 * this.capacity);
    grown.set(this.words, 2 * this.capacity);
    this.words = grown;
    this.capacity *= 2;
  }
}
