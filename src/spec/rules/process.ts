// process: program, arguments, environment, directory, user.

import type { Config, Linux, Process } from "../config.ts";
import { type Problem, quote, type Report } from "../problem.ts";
import { rlimitNumber } from "../tables/rlimits.ts";
import { utf8Length } from "../utf8.ts";
import { mapId } from "./mappings.ts";
import { findNamespace, isJoined } from "./namespaces.ts";

const section = "config.md#process";

/**
 * What is wrong with a process object in itself.
 *
 * @param at "/process" in config.json, "" when the object is the document
 */
export function checkProcess(process: Process, at: string, { error }: Report): void {
  const { args = [], cwd, env = [] } = process;
  if (args.length === 0) error({ at: `${at}/args`, message: "args must not be empty", rule: "args", section });
  else if (args[0] === "") error({ at: `${at}/args/0`, message: "must name a program", rule: "args", section });
  if (!cwd.startsWith("/")) {
    error({ at: `${at}/cwd`, message: `must be an absolute path, not ${quote(cwd)}`, rule: "cwd-absolute", section });
  }
  checkEnvironment(env, `${at}/env`, error);
  checkSize(process, at, error);
}

/** Values may be secrets, so none is ever shown. */
export function checkEnvironment(env: readonly string[], at: string, error: Report["error"]): void {
  env.forEach((entry, index) => {
    const equals = entry.indexOf("=");
    if (equals > 0) return;
    const message = `invalid environment variable: ${equals < 0 ? 'no "="' : "the name is empty"}`;
    error({ at: `${at}/${index}`, message, rule: "env", section });
  });
}

/** MAX_ARG_STRLEN: a single argument or variable, with its terminating zero */
const longestString = 131072;
/** Three quarters of the kernel's 8 MiB default stack: all arguments and variables together, whatever RLIMIT_STACK says */
const mostBytes = 6 << 20;

// execve would fail with E2BIG after the container was made. Only the limits that no setting lifts are checked here.
function checkSize({ args = [], env = [] }: Process, at: string, error: Report["error"]): void {
  let total = 0;
  for (const [name, list] of [
    ["args", args],
    ["env", env],
  ] as const) {
    for (const [index, text] of list.entries()) {
      // No string is longer than three bytes for each of its units, and most lists are far from any limit.
      const length = text.length * 3 < longestString ? text.length : utf8Length(text);
      total += length + 1 + 8; // the zero, and the pointer in argv or envp
      if (length < longestString) continue;
      const message = `argument list too long: ${length} bytes, the kernel takes at most ${longestString - 1} in one string`;
      error({ at: `${at}/${name}/${index}`, message, rule: "argument-size", section });
    }
  }
  if (total <= mostBytes) return;
  const message = `argument list too long: args and env have ${total} bytes, the kernel takes at most ${mostBytes}`;
  error({ at: `${at}/args`, message, rule: "argument-size", section });
}

/** In a new user namespace only mapped ids exist; the kernel would answer EINVAL to setuid and setgroups. */
export function checkUserMapped({ process, linux }: Config, report: Report): void {
  const namespace = findNamespace(linux, "user");
  if (process?.user === undefined || namespace === undefined || isJoined(namespace)) return;
  for (const problem of unmapped(process.user, linux)) report.error(problem);
}

function* unmapped(
  { uid = 0, gid = 0, additionalGids = [] }: NonNullable<Process["user"]>,
  linux?: Linux,
): Iterable<Problem> {
  const { uidMappings = [], gidMappings = [] } = linux ?? {};
  const base = { rule: "user-mapped", section: "config.md#posix-platform-user" } as const;
  if (uid !== 0 && mapId(uidMappings, uid) === undefined) {
    yield { ...base, at: "/process/user/uid", message: `cannot setuid to unmapped uid ${uid} in user namespace` };
  }
  if (gid !== 0 && mapId(gidMappings, gid) === undefined) {
    yield { ...base, at: "/process/user/gid", message: `cannot setgid to unmapped gid ${gid} in user namespace` };
  }
  for (const [index, group] of additionalGids.entries()) {
    if (mapId(gidMappings, group) !== undefined) continue;
    const at = `/process/user/additionalGids/${index}`;
    yield { ...base, at, message: `cannot setgroups to unmapped gid ${group} in user namespace` };
  }
}

export function checkRlimits({ rlimits = [] }: Process, at: string, { error }: Report): void {
  const seen = new Set<string>();
  rlimits.forEach(({ type, soft, hard }, index) => {
    const report = (member: string, message: string): void =>
      error({ at: `${at}/rlimits/${index}${member}`, message, rule: "rlimits", section: "config.md#posix-process" });
    if (rlimitNumber(type) === undefined) report("/type", `wrong rlimit value: ${quote(type)}`);
    else if (seen.has(type)) report("/type", `duplicated rlimit ${type}`);
    seen.add(type);
    if (soft > hard) report("/soft", `is ${soft}, above the hard limit ${hard}`);
  });
}
