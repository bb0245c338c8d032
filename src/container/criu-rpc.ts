// What we say to CRIU and it to us: messages of its rpc.proto, in Protocol Buffers' wire form. Of that only three kinds
// of field occur: numbers (wire type 0), and texts and nested messages (wire type 2).
// https://criu.org/RPC, https://protobuf.dev/programming-guides/encoding

import { UserError } from "../errors.ts";

/** criu_req_type */
export const RequestType = { dump: 1, restore: 2, preDump: 4, notify: 6 } as const;

/** criu_cg_mode, by the words of --manage-cgroups-mode */
export const cgroupModes = { ignore: 0, soft: 3, full: 4, strict: 5 } as const;

/** criu_network_lock_method, by the words of --network-lock */
export const networkLocks = { iptables: 1, nftables: 2, skip: 3 } as const;

interface KeyAndValue {
  readonly key: string;
  readonly value: string;
}

/** criu_opts: what a dump and a restore are asked for. */
export interface CriuOptions {
  readonly imagesFd: number;
  readonly workFd: number;
  readonly logFile: string;
  readonly pid?: number;
  readonly root?: string;
  readonly parentImage?: string;
  readonly leaveRunning?: boolean;
  readonly extUnixSk?: boolean;
  readonly tcpEstablished?: boolean;
  readonly tcpSkipInFlight?: boolean;
  readonly tcpClose?: boolean;
  readonly shellJob?: boolean;
  readonly fileLocks?: boolean;
  readonly linkRemap?: boolean;
  readonly trackMemory?: boolean;
  readonly autoDedup?: boolean;
  readonly lazyPages?: boolean;
  /** A descriptor of CRIU's */
  readonly statusFd?: number;
  readonly pageServer?: { readonly address: string; readonly port: number };
  readonly cgroupMode: number;
  readonly freezeCgroup?: string;
  /** controllers (empty: all others) and the path in their hierarchy */
  readonly cgroupRoots?: readonly KeyAndValue[];
  readonly externalMounts: readonly KeyAndValue[];
  readonly external?: readonly string[];
  readonly inherited?: readonly { readonly key: string; readonly fd: number }[];
  readonly joined?: readonly { readonly type: string; readonly file: string }[];
  /** CLONE_NEW* bits */
  readonly emptyNamespaces: number;
  readonly asOurChild?: boolean;
  readonly configFile?: string;
  readonly lsmProfile?: string;
  readonly lsmMountContext?: string;
  readonly networkLock?: number;
}

/** criu_resp, as far as it matters here. */
export interface CriuResponse {
  readonly type: number;
  readonly success: boolean;
  /** Of a notification: at which point CRIU is, and the pid of the restored init */
  readonly script: string;
  /** The restored init */
  readonly pid: number;
  readonly errno: number;
  readonly message: string;
}

// ---- out ----------------------------------------------------------------------------------------------------------

export function encodeRequest(type: number, options: CriuOptions): Uint8Array {
  return message([number(1, type), nested(2, encodeOptions(options))]);
}

/** The answer to a notification: CRIU goes on, or gives up. */
export function encodeNotified(success: boolean): Uint8Array {
  return message([number(1, RequestType.notify), number(3, success ? 1 : 0)]);
}

function encodeOptions(o: CriuOptions): Uint8Array {
  const verbose = 4;
  return message([
    number(1, o.imagesFd),
    number(2, o.pid),
    flag(3, o.leaveRunning),
    flag(4, o.extUnixSk),
    flag(5, o.tcpEstablished),
    flag(7, o.shellJob),
    flag(8, o.fileLocks),
    number(9, verbose),
    text(10, o.logFile),
    ...(o.pageServer === undefined
      ? []
      : [nested(11, message([text(1, o.pageServer.address), number(2, o.pageServer.port)]))]),
    flag(12, true),
    text(13, o.root),
    text(14, o.parentImage),
    flag(15, o.trackMemory),
    flag(16, o.autoDedup),
    number(17, o.workFd),
    flag(18, o.linkRemap),
    ...o.externalMounts.map(({ key, value }) => nested(23, message([text(1, key), text(2, value)]))),
    flag(24, true),
    ...(o.cgroupRoots ?? []).map(({ key, value }) =>
      nested(25, message([...(key === "" ? [] : [text(1, key)]), text(2, value)])),
    ),
    flag(26, o.asOurChild),
    ...(o.inherited ?? []).map(({ key, fd }) => nested(27, message([text(1, key), number(2, fd)]))),
    number(34, o.cgroupMode),
    ...(o.external ?? []).map((resource) => text(37, resource)),
    ...(o.emptyNamespaces === 0 ? [] : [number(38, o.emptyNamespaces)]),
    ...(o.joined ?? []).map(({ type, file }) => nested(39, message([text(1, type), text(2, file)]))),
    text(44, o.freezeCgroup),
    flag(46, o.tcpSkipInFlight),
    flag(48, o.lazyPages),
    number(49, o.statusFd),
    flag(50, true),
    text(51, o.configFile),
    flag(52, o.tcpClose),
    text(53, o.lsmProfile),
    text(63, o.lsmMountContext),
    number(64, o.networkLock),
  ]);
}

