// The documents of `mounts add` and `mounts remove`: mounts as in config.json, but for a container whose programs already
// run, and may change every path below its root at any moment.

import type { Config, Mount } from "../config.ts";
import type { Facts } from "../facts.ts";
import { quote, type Report } from "../problem.ts";
import { mountOption } from "../tables/mount-options.ts";
import { checkMountList, cleanPath } from "./mounts.ts";

const section = "config.md#mounts";
const rule = "running-mount";

/**
 * File systems that are made of nothing. Others read paths (layers, devices), which would be the container's paths, and
 * a new proc, sysfs or cgroup would lack what is hidden in those the container has.
 */
const addable: ReadonlySet<string> = new Set(["tmpfs", "ramfs", "mqueue", "devpts", "hugetlbfs"]);

/** fsconfig(2) takes no longer value; mount(2) does, but it mounts on a path, which may be another one the next moment. */
const longestValue = 255;

export function checkAddedMounts(mounts: readonly Mount[], config: Config, facts: Facts, report: Report): void {
  checkMountList(mounts, "", config, facts, report);
  mounts.forEach(({ type = "", options = [] }, index) => {
    const error = (member: string, message: string): void =>
      report.error({ at: `/${index}${member}`, message, rule, section });
    const kinds = options.map((word) => mountOption(word)?.kind);
    if (!kinds.includes("bind") && type !== "" && !addable.has(type)) {
      const instead = "mount it on the host and add a bind mount of it";
      error("/type", `is ${quote(type)}, which can't be mounted in a running container: ${instead}`);
    }
    options.forEach((word, place) => {
      const kind = kinds[place];
      if (kind === "remount" || kind === "copy-symlink" || kind === "tmpcopyup") {
        error(`/options/${place}`, `is ${quote(word)}, which can't be had in a running container`);
      } else if (kind === undefined && word.slice(word.indexOf("=") + 1).length > longestValue) {
        error(`/options/${place}`, `has a value of more than ${longestValue} bytes`);
      }
    });
  });
}

/** Only destinations count. */
export function checkRemovedMounts(mounts: readonly Mount[], report: Report): void {
  const places = mounts.map(({ destination }) => cleanPath(destination));
  places.forEach((place, index) => {
    const error = (message: string): void => report.error({ at: `/${index}/destination`, message, rule, section });
    const first = places.indexOf(place);
    if (place === "/") error(`is ${quote(mounts[index]?.destination ?? "")}: the root file system can't be removed`);
    else if (first !== index) error(`is that of /${first}, too`);
  });
}
