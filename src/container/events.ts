// events: statistics of a container, once or at intervals, and its out-of-memory kills as they happen; a JSON object a
// line, in runc's shape.

import { host } from "#host";
import { type Oom, watchOom } from "../cgroup/oom.ts";
import { readStats } from "../cgroup/read-stats.ts";
import type { Stats } from "../cgroup/stats.ts";
import { UserError } from "../errors.ts";
import { jsonText } from "../spec/json-text.ts";
import { openInit } from "./status.ts";
import { load, type Store, type StoredContainer } from "./store.ts";

/** Writes one line of output. */
export type WriteLine = (line: string) => void;

/** events --stats: one record. */
export function showStats(store: Store, id: string, write: WriteLine): void {
  write(statsRecord(id, statsOf(store, id)));
}

/** What a container that runs has used. */
export function statsOf(store: Store, id: string): Stats {
  const { container, pidfd } = liveContainer(store, id);
  try {
    return statsNow(container);
  } finally {
    host.close(pidfd);
  }
}

/** events: until the container stops. */
export function showEvents(store: Store, id: string, intervalMs: number, write: WriteLine): void {
  const { container, pidfd } = liveContainer(store, id);
  const oom = watchOom(container.cgroup);
  const watched = oom === undefined ? [pidfd] : [pidfd, oom.fd];
  const tell = (): boolean => {
    const seen = oom?.look();
    if (seen !== undefined) writeOom(id, seen, write);
    return seen !== undefined;
  };
  try {
    let next = host.monotonic() + intervalMs * 1e6;
    for (;;) {
      const ready = host.poll(watched, Math.max(0, Math.ceil((next - host.monotonic()) / 1e6)));
      // the notice comes before the kill: the counter follows
      if (ready.includes(1)) for (let tries = 0; !tell() && tries < 10; tries++) host.poll([pidfd], 10);
      if (ready.includes(0)) {
        tell();
        return;
      }
      if (host.monotonic() < next) continue;
      write(statsRecord(id, statsNow(container)));
      next += intervalMs * 1e6;
    }
  } finally {
    for (const fd of watched) host.close(fd);
  }
}

function liveContainer(store: Store, id: string): { readonly container: StoredContainer; readonly pidfd: number } {
  const container = load(store, id);
  const pidfd = container.phase === "created" ? openInit(container) : undefined;
  if (pidfd === undefined) throw new UserError(`container with id ${id} is not running`, { code: "state" });
  return { container, pidfd };
}

function statsNow({ cgroup }: StoredContainer): Stats {
  const stats = readStats(cgroup);
  if (stats !== undefined) return stats;
  throw new UserError("the container has no cgroup, so it has no statistics", { code: "cgroup" });
}

function statsRecord(id: string, data: Stats): string {
  return `${jsonText({ type: "stats", id, data })}\n`;
}

/** A record for each kill, as runc has it; `oom` is ours. */
function writeOom(id: string, { kills, cgroup, own }: Oom, write: WriteLine): void {
  const oom = { kills, cgroup, level: cgroup === undefined ? undefined : own ? "container" : "above" };
  for (let index = 0; index < Math.max(1, kills); index++) write(`${jsonText({ type: "oom", id, oom })}\n`);
}