type Bytes = readonly number[];

function message(fields: readonly Bytes[]): Uint8Array {
  return Uint8Array.from(fields.flat());
}

const numberField = 0;
const bytesField = 2;

function number(field: number, value: number | undefined): Bytes {
  return value === undefined ? [] : [...varint((field << 3) | numberField), ...varint(value)];
}

function flag(field: number, value: boolean | undefined): Bytes {
  return value === true ? number(field, 1) : [];
}

function text(field: number, value: string | undefined): Bytes {
  return value === undefined ? [] : nested(field, utf8(value));
}

function nested(field: number, bytes: Uint8Array | Bytes): Bytes {
  return [...varint((field << 3) | bytesField), ...varint(bytes.length), ...bytes];
}

/** Seven bits a byte, the lowest first; all but the last byte have the eighth set. */
function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** Not every engine has TextEncoder. */
function utf8(value: string): Bytes {
  return Array.from(value, (character) => {
    const point = character.codePointAt(0) ?? 0;
    const tail = (shift: number): number => 0x80 | ((point >> shift) & 0x3f);
    if (point < 0x80) return [point];
    if (point < 0x800) return [0xc0 | (point >> 6), tail(0)];
    if (point < 0x10000) return [0xe0 | (point >> 12), tail(6), tail(0)];
    return [0xf0 | (point >> 18), tail(12), tail(6), tail(0)];
  }).flat();
}

// ---- in -----------------------------------------------------------------------------------------------------------

export function decodeResponse(bytes: Uint8Array): CriuResponse {
  const fields = readFields(bytes);
  const notification = readFields(fields.texts.get(5) ?? new Uint8Array(0));
  const restored = readFields(fields.texts.get(4) ?? new Uint8Array(0));
  return {
    type: fields.numbers.get(1) ?? 0,
    success: fields.numbers.get(2) === 1,
    script: ascii(notification.texts.get(1)),
    pid: restored.numbers.get(1) ?? notification.numbers.get(2) ?? 0,
    errno: fields.numbers.get(7) ?? 0,
    message: ascii(fields.texts.get(9)),
  };
}

interface Fields {
  readonly numbers: ReadonlyMap<number, number>;
  readonly texts: ReadonlyMap<number, Uint8Array>;
}

function readFields(bytes: Uint8Array): Fields {
  const numbers = new Map<number, number>();
  const texts = new Map<number, Uint8Array>();
  let at = 0;
  const readVarint = (): number => {
    for (let value = 0, weight = 1; ; weight *= 0x80) {
      const byte = bytes[at++];
      if (byte === undefined || weight > 2 ** 63) throw unreadable();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = readVarint();
    const field = Math.floor(key / 8);
    if (key % 8 === numberField) {
      numbers.set(field, readVarint());
    } else if (key % 8 === bytesField) {
      const end = readVarint() + at;
      if (end > bytes.length) throw unreadable();
      texts.set(field, bytes.subarray(at, end));
      at = end;
    } else {
      throw unreadable();
    }
  }
  return { numbers, texts };
}

function unreadable(): UserError {
  return new UserError("criu sent a message that can't be read", { code: "criu" });
}

/** For names and messages; what is no printable ASCII becomes "?". */
function ascii(bytes: Uint8Array = new Uint8Array(0)): string {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?")).join("");
}
