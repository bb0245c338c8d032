// The bundle: a directory with config.json and, wherever root.path says, the root file system.

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import type { Config } from "../spec/config.ts";
import type { Facts } from "../spec/facts.ts";
import { parseConfig } from "../spec/load.ts";
import { readerFor } from "./reader.ts";

const maxConfigBytes = 16 << 20;

export interface Bundle {
  /** Absolute path */
  readonly path: string;
  /** Absolute path of the root file system, free of links */
  readonly rootfs: string;
  readonly config: Config;
  /** config.json as it was read: the container keeps it */
  readonly text: string;
}

/** Reads and checks a bundle. Throws UserError (or SchemaBreach) for everything that is wrong with it. */
export function loadBundle(path: string, facts: Facts): Bundle {
  const kind = host.stat(path, true)?.[0];
  if (kind !== "directory") {
    const why = kind === undefined ? "does not exist" : "is not a directory";
    throw new UserError(`bundle directory "${path}" ${why}`, { at: "--bundle", code: "bundle" });
  }
  const text = readConfigText(`${path}/config.json`);
  const { config, warnings } = parseConfig(text, readerFor(facts));
  for (const warning of warnings) log.warn(`${warning.at}: ${warning.message}`);
  return { path, config, text, rootfs: rootfsPath(path, config) };
}

/** config.json as text; a JSON pointer is no use before it is parsed, so errors name the file. */
export function readConfigText(file: string): string {
  try {
    return host.readText(file, maxConfigBytes);
  } catch (error) {
    if (!isErrno(error)) throw error;
    const because = (why: string, hint?: string): UserError =>
      new UserError(`${file}: ${why}`, {
        code: "bundle",
        cause: error,
        errno: error.errno,
        ...(hint === undefined ? {} : { hint }),
      });
    switch (error.errno) {
      case Errno.ENOENT:
        throw because("no such file", "a bundle needs a config.json: `tsrunc spec` writes one");
      case Errno.EFBIG:
        throw because(`larger than ${maxConfigBytes >> 20} MiB`);
      case Errno.EILSEQ:
        throw because(`invalid UTF-8 (${error.subject})`);
      case Errno.EINVAL:
      case Errno.EISDIR:
        throw because("not a regular file");
      default:
        throw error;
    }
  }
}

/** root.path made absolute; it must be a real directory, for what a link names may change after our look. */
export function rootfsPath(bundle: string, config: Pick<Config, "root">): string {
  const at = "/root/path";
  const given = config.root?.path ?? "";
  if (given === "") throw new UserError("root.path must not be empty", { at, code: "bundle" });
  const path = cleanPath(given.startsWith("/") ? given : `${bundle}/${given}`);
  const kind = host.stat(path, true)?.[0];
  if (kind === undefined) throw new UserError(`the root file system "${path}" does not exist`, { at, code: "bundle" });
  if (kind !== "directory")
    throw new UserError(`the root file system "${path}" is not a directory`, { at, code: "bundle" });
  if (host.realPath(path) !== path) {
    throw new UserError(`invalid rootfs: not an absolute path, or a symlink: "${path}"`, {
      at,
      code: "bundle",
      hint: `use "${host.realPath(path)}"`,
    });
  }
  if (path === "/") throw new UserError("the root file system must not be /", { at, code: "bundle" });
  return path;
}

function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
