// Writes a classic BPF program from its end to its beginning.
//
// BPF jumps forward only, so whoever writes backwards knows every target when he writes the jump. A position is counted
// from the program's end: the last instruction is 0. A conditional jump reaches 255 instructions; beyond that a copy of
// the return it wants, or an unconditional jump, is put in between.

const loadWord = 0x20; // BPF_LD | BPF_W | BPF_ABS
const andConstant = 0x54; // BPF_ALU | BPF_AND | BPF_K
const jumpAlways = 0x05; // BPF_JMP | BPF_JA
const returnConstant = 0x06; // BPF_RET | BPF_K

/** Opcodes of the conditional jumps: BPF_JMP | BPF_K with BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET. */
export const jump = { equal: 0x15, greater: 0x25, greaterEqual: 0x35, anySet: 0x45 } as const;

/** The same opcodes for whoever reads programs. */
export const opcodes = { loadWord, andConstant, jumpAlways, returnConstant } as const;

/** Offsets in struct seccomp_data. */
export const offsets = { number: 0, architecture: 4, args: 16 } as const;

/** What the kernel takes: BPF_MAXINSNS. */
export const maxInstructions = 4096;

// One less than a jump reaches: bringing its other target near may put one instruction in between.
const reach = 254;

/** Offset of an argument's low or high word on a little-endian machine. */
export const lowWord = (index: number): number => offsets.args + 8 * index;
export const highWord = (index: number): number => offsets.args + 8 * index + 4;

export class Program {
  #words: Int32Array = new Int32Array(2 * 1024);
  #capacity = 1024;
  /** How many instructions there are; also the position the next one gets */
  length = 0;
  readonly #returns = new Map<number, number>();

  /** The position of an instruction that returns this, near enough to jump to. */
  return(value: number): number {
    const at = this.#returns.get(value);
    if (at !== undefined && this.length - at - 1 <= reach) return at;
    this.#returns.set(value, this.length);
    return this.#put(returnConstant, value);
  }

  /** Loads a word of the call's data and continues with what was written last. */
  load(offset: number): number {
    return this.#put(loadWord, offset);
  }

  /** Keeps these bits and continues with what was written last. */
  and(mask: number): number {
    return this.#put(andConstant, mask);
  }

  /** Continues at the target: with what was written last nothing is needed, otherwise a jump. */
  goTo(target: number): number {
    return target === this.length - 1 ? target : this.#put(jumpAlways, this.length - target - 1);
  }

  /** Compares what was loaded with k and goes to one of two positions. */
  branch(code: number, k: number, yes: number, no: number): number {
    if (yes === no) return this.goTo(yes);
    const near = this.#near(yes);
    const nearNo = this.#near(no);
    return this.#put(code | ((this.length - near - 1) << 16) | ((this.length - nearNo - 1) << 24), k);
  }

  /**
   * Where a jump really ends up, when it is known that the loaded word at `offset` (if `loaded`) or the word at
   * `knownOffset` holds or doesn't hold a value: skips loads and comparisons whose outcome is known.
   */
  follow(target: number, known: Known): number {
    let at = target;
    for (;;) {
      const next = this.#skip(at, known);
      if (next === at) break;
      at = next;
    }
    return this.#is(at, loadWord, known.loaded) ? at - 1 : at;
  }

  /** The instructions from first to last, as the kernel's struct sock_filter. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer.slice(8 * (this.#capacity - this.length)));
  }

  #skip(at: number, { offset, value, equal }: Known): number {
    const word = this.#index(at);
    if (this.#words[word] === jumpAlways) return at - 1 - (this.#words[word + 1] as number);
    if (!this.#is(at, loadWord, offset)) return at;
    const test = this.#words[word + 2] as number;
    if ((test & 0xffff) !== jump.equal) return at;
    const same = this.#words[word + 3] === (value | 0);
    if (same) return at - 2 - (equal ? (test >> 16) & 0xff : test >>> 24);
    return equal ? at - 2 - (test >>> 24) : at;
  }

  #is(at: number, code: number, k: number): boolean {
    const word = this.#index(at);
    return this.#words[word] === code && this.#words[word + 1] === k;
  }

  #near(target: number): number {
    if (this.length - target - 1 <= reach) return target;
    const word = this.#index(target);
    if (this.#words[word] === returnConstant) return this.return((this.#words[word + 1] as number) >>> 0);
    return this.#put(jumpAlways, this.length - target - 1);
  }

  #index(at: number): number {
    return 2 * (this.#capacity - 1 - at);
  }

  #put(code: number, k: number): number {
    if (this.length === this.#capacity) this.#grow();
    const word = this.#index(this.length);
    this.#words[word] = code;
    this.#words[word + 1] = k;
    return this.length++;
  }

  #grow(): void {
    const grown = new Int32Array(4 * this.#capacity);
    grown.set(this.#words, 2 * this.#capacity);
    this.#words = grown;
    this.#capacity *= 2;
  }
}

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
