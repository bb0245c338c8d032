// Statistics of a container, whichever version of cgroups it has.

import type { CgroupRecord } from "./record.ts";
import type { Stats } from "./stats.ts";
import { statsV1 } from "./stats-v1.ts";
import { statsV2 } from "./stats-v2.ts";

/**
 * What the container's cgroup has used; undefined when it has none. Files that this kernel hasn't, or that have just
 * vanished, count as 0.
 */
export function readStats(record: CgroupRecord): Stats | undefined {
  if (record.driver === "none") return undefined;
  return record.version === "v2" ? statsV2(record.directories) : statsV1(record.directories);
}
