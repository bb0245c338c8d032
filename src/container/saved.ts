// The configuration a container was created with, from its state directory. It was checked then; now it is only read.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";
import type { Config } from "../spec/config.ts";
import { readJson } from "../spec/json.ts";
import { checkId } from "./id.ts";
import { directoryOf, doesNotExist, readConfig, type Store } from "./store.ts";

/** The saved config. Throws when there is no such container, or its config is gone or damaged. */
export function savedConfig(store: Store, id: string): Config {
  return readJson(savedText(store, checkId(id)), "the saved config.json", host.checkJson) as Config;
}

function savedText(store: Store, id: string): string {
  try {
    return readConfig(store, id);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT) && host.stat(directoryOf(store, id), false) === undefined) throw doesNotExist(id);
    throw error;
  }
}

/** The saved config, or undefined when it can't be read any more. */
export function savedConfigIfAny(store: Store, id: string): Config | undefined {
  try {
    return savedConfig(store, id);
  } catch {
    return undefined;
  }
}
