// update: other limits for a container that exists. The change is merged into what it has (cgroup/merge.ts), written
// (all of it or nothing), and kept in ROOT/ID/resources.json, from where the next update starts.

import { host } from "#host";
import { changeResources } from "../cgroup/manager.ts";
import { mergeResources } from "../cgroup/merge.ts";
import { Errno, isErrno, UserError } from "../errors.ts";
import type { Config, Resources } from "../spec/config.ts";
import { readJson } from "../spec/json.ts";
import { jsonText } from "../spec/json-text.ts";
import { notRunning } from "./kill.ts";
import { statusOf } from "./status.ts";
import { directoryOf, load, lock, type Store } from "./store.ts";

/**
 * The update command. For a container that is created, running or paused.
 *
 * @param asked what shall change; devices in it are left out
 * @param readConfig the configuration it was created with
 * @throws UserError naming the limit that can't be set; then everything is as before
 */
export function update(store: Store, id: string, asked: Resources, readConfig: (id: string) => Config): void {
  const lockFd = lock(store, id);
  try {
    const container = load(store, id);
    const status = statusOf(store, container);
    if (status === "stopped" || status === "creating") throw notRunning();
    const { cgroup } = container;
    if (cgroup.driver === "none") {
      throw new UserError("the container has no cgroup, so it can't be limited", { code: "cgroup" });
    }
    const stored = storedResources(store, id) ?? readConfig(id).linux?.resources ?? {};
    const { resources, change } = mergeResources(stored, asked, cgroup.version);
    changeResources(cgroup, change);
    host.writeAtomic(resourcesFile(store, id), jsonText(resources), 0o600, false);
  } finally {
    host.close(lockFd);
  }
}

function resourcesFile(store: Store, id: string): string {
  return `${directoryOf(store, id)}/resources.json`;
}

/** What earlier updates have left; undefined when there was none. */
function storedResources(store: Store, id: string): Resources | undefined {
  try {
    const text = host.readText(resourcesFile(store, id), 16 << 20);
    return readJson(text, "the saved resources.json", host.checkJson) as Resources;
  } catch (error) {
    if (isErrno(error, Errno.ENOENT)) return undefined;
    throw error;
  }
}
