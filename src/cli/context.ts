// What a command gets to know: its flags and arguments, and the global flags made into values.

import { host } from "#host";
import { defaultRoot, type Store, storeAt } from "../container/store.ts";
import { UserError } from "../errors.ts";
import type { Facts } from "../spec/facts.ts";
import { booleanFlag, type Parsed, textFlag } from "./flags.ts";

export interface Context {
  readonly command: Parsed;
  /** Arguments of the command */
  readonly args: readonly string[];
  readonly store: Store;
  /** --root was given */
  readonly rootGiven: boolean;
  /** What the rules for configs must know of this call */
  readonly facts: Facts;
  readonly cgroupManager: "cgroupfs" | "systemd" | "disabled";
  /** --rootless; undefined for auto */
  readonly rootless: boolean | undefined;
}

export function makeContext(globals: Parsed, command: Parsed): Context {
  const given = textFlag(globals, "root");
  if (given === "") throw new UserError("Option --root argument should not be empty", { code: "usage" });
  const root = given === undefined ? defaultRoot() : absolute(given);
  if (root === "/") throw new UserError("Option --root argument should not be set to /", { code: "usage" });
  let store: Store | undefined;
  return {
    command,
    args: command.positionals,
    // looked at by the commands that use it
    get store() {
      store ??= storeAt(root);
      return store;
    },
    rootGiven: given !== undefined,
    facts: { rootless: host.ids()[1] !== 0, systemdCgroup: cgroupManager(globals) === "systemd" },
    cgroupManager: cgroupManager(globals),
    rootless: rootlessFlag(globals),
  };
}

/** --rootless true, false or auto, in the forms that runc takes. */
function rootlessFlag(globals: Parsed): boolean | undefined {
  const mode = textFlag(globals, "rootless") ?? "auto";
  if (/^(1|t|T|true|TRUE|True)$/.test(mode)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(mode)) return false;
  if (mode === "auto") return undefined;
  throw new UserError(`invalid value ${JSON.stringify(mode)} for flag --rootless`, {
    code: "usage",
    hint: "use true, false or auto",
  });
}

function cgroupManager(globals: Parsed): Context["cgroupManager"] {
  const name = booleanFlag(globals, "systemd-cgroup") ? "systemd" : (textFlag(globals, "cgroup-manager") ?? "cgroupfs");
  if (name !== "cgroupfs" && name !== "systemd" && name !== "disabled") {
    throw new UserError(`unknown cgroup manager specified: ${JSON.stringify(name)}`, {
      code: "usage",
      hint: "use cgroupfs, systemd or disabled",
    });
  }
  return name;
}

/** A path of the command line, seen from where we were called. */
export function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${host.cwd()}/${path}`;
  const parts: string[] = [];
  for (const part of full.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The container id that a command is about. */
export function idArgument(context: Context): string {
  return context.args[0] ?? "";
}

/** A path flag made absolute; undefined when it isn't given. */
export function pathFlag(context: Context, name: string): string | undefined {
  const value = textFlag(context.command, name);
  if (value === "") throw new UserError(`the value of --${name} must not be empty`, { code: "usage" });
  return value === undefined ? undefined : absolute(value);
}
