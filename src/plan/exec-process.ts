// The process of `exec ID COMMAND`: the container's own, changed by flags.

import { UserError } from "../errors.ts";
import type { Capabilities, Config, Process, User } from "../spec/config.ts";
import { capabilityNumber } from "../spec/tables/capabilities.ts";

export interface ProcessChanges {
  readonly cwd: string | undefined;
  /** NAME=value, added to the container's */
  readonly env: readonly string[];
  /** UID[:GID] */
  readonly user: string | undefined;
  readonly additionalGids: readonly string[];
  /** Added to bounding, effective and permitted, and to ambient if the container's process inherits any */
  readonly capabilities: readonly string[];
  readonly apparmor: string | undefined;
  readonly label: string | undefined;
  readonly noNewPrivileges: boolean;
}

const highestId = 0xfffffffe;

export function execProcess(config: Config, args: readonly string[], changes: ProcessChanges): Process {
  const base = config.process;
  if (base === undefined) throw new UserError("the container has no process to go by", { code: "state" });
  const cwd = changes.cwd ?? base.cwd;
  if (!cwd.startsWith("/"))
    throw new UserError(`the working directory ${JSON.stringify(cwd)} must be absolute`, {
      at: "--cwd",
      code: "usage",
    });
  for (const entry of changes.env) {
    // the value is not shown: it may be a secret
    if (entry.indexOf("=") < 1)
      throw new UserError("a variable needs the form NAME=value", { at: "--env", code: "usage" });
  }
  const { consoleSize: _size, ...rest } = base;
  return {
    ...rest,
    args,
    cwd,
    env: [...(base.env ?? []), ...changes.env],
    user: changedUser(base.user ?? {}, changes),
    ...(changes.capabilities.length > 0
      ? { capabilities: addCapabilities(base.capabilities ?? {}, changes.capabilities) }
      : {}),
    ...(changes.apparmor === undefined ? {} : { apparmorProfile: changes.apparmor }),
    ...(changes.label === undefined ? {} : { selinuxLabel: changes.label }),
    ...(changes.noNewPrivileges ? { noNewPrivileges: true } : {}),
  };
}

function changedUser(user: User, { user: text, additionalGids }: ProcessChanges): User {
  const gids = additionalGids.map((gid) => parseId(gid, "--additional-gids"));
  const withGroups = gids.length === 0 ? user : { ...user, additionalGids: [...(user.additionalGids ?? []), ...gids] };
  if (text === undefined) return withGroups;
  const [uid = "", gid, ...more] = text.split(":");
  if (more.length > 0)
    throw new UserError(`user ${JSON.stringify(text)} must be UID or UID:GID`, { at: "--user", code: "usage" });
  return { ...withGroups, uid: parseId(uid, "--user"), ...(gid === undefined ? {} : { gid: parseId(gid, "--user") }) };
}

function parseId(text: string, at: string): number {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= highestId))
    throw new UserError(`${JSON.stringify(text)} is no id from 0 to ${highestId}`, { at, code: "usage" });
  return id;
}

/** Never to the inheritable set: programs with file capabilities would gain from it (CVE-2022-29162). */
function addCapabilities(sets: Capabilities, names: readonly string[]): Capabilities {
  for (const name of names) {
    if (capabilityNumber(name) === undefined)
      throw new UserError(`unknown capability ${JSON.stringify(name)}`, { at: "--cap", code: "usage" });
  }
  const add = (set: readonly string[] | undefined): readonly string[] => [...new Set([...(set ?? []), ...names])];
  return {
    ...sets,
    bounding: add(sets.bounding),
    effective: add(sets.effective),
    permitted: add(sets.permitted),
    ...(sets.inheritable === undefined ? {} : { ambient: add(sets.ambient) }),
  };
}
