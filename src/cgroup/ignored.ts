// What of linux.resources has no file in one version of cgroups, or in any.

import type { Resources } from "../spec/config.ts";
import { given, resourcesAt } from "./resources.ts";

/** Settings that a cgroup version doesn't have, or kernels no longer: left out with a warning, as runc does. */
export function ignoredSettings(resources: Resources, version: "v1" | "v2"): readonly string[] {
  const { memory = {}, cpu = {}, blockIO = {}, network = {} } = resources;
  const nowhere: readonly (readonly [at: string, set: boolean])[] = [
    ["/memory/kernel", given(memory.kernel)],
    ["/memory/kernelTCP", given(memory.kernelTCP)],
    ["/memory/useHierarchy", memory.useHierarchy === false],
  ];
  const notOnV2: typeof nowhere = [
    ["/memory/swappiness", memory.swappiness !== undefined],
    ["/memory/disableOOMKiller", memory.disableOOMKiller === true],
    ["/cpu/realtimePeriod", given(cpu.realtimePeriod)],
    ["/cpu/realtimeRuntime", given(cpu.realtimeRuntime)],
    ["/blockIO/leafWeight", given(blockIO.leafWeight)],
    ["/blockIO/weightDevice", blockIO.weightDevice?.some(({ leafWeight }) => given(leafWeight)) ?? false],
    ["/network/classID", given(network.classID)],
    ["/network/priorities", (network.priorities ?? []).length > 0],
  ];
  return [...nowhere, ...(version === "v2" ? notOnV2 : [])].filter(([, set]) => set).map(([at]) => resourcesAt + at);
}
