// Values as text, the way GLib writes them ("GVariant Text Format"): what annotations of systemd properties are in. Strict:
// depth and length are limited, every element of an array has the same type, and nothing may follow.

import { UserError } from "../../errors.ts";
import type { Value, Variant } from "./marshal.ts";
import { typesOf } from "./marshal.ts";

const mostLength = 65536;
const mostDepth = 16;

/** Types that may be named in front of a value. */
const keywords: Readonly<Record<string, string>> = {
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
};

const ranges: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  y: [0n, 255n],
  n: [-32768n, 32767n],
  q: [0n, 65535n],
  i: [-(1n << 31n), (1n << 31n) - 1n],
  u: [0n, (1n << 32n) - 1n],
  x: [-(1n << 63n), (1n << 63n) - 1n],
  t: [0n, (1n << 64n) - 1n],
};

/**
 * Reads one value: true, 'text', uint64 5, [1, 2], (1, 'a'), {'key': <1>}, @as [], <'boxed'>. Whole numbers are int32 unless
 * the type says otherwise.
 *
 * @throws UserError with what is wrong and where
 */
export function parseVariant(text: string): Variant {
  if (text.length > mostLength) throw new UserError(`is longer than ${mostLength} characters`);
  const parser = new Parser(text);
  const variant = parser.value(undefined, 0);
  parser.end();
  return variant;
}

