// A connection to systemd, directly or by way of a D-Bus daemon. Every wait has a deadline.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../../errors.ts";
import { fromUtf8, utf8, type Value } from "./marshal.ts";
import { decodeMessage, encodeMessage, type Message, MessageType, messageLength } from "./message.ts";

/** Where to connect to. */
export interface Address {
  readonly path: string;
  /** "peer": systemd itself is at the other end; "bus": a daemon, which wants a greeting and passes messages on */
  readonly kind: "peer" | "bus";
}

/** An error that the other side has answered with. */
export class BusError extends UserError {
  /** Such as org.freedesktop.systemd1.UnitExists */
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super(message, { code: "cgroup" });
    this.errorName = errorName;
  }
}

/** A method to call: of systemd's manager object, unless it says otherwise. */
export interface Call {
  readonly destination?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member: string;
  readonly signature: string;
  readonly body: readonly Value[];
}

const systemd = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
} as const;
const daemon = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

export class Connection {
  private readonly socket: number;
  private readonly kind: Address["kind"];
  private readonly deadline: number;
  private readonly signals: Message[] = [];
  private pending: Uint8Array = new Uint8Array(0);
  private serial = 0;

  /**
   * Connects and introduces itself.
   *
   * @param patienceMs how long everything with this connection may take together
   */
  constructor({ path, kind }: Address, patienceMs: number) {
    this.kind = kind;
    this.deadline = host.monotonic() + patienceMs * 1e6;
    this.socket = host.connectStream(path);
    try {
      this.authenticate();
      if (kind === "bus") this.greet();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    host.close(this.socket);
  }

  /** Calls a method and returns the body of its answer. Throws BusError when it answers with an error. */
  call(call: Call): readonly Value[] {
    const serial = this.send(call);
    for (;;) {
      const message = this.receive();
      if (message.replySerial !== serial) {
        this.keep(message);
        continue;
      }
      if (message.type === MessageType.reply) return message.body;
      if (message.type === MessageType.error) {
        const [text] = message.body;
        throw new BusError(message.error ?? "", typeof text === "string" ? text : (message.error ?? "an error"));
      }
    }
  }

  /** Waits for a signal of systemd's manager that is wanted: it may have come already, while a call was waiting. */
  signal(member: string, wanted: (body: readonly Value[]) => boolean): readonly Value[] {
    const fits = (message: Message): boolean => message.member === member && wanted(message.body);
    for (let next = this.signals.shift(); next !== undefined; next = this.signals.shift()) {
      if (fits(next)) return next.body;
    }
    for (;;) {
      const message = this.receive();
      if (message.type === MessageType.signal && fits(message)) return message.body;
    }
  }

  private keep(message: Message): void {
    if (message.type === MessageType.signal) this.signals.push(message);
  }

  /**
   * SASL EXTERNAL: the kernel tells the other side who we are, so we say no name (which would be the wrong one in a user
   * namespace). All in one go, as systemd's own clients do.
   */
  private authenticate(): void {
    this.write(Uint8Array.from(utf8("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")));
    for (;;) {
      const line = this.readLine();
      if (line.startsWith("OK ")) return;
      if (line !== "DATA") throw new UserError(`D-Bus: the other side refuses us: ${line}`, { code: "cgroup" });
    }
  }

  /** A daemon wants to be greeted, and to know which signals we want to hear. */
  private greet(): void {
    this.call({ ...daemon, member: "Hello", signature: "", body: [] });
    const rule = `type='signal',interface='${systemd.interface}',member='JobRemoved'`;
    this.call({ ...daemon, member: "AddMatch", signature: "s", body: [rule] });
  }

  private send({ destination, ...call }: Call): number {
    const serial = ++this.serial;
    const to = this.kind === "bus" ? { destination: destination ?? systemd.destination } : {};
    const { path, interface: name } = systemd;
    this.write(encodeMessage({ path, interface: name, ...call, ...to, type: MessageType.call, serial }));
    return serial;
  }

  private write(bytes: Uint8Array): void {
    this.timed(() => host.sendBytes(this.socket, bytes, this.left()));
  }

  private receive(): Message {
    for (;;) {
      const length = messageLength(this.pending);
      if (length !== undefined && this.pending.length >= length) {
        const message = decodeMessage(this.pending.subarray(0, length));
        this.pending = this.pending.slice(length);
        return message;
      }
      this.fill();
    }
  }

  private readLine(): string {
    for (;;) {
      const end = this.pending.indexOf(10);
      if (end >= 0) {
        const line = fromUtf8(this.pending, 0, end).trimEnd();
        this.pending = this.pending.slice(end + 1);
        return line;
      }
      if (this.pending.length > 4096) throw new UserError("D-Bus: the other side speaks no D-Bus", { code: "cgroup" });
      this.fill();
    }
  }

  /** Waits for more bytes. */
  private fill(): void {
    const more = this.timed(() => host.receiveBytes(this.socket, 65536, this.left()));
    if (more.length === 0) throw new UserError("systemd has closed the connection", { code: "cgroup" });
    const all = new Uint8Array(this.pending.length + more.length);
    all.set(this.pending);
    all.set(more, this.pending.length);
    this.pending = all;
  }

  private left(): number {
    return Math.max(0, Math.floor((this.deadline - host.monotonic()) / 1e6));
  }

  private timed<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (isErrno(error, Errno.ETIMEDOUT)) throw new UserError("systemd doesn't answer in time", { code: "timeout" });
      if (isErrno(error, Errno.EINTR)) {
        throw new UserError(`interrupted by signal ${host.caughtSignal()}`, {
          code: "interrupted",
          errno: Errno.EINTR,
        });
      }
      if (!isErrno(error)) throw error;
      throw new UserError(`the connection to systemd is broken: ${errnoText(error.errno)}`, {
        code: "cgroup",
        cause: error,
      });
    }
  }
}
