// One conversation with CRIU: the program of that name is started for it (`criu swrk`), gets one request, tells where it
// is (notifications), and answers. https://criu.org/RPC

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import {
  type CriuOptions,
  type CriuResponse,
  decodeResponse,
  encodeNotified,
  encodeRequest,
  RequestType,
} from "./criu-rpc.ts";
import { interrupted } from "./init.ts";
import { findProgram, searchPath } from "./programs.ts";

/** Where CRIU's own descriptors that we give it begin (0 to 2 are /dev/null, 3 is the conversation). */
export const firstGivenFd = 4;

export interface CriuCall {
  readonly type: number;
  readonly what: "checkpoint" | "restore";
  readonly options: CriuOptions;
  /** Our descriptors that CRIU gets as 4, 5, ... */
  readonly fds: readonly number[];
  /** The directory that has the log, for the error's words */
  readonly workPath: string;
  /** Once CRIU runs, before it is asked for anything */
  readonly started?: (pid: number) => void;
  /** At each of CRIU's stops; a descriptor that comes along is the answerer's. When it throws, CRIU gives up. */
  readonly notified: (script: string, pid: number, fd: number) => void;
}

const mostBytes = 1 << 20;
const sendTimeoutMs = 10_000;

/**
 * Has CRIU do it.
 *
 * @returns its answer
 * @throws UserError with CRIU's reason, and where more of it is; or what `notified` has thrown
 */
export function callCriu(call: CriuCall): CriuResponse {
  const program = findCriu();
  const [pid, pidfd, socket] = host.startHelper(program, ["criu", "swrk", "3"], [`PATH=${searchPath()}`], call.fds);
  let failure: unknown;
  try {
    call.started?.(pid);
    send(socket, encodeRequest(call.type, call.options));
    for (;;) {
      const received = host.receiveMessage(socket, mostBytes);
      if (received === undefined) throw failure ?? criuFailure(call, undefined);
      const [bytes, fd] = received;
      const response = decodeResponse(bytes);
      if (response.type !== RequestType.notify) {
        if (response.type !== call.type || !response.success) throw failure ?? criuFailure(call, response);
        return response;
      }
      try {
        call.notified(response.script, response.pid, fd);
      } catch (error) {
        failure ??= error;
      }
      send(socket, encodeNotified(failure === undefined));
    }
  } catch (error) {
    throw isErrno(error, Errno.EINTR) ? interrupted() : error;
  } finally {
    // the end of the socket is the end of it, but when it is interrupted half way
    host.close(socket);
    endHelper(pidfd);
  }
}

function send(socket: number, bytes: Uint8Array): void {
  try {
    host.sendBytes(socket, bytes, sendTimeoutMs);
  } catch (error) {
    // it has ended: there is nothing to receive either, and that is what is told
    if (!isErrno(error, Errno.EPIPE, Errno.ECONNRESET)) throw error;
  }
}

function endHelper(pidfd: number): void {
  const SIGKILL = 9;
  const patienceMs = 2000;
  try {
    if (host.poll([pidfd], patienceMs).length === 0) host.signalPid(pidfd, SIGKILL);
    host.reap(pidfd, true);
  } catch (error) {
    if (!isErrno(error, Errno.EINTR)) throw error;
    host.signalPid(pidfd, SIGKILL);
  } finally {
    host.close(pidfd);
  }
}

export function findCriu(): string {
  const found = findProgram("criu");
  if (found === undefined) {
    throw new UserError("criu: executable file not found in $PATH", {
      code: "criu",
      hint: "install CRIU (version 3.16 or newer) to checkpoint and restore containers",
    });
  }
  return found;
}

/** A configuration file of CRIU's: the annotation's, else the one that runtimes share. */
export function criuConfigFile({ annotations }: Config): string | undefined {
  const annotated = annotations?.["org.criu.config"];
  if (annotated !== undefined) return annotated === "" ? undefined : annotated;
  const shared = "/etc/criu/runc.conf";
  return host.stat(shared, true) === undefined ? undefined : shared;
}

/** CRIU's own words for what went wrong are the first error of its log. */
function criuFailure({ what, options, workPath }: CriuCall, response: CriuResponse | undefined): UserError {
  const log = `${workPath}/${options.logFile}`;
  // its answer has its log's first error, too, but that may be a harmless one
  const reasons = [firstErrorOf(log), response?.message, response?.errno ? errnoText(response.errno) : undefined];
  const reason = reasons.find((text) => text !== undefined && text !== "");
  const ending = response === undefined ? "ended without an answer" : `failed to ${what}`;
  return new UserError(`criu ${ending}${reason === undefined ? "" : `: ${reason}`} (log file: ${log})`, {
    code: "criu",
    ...(response?.errno ? { errno: response.errno } : {}),
  });
}

function firstErrorOf(log: string): string | undefined {
  let text: string;
  try {
    text = host.readText(log, 64 << 20);
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
  // "(00.012345)      7: Error (criu/mount.c:1234): mnt: what it is"; that it may not raise its own limits is harmless
  const line = text
    .split("\n")
    .find((candidate) => /(^|\s)Error \(/.test(candidate) && !candidate.includes("Can't setup RLIMIT_NOFILE"));
  return line?.replace(/^.*?Error \([^)]*\): /, "");
}
