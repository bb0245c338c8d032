// The rules the schema can't express: each in its own file of rules/, here in the order they report.

import type { Config, Mount, Process, Resources } from "./config.ts";
import type { Facts } from "./facts.ts";
import { collect, type Findings, type Report } from "./problem.ts";
import { checkAnnotations } from "./rules/annotations.ts";
import { checkCapabilities } from "./rules/capabilities.ts";
import { checkCgroupsPath } from "./rules/cgroup.ts";
import { checkDevices } from "./rules/devices.ts";
import { checkHooks } from "./rules/hooks.ts";
import { checkHostname } from "./rules/hostname.ts";
import { checkIntelRdt } from "./rules/intel-rdt.ts";
import { checkUserNamespace } from "./rules/mappings.ts";
import { checkMemoryPolicy } from "./rules/memory-policy.ts";
import { checkMounts } from "./rules/mounts.ts";
import { checkAddedMounts, checkRemovedMounts } from "./rules/mounts-document.ts";
import { checkNamespaces, checkTimeOffsets } from "./rules/namespaces.ts";
import { checkNetDevices } from "./rules/net-devices.ts";
import { checkPersonality } from "./rules/personality.ts";
import { checkProcess, checkRlimits, checkUserMapped } from "./rules/process.ts";
import { checkResources } from "./rules/resources.ts";
import { checkMasks, checkRoot } from "./rules/root.ts";
import { checkAffinity, checkIoPriority, checkScheduler } from "./rules/scheduling.ts";
import { checkSysctl } from "./rules/sysctl.ts";
import { checkVersion } from "./rules/version.ts";

/** All rules on a config that fits the schema. A config without `process` may be created, but never started. */
export function checkConfig(config: Config, facts: Facts): Findings {
  return collect((report) => {
    checkVersion(config, report);
    checkRoot(config, report);
    checkMounts(config, facts, report);
    if (config.process !== undefined) checkWholeProcess(config.process, "/process", facts, report);
    checkUserMapped(config, report);
    checkHostname(config, report);
    checkHooks(config, report);
    checkAnnotations(config, report);
    checkNamespaces(config, report);
    checkUserNamespace(config, facts, report);
    checkTimeOffsets(config, report);
    checkDevices(config, report);
    checkNetDevices(config, facts, report);
    checkCgroupsPath(config, facts, report);
    checkResources(config.linux?.resources ?? {}, "/linux/resources", report);
    checkIntelRdt(config, report);
    checkMemoryPolicy(config, report);
    checkSysctl(config, report);
    checkMasks(config, report);
    checkPersonality(config, report);
  });
}

/** All rules on the document of `exec --process`. */
export function checkProcessDocument(process: Process, facts: Facts): Findings {
  return collect((report) => checkWholeProcess(process, "", facts, report));
}

/**
 * All rules on the document of `update --resources`. Its device rules are ignored (engines send them along with the
 * rest), so what is wrong with them doesn't matter.
 */
export function checkResourcesDocument({ devices: _ignored, ...resources }: Resources): Findings {
  return collect((report) => checkResources(resources, "", report));
}

/** All rules on the document of `mounts add` and `mounts remove`. */
export function checkMountsDocument(
  mounts: readonly Mount[],
  action: "add" | "remove",
  config: Config,
  facts: Facts,
): Findings {
  return collect((report) => {
    if (action === "add") checkAddedMounts(mounts, config, facts, report);
    else checkRemovedMounts(mounts, report);
  });
}

function checkWholeProcess(process: Process, at: string, facts: Facts, report: Report): void {
  checkProcess(process, at, report);
  checkRlimits(process, at, report);
  checkCapabilities(process, at, facts, report);
  checkScheduler(process, at, report);
  checkIoPriority(process, at, report);
  checkAffinity(process, at, report);
}
