// What is written down of a container before anything of it is made.

import { host } from "#host";
import type { CgroupRecord } from "../cgroup/record.ts";
import type { Bundle } from "./bundle.ts";
import { bootId } from "./status.ts";
import type { AfterStart, Intent } from "./store.ts";

/** The intent of a container that has no process yet. */
export function newIntent(id: string, bundle: Bundle, cgroup: CgroupRecord, afterStart: AfterStart): Intent {
  const { config } = bundle;
  return {
    id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    created: timestamp(),
    annotations: config.annotations ?? {},
    cgroup,
    ownPid: config.linux?.namespaces?.some(({ type }) => type === "pid") ?? false,
    bootId: bootId(),
    pid: 0,
    startTime: 0,
    afterStart,
  };
}

/** Now, as states show it: RFC 3339, UTC, with nanoseconds. */
function timestamp(): string {
  const [seconds, nanoseconds] = host.now();
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(nanoseconds).padStart(9, "0")}Z`;
}
