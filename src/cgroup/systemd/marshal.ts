// D-Bus values as bytes, little-endian: https://dbus.freedesktop.org/doc/dbus-specification.html, "Marshaling". Only the
// types that talking to systemd takes: y b n q i u x t d s o g, arrays, structs, dictionaries, variants.

import { UserError } from "../../errors.ts";

/** A D-Bus value: what it is in bytes, its signature tells. Structs and dictionary entries are lists, too. */
export type Value = number | bigint | boolean | string | readonly Value[] | Variant;

/** A value that has its signature with it. */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/** No message of systemd's is larger, nor deeper. */
export const mostBytes = 16 << 20;
const mostDepth = 32;

const sizes: Readonly<Record<string, number>> = { y: 1, n: 2, q: 2, b: 4, i: 4, u: 4, x: 8, t: 8, d: 8 };

/** Where a type begins: at a multiple of this. */
function alignment(type: string): number {
  const size = sizes[type];
  if (size !== undefined) return size;
  return type === "(" || type === "{" ? 8 : type === "g" || type === "v" ? 1 : 4;
}

/** The single complete types of a signature: "a(sv)u" has two. */
export function typesOf(signature: string): readonly string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at, 0);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, at: number, depth: number): number {
  const code = signature.charAt(at);
  if (depth > mostDepth) throw malformed(`the signature "${signature}" is too deep`);
  if (code === "a") return endOfType(signature, at + 1, depth + 1);
  if (code === "(" || code === "{") {
    const close = code === "(" ? ")" : "}";
    let end = at + 1;
    while (signature.charAt(end) !== close) end = endOfType(signature, end, depth + 1);
    return end + 1;
  }
  if (code === "" || !"ybnqiuxtdsogv".includes(code)) throw malformed(`"${signature}" is no signature`);
  return at + 1;
}

/** Writes values one after the other. Alignment counts from the first byte. */
export class Writer {
  private readonly bytes: number[] = [];

  get length(): number {
    return this.bytes.length;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }

  append(bytes: Uint8Array): void {
    for (const byte of bytes) this.bytes.push(byte);
  }

  align(multiple: number): void {
    while (this.bytes.length % multiple !== 0) this.bytes.push(0);
  }

  /** Writes one value for each complete type of the signature. */
  values(signature: string, values: readonly Value[]): void {
    const types = typesOf(signature);
    if (types.length !== values.length) throw new TypeError(`${values.length} values for "${signature}"`);
    types.forEach((type, index) => {
      this.value(type, values[index] as Value);
    });
  }

  private value(type: string, value: Value): void {
    const code = type.charAt(0);
    this.align(alignment(code));
    if (code === "d") this.double(value as number);
    else if (sizes[code] !== undefined) this.integer(BigInt(value as number | bigint | boolean), sizes[code]);
    else if (code === "s" || code === "o") this.string(value as string, 4);
    else if (code === "g") this.string(value as string, 1);
    else if (code === "a") this.array(type.slice(1), value as readonly Value[]);
    else if (code === "v") this.variant(value as Variant);
    else this.values(type.slice(1, -1), value as readonly Value[]);
  }

  private integer(value: bigint, size: number): void {
    for (let left = BigInt.asUintN(size * 8, value), i = 0; i < size; i++, left >>= 8n) {
      this.bytes.push(Number(left & 255n));
    }
  }

  private double(value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.append(bytes);
  }

  private string(text: string, lengthSize: number): void {
    const bytes = utf8(text);
    this.integer(BigInt(bytes.length), lengthSize);
    for (const byte of bytes) this.bytes.push(byte);
    this.bytes.push(0);
  }

  private variant({ signature, value }: Variant): void {
    this.string(signature, 1);
    this.value(signature, value);
  }

  /** The length counts neither itself nor the padding before the first element. */
  private array(element: string, values: readonly Value[]): void {
    const at = this.bytes.length;
    this.integer(0n, 4);
    this.align(alignment(element.charAt(0)));
    const begin = this.bytes.length;
    for (const value of values) this.value(element, value);
    const length = this.bytes.length - begin;
    for (let i = 0; i < 4; i++) this.bytes[at + i] = (length >>> (i * 8)) & 255;
  }
}

/** Reads what another wrote: everything is checked against the end. */
export class Reader {
  private at: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  align(multiple: number): void {
    this.at = Math.ceil(this.at / multiple) * multiple;
  }

  /** Reads one value for each complete type of the signature. */
  values(signature: string, depth = 0): readonly Value[] {
    return typesOf(signature).map((type) => this.value(type, depth));
  }

  private value(type: string, depth: number): Value {
    if (depth > mostDepth) throw malformed("a value is too deep");
    const code = type.charAt(0);
    this.align(alignment(code));
    switch (code) {
      case "b":
        return this.number(4) !== 0n;
      case "x":
      case "t":
        return code === "x" ? BigInt.asIntN(64, this.number(8)) : this.number(8);
      case "d":
        return this.view.getFloat64(this.take(8), true);
      case "n":
      case "i":
        return Number(BigInt.asIntN((sizes[code] ?? 4) * 8, this.number(sizes[code] ?? 4)));
      case "y":
      case "q":
      case "u":
        return Number(this.number(sizes[code] ?? 4));
      case "s":
      case "o":
        return this.string(Number(this.number(4)));
      case "g":
        return this.string(Number(this.number(1)));
      case "a":
        return this.array(type.slice(1), depth);
      case "v":
        return this.variant(depth);
      default:
        return this.values(type.slice(1, -1), depth + 1);
    }
  }

  /** Steps over bytes, and returns where they begin. */
  private take(count: number): number {
    const begin = this.at;
    if (begin + count > this.bytes.length) throw malformed("a message ends too early");
    this.at += count;
    return begin;
  }

  private number(size: number): bigint {
    const begin = this.take(size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[begin + i] ?? 0);
    return value;
  }

  private string(length: number): string {
    const begin = this.take(length + 1);
    return fromUtf8(this.bytes, begin, begin + length);
  }

  private variant(depth: number): Variant {
    const signature = this.string(Number(this.number(1)));
    const [value, ...more] = this.values(signature, depth + 1);
    if (value === undefined || more.length > 0) throw malformed(`a variant of "${signature}"`);
    return { signature, value };
  }

  private array(element: string, depth: number): readonly Value[] {
    const length = Number(this.number(4));
    this.align(alignment(element.charAt(0)));
    const end = this.at + length;
    if (end > this.bytes.length) throw malformed("an array ends too late");
    const values: Value[] = [];
    while (this.at < end) values.push(this.value(element, depth + 1));
    return values;
  }
}

function malformed(what: string): UserError {
  return new UserError(`D-Bus: ${what}`, { code: "cgroup" });
}

/** TextEncoder is no part of every engine we run on. */
export function utf8(text: string): readonly number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  }
  return bytes;
}

/** What is no UTF-8 becomes U+FFFD: such text is only shown. */
export function fromUtf8(bytes: Uint8Array, begin: number, end: number): string {
  let text = "";
  for (let at = begin; at < end; ) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    let point = length === 1 ? first : first & (0xff >> (length + 1));
    let good = length > 0 && at + length <= end;
    for (let i = 1; good && i < length; i++) {
      const next = bytes[at + i] ?? 0;
      good = (next & 0xc0) === 0x80;
      point = (point << 6) | (next & 63);
    }
    text += good && point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
    at += good ? length : 1;
  }
  return text;
}