class Parser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw this.wrong("nothing more");
  }

  /** @param type what the value has to be; undefined: what it looks like */
  value(type: string | undefined, depth: number): Variant {
    if (depth > mostDepth) throw this.wrong(`at most ${mostDepth} levels`);
    this.space();
    const next = this.text.charAt(this.at);
    if (next === "@") return this.annotated(type, depth);
    if (next === "'" || next === '"') return this.string(type ?? "s", next);
    if (next === "[") return this.array(type, depth);
    if (next === "(") return this.tuple(type, depth);
    if (next === "{") return this.dictionary(type, depth);
    if (next === "<") return this.boxed(type, depth);
    if (/[-+.0-9]/.test(next)) return this.number(type);
    return this.word(type, depth);
  }

  private space(): void {
    while (/[ \t\n]/.test(this.text.charAt(this.at))) this.at++;
  }

  /** Steps over a character if it is there. */
  private skip(character: string): boolean {
    this.space();
    if (this.text.charAt(this.at) !== character) return false;
    this.at++;
    return true;
  }

  private expect(character: string): void {
    if (!this.skip(character)) throw this.wrong(`"${character}"`);
  }

  private wrong(expected: string): UserError {
    const found = this.text.slice(this.at, this.at + 20);
    const what = found === "" ? "the end" : JSON.stringify(found);
    return new UserError(`at character ${this.at + 1}, ${expected} is expected, not ${what}`);
  }

  private match(pattern: RegExp): string {
    const [found = ""] = pattern.exec(this.text.slice(this.at)) ?? [];
    this.at += found.length;
    return found;
  }

  private agree(type: string | undefined, found: string): string {
    if (type !== undefined && type !== found) throw this.wrong(`a value of type ${type}, not ${found},`);
    return found;
  }

  private annotated(type: string | undefined, depth: number): Variant {
    this.at++;
    const signature = this.match(/^[a-z(){}]+/);
    if (signature === "" || typesOf(signature).length !== 1) throw this.wrong("one type");
    return this.value(this.agree(type, signature), depth + 1);
  }

  private word(type: string | undefined, depth: number): Variant {
    const begin = this.at;
    const word = this.match(/^[a-z0-9]+/);
    if (word === "true" || word === "false") return { signature: this.agree(type, "b"), value: word === "true" };
    const named = Object.hasOwn(keywords, word) ? keywords[word] : undefined;
    if (named !== undefined) return this.value(this.agree(type, named), depth + 1);
    this.at = begin;
    throw this.wrong("a value");
  }

  private number(type: string | undefined): Variant {
    const begin = this.at;
    const digits = this.match(/^[-+]?(0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)/);
    const whole = /^([-+]?)(0x[0-9a-fA-F]+|[0-9]+)$/.exec(digits);
    const signature = type ?? (whole === null ? "d" : "i");
    const range = ranges[signature];
    if (signature === "d" && digits !== "") return { signature, value: Number(digits) };
    if (whole !== null && range !== undefined) {
      const value = BigInt(whole[2] ?? "0") * (whole[1] === "-" ? -1n : 1n);
      if (value >= range[0] && value <= range[1]) return { signature, value };
    }
    this.at = begin;
    throw this.wrong(`a value of type ${signature}`);
  }

  private string(type: string, quote: string): Variant {
    if (type !== "s" && type !== "o" && type !== "g") throw this.wrong(`a value of type ${type}`);
    let value = "";
    this.at++;
    while (!this.text.startsWith(quote, this.at)) {
      const character = this.text.charAt(this.at);
      if (character === "") throw this.wrong(`the closing ${quote}`);
      this.at++;
      value += character === "\\" ? this.escape() : character;
    }
    this.at++;
    if (value.includes("\0")) throw this.wrong("text without NUL");
    return { signature: type, value };
  }

  private escape(): string {
    const character = this.text.charAt(this.at++);
    const simple = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" }[character];
    if (simple !== undefined) return simple;
    if (character !== "u" && character !== "U") return character;
    const digits = this.match(character === "u" ? /^[0-9a-fA-F]{4}/ : /^[0-9a-fA-F]{8}/);
    const point = Number.parseInt(digits, 16);
    if (digits === "" || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
      throw this.wrong("a character's code");
    return String.fromCodePoint(point);
  }

  private array(type: string | undefined, depth: number): Variant {
    if (type !== undefined && !type.startsWith("a")) throw this.wrong(`a value of type ${type}`);
    let element = type?.slice(1);
    const value: Value[] = [];
    this.expect("[");
    while (!this.skip("]")) {
      if (value.length > 0) this.expect(",");
      const next = this.value(element, depth + 1);
      element = next.signature;
      value.push(next.value);
    }
    if (element === undefined) throw this.wrong("the type of an empty array, as in @as [],");
    return { signature: `a${element}`, value };
  }

  private tuple(type: string | undefined, depth: number): Variant {
    if (type !== undefined && !type.startsWith("(")) throw this.wrong(`a value of type ${type}`);
    const types = type === undefined ? undefined : typesOf(type.slice(1, -1));
    const members: Variant[] = [];
    this.expect("(");
    while (!this.skip(")")) {
      if (members.length > 0) this.expect(",");
      // (1,) is a tuple of one
      if (members.length === 1 && this.skip(")")) break;
      members.push(this.value(types?.[members.length], depth + 1));
    }
    const signature = `(${members.map((member) => member.signature).join("")})`;
    if (members.length === 0) throw this.wrong("something in a tuple,");
    return { signature: this.agree(type, signature), value: members.map(({ value }) => value) };
  }

  private dictionary(type: string | undefined, depth: number): Variant {
    if (type !== undefined && !type.startsWith("a{")) throw this.wrong(`a value of type ${type}`);
    let [key, element] = type === undefined ? [] : typesOf(type.slice(2, -1));
    const value: Value[] = [];
    this.expect("{");
    while (!this.skip("}")) {
      if (value.length > 0) this.expect(",");
      const name = this.value(key, depth + 1);
      this.expect(":");
      const member = this.value(element, depth + 1);
      key = name.signature;
      element = member.signature;
      value.push([name.value, member.value]);
    }
    if (key === undefined || element === undefined) throw this.wrong("the type of an empty dictionary");
    if (key.length !== 1 || key === "v") throw this.wrong("a plain key");
    return { signature: `a{${key}${element}}`, value };
  }

  private boxed(type: string | undefined, depth: number): Variant {
    this.agree(type, "v");
    this.expect("<");
    const value = this.value(undefined, depth + 1);
    this.expect(">");
    return { signature: "v", value };
  }
}
