// A D-Bus message: header and body ("Message Format" of the specification).

import { UserError } from "../../errors.ts";
import { mostBytes, Reader, type Value, type Variant, Writer } from "./marshal.ts";

export const MessageType = { call: 1, reply: 2, error: 3, signal: 4 } as const;

export interface Message {
  readonly type: number;
  readonly serial: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly destination?: string;
  /** Name of the error, in an error */
  readonly error?: string;
  /** Of the call that this answers */
  readonly replySerial?: number;
  readonly signature: string;
  readonly body: readonly Value[];
}

const LITTLE_ENDIAN = 0x6c; // "l"
const VERSION = 1;
/** What comes before the header's fields: endianness, type, flags, version, length of the body, serial, length of the fields. */
export const fixedPart = 16;

/** Numbers of the header's fields. */
const fields = { path: 1, interface: 2, member: 3, error: 4, replySerial: 5, destination: 6, signature: 8 } as const;

export function encodeMessage(message: Message): Uint8Array {
  const body = new Writer();
  body.values(message.signature, message.body);
  const given: [number, Variant][] = [];
  for (const [name, signature] of [
    ["path", "o"],
    ["interface", "s"],
    ["member", "s"],
    ["error", "s"],
    ["replySerial", "u"],
    ["destination", "s"],
    ["signature", "g"],
  ] as const) {
    const value = message[name];
    if (value !== undefined && value !== "") given.push([fields[name], { signature, value }]);
  }
  const writer = new Writer();
  const head = [LITTLE_ENDIAN, message.type, 0, VERSION, body.length, message.serial, given];
  writer.values("yyyyuua(yv)", head);
  writer.align(8);
  writer.append(body.finish());
  return writer.finish();
}

/** The length of the message that begins with these bytes; undefined while they are too few to tell. */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < fixedPart) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== LITTLE_ENDIAN || bytes[3] !== VERSION) {
    throw new UserError("D-Bus: the other side sent something that is no message", { code: "cgroup" });
  }
  const header = fixedPart + view.getUint32(12, true);
  const length = Math.ceil(header / 8) * 8 + view.getUint32(4, true);
  if (length > mostBytes) throw new UserError(`D-Bus: a message of ${length} bytes is too large`, { code: "cgroup" });
  return length;
}

export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const [, type, , , , serial, list] = reader.values("yyyyuua(yv)");
  reader.align(8);
  const header = new Map((list as readonly [number, Variant][]).map(([field, { value }]) => [field, value]));
  const text = (name: "path" | "interface" | "member" | "error"): { readonly [name: string]: string } => {
    const value = header.get(fields[name]);
    return typeof value === "string" ? { [name]: value } : {};
  };
  const signature = header.get(fields.signature);
  const replySerial = header.get(fields.replySerial);
  return {
    type: type as number,
    serial: serial as number,
    ...text("path"),
    ...text("interface"),
    ...text("member"),
    ...text("error"),
    ...(typeof replySerial === "number" ? { replySerial } : {}),
    signature: typeof signature === "string" ? signature : "",
    body: typeof signature === "string" ? reader.values(signature) : [],
  };
}
