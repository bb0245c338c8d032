// How a failure is told: one line on standard error, and one record in the log if there is one. And the log itself.

import { host } from "#host";
import { isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";

/** Records stay below what conmon reads at once (8 KiB) together with the same text on standard error. */
const longest = 3500;

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_APPEND = 0o2000;
const O_NONBLOCK = 0o4000;

type Format = "text" | "json";

interface Log {
  readonly fd: number;
  readonly format: Format;
}

let file: Log | undefined;

/**
 * Opens the log. Called before anything else can fail; a log that can't be opened is an error of its own.
 *
 * @param path undefined: no log file; with debug, messages then go to standard error
 */
export function openLog(path: string | undefined, format: Format, debug: boolean): void {
  if (path !== undefined) {
    try {
      file = { fd: host.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o644), format };
    } catch (error) {
      if (!isErrno(error)) throw error;
      throw new UserError(`can't open the log file: ${error.message}`, {
        at: "--log",
        cause: error,
        errno: error.errno,
      });
    }
  } else if (debug) {
    file = { fd: 2, format };
  }
  if (file !== undefined && (debug || format === "text")) {
    log.to((level, message) => {
      if (debug || level !== "debug") write({ level, msg: message });
    });
  }
}

/** Tells a failure. `frame` says which command has failed. */
export function reportError(error: unknown, frame: string): void {
  const message = `${frame}${sentence(error)}`.slice(0, longest);
  if (file !== undefined && file.fd !== 2) write({ level: "error", msg: message, ...details(error) });
  try {
    host.writeFd(2, `${message}\n`);
  } catch {
    // nobody listens any more
  }
}

/** One line: where, what, what to do. */
export function sentence(error: unknown): string {
  if (error instanceof UserError) {
    // A message about several places names each of them itself.
    const named = error.at === undefined || error.message.includes(error.at);
    const at = named ? "" : `${error.at}: `;
    const hint = error.hint === undefined ? "" : ` (${error.hint})`;
    return oneLine(`${at}${error.message}${hint}`);
  }
  if (error instanceof Error) return oneLine(error.message);
  return oneLine(String(error));
}

/** Control characters are shown as escapes: paths and arguments come from strangers. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/** The stable part of a JSON record: code, place, operation, errno, hint. */
function details(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof UserError) {
    const { code, at, operation, errno, hint } = error;
    return { code, at, operation, errno, hint };
  }
  if (isErrno(error)) return { code: "kernel", errno: error.errno, call: error.call, subject: error.subject };
  return { code: "bug" };
}

function write(record: Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string }): void {
  if (file === undefined) return;
  const time = new Date().toISOString();
  const line =
    file.format === "json"
      ? JSON.stringify({ ...record, time })
      : `time="${time}" level=${record.level} msg=${JSON.stringify(record.msg)}`;
  try {
    host.writeFd(file.fd, `${line}\n`);
  } catch {
    // a full disk must not fail what has succeeded
  }
}
