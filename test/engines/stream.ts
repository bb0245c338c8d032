/**
 * The client's side of a streaming exec, as `kubectl exec` has it: a WebSocket whose messages begin with the number of a
 * channel (0 standard input, 1 output, 2 errors, 3 the outcome as JSON).
 */
import { spawn } from "node:child_process";

export interface Streamed {
  readonly stdout: string;
  readonly stderr: string;
  /** A Kubernetes Status: "Success", or "Failure" with the exit code among its causes. */
  readonly outcome: { readonly status: string; readonly details?: { readonly causes: { message: string }[] } };
}

/**
 * Runs what the URL stands for.
 * @param url what the CRI's Exec answered
 * @param inside goes in front of a command to run it in the server's network namespace
 * @param input standard input, less than 125 bytes of it
 */
export async function stream(url: string, inside: readonly string[], input: string): Promise<Streamed> {
  const { hostname, port, pathname } = new URL(url);
  const [program = "", ...args] = [...inside, "busybox", "nc", hostname, port];
  const client = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const request = [
    `GET ${pathname} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGVzdGluZyB0ZXN0aW5nIQ==",
    "Sec-WebSocket-Protocol: v4.channel.k8s.io",
  ];
  client.stdin.write(`${request.join("\r\n")}\r\n\r\n`);
  let received = Buffer.alloc(0);
  let greeted = false;
  for await (const part of client.stdout) {
    received = Buffer.concat([received, part]);
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!greeted) client.stdin.write(message(0, input));
    greeted = true;
    if (messages(received.subarray(end + 4)).has(3)) break;
  }
  client.kill("SIGKILL");
  const end = received.indexOf("\r\n\r\n");
  if (!received.toString("latin1").startsWith("HTTP/1.1 101")) throw new Error(received.toString());
  const channels = messages(received.subarray(end + 4));
  const text = (channel: number): string => channels.get(channel) ?? "";
  return { stdout: text(1), stderr: text(2), outcome: JSON.parse(text(3)) };
}

/** A binary frame with the mask that clients have to use; here it is zero. */
function message(channel: number, text: string): Buffer {
  const length = 1 + Buffer.byteLength(text);
  return Buffer.concat([Buffer.from([0x82, 0x80 | length, 0, 0, 0, 0, channel]), Buffer.from(text)]);
}

/** What has come on each channel in whole frames. */
function messages(bytes: Buffer): Map<number, string> {
  const channels = new Map<number, string>();
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = bytes.readUInt8(at + 1) & 0x7f;
    const header = short === 126 ? 4 : 2;
    if (at + header > bytes.length) break;
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
    const body = bytes.subarray(at + header, at + header + length);
    if (body.length < length) break;
    const binary = (bytes.readUInt8(at) & 0x0f) === 2;
    if (binary && length > 1) {
      const channel = body.readUInt8(0);
      channels.set(channel, (channels.get(channel) ?? "") + body.subarray(1).toString());
    }
    at += header + length;
  }
  return channels;
}
