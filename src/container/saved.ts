// The configuration a container was created with, from its state directory. It was checked then; now it is only read.

import { host } from "#host";
import type { Config } from "../spec/config.ts";
import { readJson } from "../spec/json.ts";
import { readConfig, type Store } from "./store.ts";

/** The saved config. Throws when it is gone or damaged. */
export function savedConfig(store: Store, id: string): Config {
  return readJson(readConfig(store, id), "the saved config.json", host.checkJson) as Config;
}

/** The saved config, or undefined when it can't be read any more. */
export function savedConfigIfAny(store: Store, id: string): Config | undefined {
  try {
    return savedConfig(store, id);
  } catch {
    return undefined;
  }
}
