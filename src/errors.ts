// The two ways to fail. UserError: the input or the situation is at fault, the text says what to change.
// KernelError: a system call said no. Both are worded and printed once, in cli/report.ts.

/** Stable names of failures that programs may match on; they travel in JSON log records as `code`. */
export type ErrorCode =
  | "usage"
  | "config"
  | "not-found"
  | "exists"
  | "bad-id"
  | "state"
  | "bundle"
  | "hook"
  | "init"
  | "program"
  | "cgroup"
  | "oom"
  | "criu"
  | "unsupported"
  | "timeout"
  | "interrupted"
  | "kernel";

export interface ErrorContext {
  /** JSON pointer into config.json, or an option such as "--bundle" */
  readonly at?: string;
  readonly code?: ErrorCode;
  /** What to do about it, one clause */
  readonly hint?: string;
  readonly cause?: unknown;
  readonly errno?: number;
  /** The operation of the plan that failed, by its name */
  readonly operation?: string;
}

/** Fix the input. `message` is one sentence without a full stop, in lower case. */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly at: string | undefined;
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly errno: number | undefined;
  readonly operation: string | undefined;

  constructor(message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.at = context.at;
    this.code = context.code ?? "config";
    this.hint = context.hint;
    this.errno = context.errno;
    this.operation = context.operation;
  }
}

/** A system call failed. Made by the native bindings: `new KernelError(call, errno, subject)`. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  readonly call: string;
  readonly errno: number;
  readonly subject: string;

  constructor(call: string, errno: number, subject: string) {
    super(`${call}${subject === "" ? "" : ` ${subject}`}: ${errnoText(errno)}`);
    this.call = call;
    this.errno = errno;
    this.subject = subject;
  }
}

export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EOVERFLOW: 75,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  ETIMEDOUT: 110,
  EDQUOT: 122,
} as const;

/** Its name in the headers, of those we know. */
export function errnoName(errno: number): string | undefined {
  return Object.entries(Errno).find(([, number]) => number === errno)?.[0];
}

// Lower case on purpose: engines compute exit codes 126 and 127 from these words (docs/engine-contract.md).
const texts: Readonly<Record<number, string>> = {
  1: "operation not permitted",
  2: "no such file or directory",
  3: "no such process",
  4: "interrupted",
  5: "input/output error",
  6: "no such device or address",
  7: "argument list too long",
  8: "exec format error",
  9: "bad file descriptor",
  10: "no child processes",
  11: "resource temporarily unavailable",
  12: "cannot allocate memory",
  13: "permission denied",
  16: "device or resource busy",
  17: "file exists",
  18: "invalid cross-device link",
  19: "no such device",
  20: "not a directory",
  21: "is a directory",
  22: "invalid argument",
  23: "too many open files in system",
  24: "too many open files",
  26: "text file busy",
  27: "file too large",
  28: "no space left on device",
  30: "read-only file system",
  32: "broken pipe",
  34: "numerical result out of range",
  36: "file name too long",
  38: "function not implemented",
  39: "directory not empty",
  40: "too many levels of symbolic links",
  75: "value too large for defined data type",
  80: "accessing a corrupted shared library",
  84: "invalid or incomplete multibyte or wide character",
  95: "operation not supported",
  104: "connection reset by peer",
  110: "connection timed out",
  111: "connection refused",
  122: "disk quota exceeded",
};

/** The errno's words, lower case. */
export function errnoText(errno: number): string {
  return texts[errno] ?? `errno ${errno}`;
}

/** Whether this is a failed system call with one of these errnos (any, when none is given). */
export function isErrno(error: unknown, ...errnos: readonly number[]): error is KernelError {
  return error instanceof KernelError && (errnos.length === 0 || errnos.includes(error.errno));
}
