// A failed operation of init, in words: what was tried, on what, asked for by which field, and the kernel's answer.

import { Errno, type ErrorCode, errnoText, UserError } from "../errors.ts";
import { type Op, PLAN_MOUNT_RECURSIVE } from "../plan/ops.generated.ts";
import type { Step } from "../plan/plan.ts";
import type { AfterStart } from "./store.ts";

/**
 * The error for a FAILED (or NOTE) message.
 *
 * @param call the system call or step that failed, as init names it
 * @param errno the kernel's answer, 0 when it isn't one
 * @param detail what init knows besides: on which path, or the kernel's own message
 */
export function operationFailure({ op, at }: Step, call: string, errno: number, detail: string): UserError {
  const hint = hintFor(op, errno, detail);
  return new UserError(op.op === "hook" ? hookSentence(at, errno, detail) : sentence(op, call, errno, detail), {
    at,
    errno,
    operation: op.op,
    code: codeFor(op.op),
    ...(hint === undefined ? {} : { hint }),
  });
}

function codeFor(op: string): ErrorCode {
  if (op === "hook") return "hook";
  return op === "program" || op === "exec" ? "program" : "init";
}

/** The error for what init wrote to the status fifo after `start`: "OPERATION ERRNO CALL", a line feed, the detail. */
export function afterStartFailure({ first, steps }: AfterStart, words: string): UserError {
  const end = words.indexOf("\n");
  const [index = "", errnoDigits = "", call = ""] = words.slice(0, end).split(" ");
  const detail = words.slice(end + 1);
  const errno = Number(errnoDigits);
  const [op, at] = steps[Number(index) - first] ?? ["init", ""];
  const sentence =
    op === "hook"
      ? hookSentence(at, errno, detail)
      : `${op.replaceAll("_", " ")}: ${call}: ${detail}: ${errnoText(errno)}`;
  return new UserError(sentence, { at, errno, operation: op, code: codeFor(op) });
}

function sentence(op: Op, call: string, errno: number, detail: string): string {
  const why = errno === 0 ? "" : `: ${errnoText(errno)}`;
  // engines and people know these phrases
  if (op.op === "program" || op.op === "exec") return `exec: ${detail}${detail.endsWith(" in $PATH") ? "" : why}`;
  const tried = attempt(op);
  const where = detail === "" ? call : `${call}: ${detail}`;
  return `${tried}: ${where}${why}`;
}

/** In the words of hooks that the runtime runs itself (hooks.ts). `at` is /hooks/STAGE/INDEX. */
function hookSentence(at: string, errno: number, detail: string): string {
  const [, , stage, index] = at.split("/");
  return `error running ${stage} hook #${index} ${detail}${errno === 0 ? "" : `: ${errnoText(errno)}`}`;
}

/** What an operation does, as a clause. */
function attempt(op: Op): string {
  switch (op.op) {
    case "rootfs":
      return `open the root file system ${op.hostPath}`;
    case "mount":
      return `mount ${op.type} "${op.source}" on "${op.path}"${optionText(op.options)}`;
    case "bind":
      return `bind mount "${op.hostPath}" on "${op.path}"`;
    case "device":
    case "device_bind":
      return `device "${op.path}" (${op.major}:${op.minor})`;
    case "link":
      return `link "${op.path}" -> "${op.target}"`;
    case "mask":
      return `hide "${op.path}"`;
    case "readonly_path":
    case "remount":
      return `make "${op.path}" read-only`;
    case "find_mount":
    case "unmount":
      return `remove the mount on "${op.path}"`;
    case "sysctl":
      return `set sysctl ${op.path} to "${op.value}"`;
    case "hostname":
    case "domainname":
      return `set the ${op.op} "${op.name}"`;
    case "cwd":
      return `change to the working directory "${op.path}"`;
    case "identity":
      return `become user ${op.uid} and group ${op.gid}`;
    case "join":
      return "join the namespace";
    case "lsm_label":
      return `set the ${op.lsm} label "${op.label}"`;
    default:
      return op.op.replaceAll("_", " ");
  }
}

function optionText(options: readonly string[]): string {
  return options.length === 0 ? "" : ` (${options.join(",")})`;
}

/** To EINVAL for the source of a bind that isn't recursive. */
export const hiddenBelow = "what is hidden by a mount below it stays hidden in a user namespace: use rbind";

function hintFor(op: Op, errno: number, detail: string): string | undefined {
  if (op.op === "bind" && errno === Errno.ENOENT) return "the source must exist on the host";
  if (op.op === "bind" && errno === Errno.EINVAL && detail.startsWith("source") && !(op.flags & PLAN_MOUNT_RECURSIVE)) {
    return hiddenBelow;
  }
  if (op.op === "mount" && errno === Errno.ENODEV) return "this file system type is not known to this kernel";
  if (op.op === "mount" && errno === Errno.EINVAL && /^[ug]id=/.test(detail)) {
    return "the id is perhaps not mapped in the user namespace";
  }
  if ((op.op === "bind" || op.op === "mount") && errno === Errno.ENOTDIR) {
    return "a directory can't be mounted on a file, nor a file on a directory";
  }
  if (op.op === "find_mount" && errno === Errno.ELOOP)
    return "give the path without links, as the container's mountinfo has it";
  if (op.op === "unmount") return "the mounts after it in the list are removed already";
  if (op.op === "identity" && errno === Errno.EINVAL) return "the id is not mapped in the user namespace";
  return undefined;
}
