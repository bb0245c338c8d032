// linux.namespaces: each type once; and timeOffsets, which belong to one of them.

import type { Config, Linux, Namespace, NamespaceType } from "../config.ts";
import { quote, type Report } from "../problem.ts";

const section = "config-linux.md#namespaces";
const offsetSection = "config-linux.md#offset-for-time-namespace";

/** The entry of a type; undefined when the container shares that namespace with the runtime. */
export function findNamespace(linux: Linux | undefined, type: NamespaceType): Namespace | undefined {
  return linux?.namespaces?.find((namespace) => namespace.type === type);
}

/** Whether an entry asks to join a namespace. An empty path is what a Go program means by none. */
export function isJoined(namespace: Namespace | undefined): boolean {
  return (namespace?.path ?? "") !== "";
}

export function checkNamespaces({ linux }: Config, { error }: Report): void {
  const seen = new Set<NamespaceType>();
  linux?.namespaces?.forEach(({ type, path = "" }, index) => {
    const at = `/linux/namespaces/${index}`;
    if (seen.has(type)) {
      const message = `malformed spec file: duplicated ns ${quote(type)}`;
      error({ at, message, rule: "namespace-once", section });
    }
    seen.add(type);
    if (path !== "" && !path.startsWith("/")) {
      const message = `must be an absolute path, not ${quote(path)}`;
      error({ at: `${at}/path`, message, rule: "namespace-path", section });
    }
  });
}

/** The most seconds that a ktime_t of the kernel holds; a larger offset is ERANGE. */
const mostSeconds = 9223372036n;

export function checkTimeOffsets({ linux }: Config, { error }: Report): void {
  const offsets = linux?.timeOffsets;
  if (offsets === undefined || Object.keys(offsets).length === 0) return;
  const at = "/linux/timeOffsets";
  const report = (pointer: string, message: string): void =>
    error({ at: pointer, message, rule: "time-offsets", section: offsetSection });
  const namespace = findNamespace(linux, "time");
  if (namespace === undefined) {
    report(at, "time namespace offsets specified, but time namespace isn't enabled in the config");
  } else if (isJoined(namespace)) {
    const both = "time namespace enabled, but both namespace path and time offsets specified";
    report(at, `${both} -- you may only provide one`);
  }
  for (const [clock, offset] of Object.entries(offsets)) {
    if (clock !== "monotonic" && clock !== "boottime") {
      report(`${at}/${clock}`, "names no clock of a time namespace, must be monotonic or boottime");
      continue;
    }
    const { secs = 0, nanosecs = 0 } = offset;
    if (BigInt(secs) > mostSeconds || BigInt(secs) < -mostSeconds) {
      report(`${at}/${clock}/secs`, `is ${secs}, must be from -${mostSeconds} to ${mostSeconds}`);
    }
    if (nanosecs > 999_999_999) report(`${at}/${clock}/nanosecs`, `is ${nanosecs}, a whole second or more`);
  }
}
