// The features document (features.md, features-linux.md): what this runtime can do, whatever the machine it runs on can.
// Each list is that of the table by which it is done, so that it can't promise more or less.

import { cgroupManagers } from "../cgroup/record.ts";
import { ociVersion } from "../plan/hooks.ts";
import { memoryFlags, memoryModes } from "../plan/scheduling.ts";
import { actions, architectures, filterFlags, foreignLittleEndian, operators } from "../seccomp/profile.ts";
import { hookKinds } from "../spec/rules/hooks.ts";
import { honoured } from "../spec/tables/annotations.ts";
import { capabilities } from "../spec/tables/capabilities.ts";
import { mountOptionWords } from "../spec/tables/mount-options.ts";
import { namespaces } from "../spec/tables/namespaces.ts";

/**
 * @param release our version and commit
 * @param supportsFilterFlag whether this kernel takes a flag of seccomp(2): the one thing that depends on the machine
 */
export function features(
  release: { readonly version: string; readonly commit: string },
  supportsFilterFlag: (flag: keyof typeof filterFlags) => boolean,
): object {
  const flags = Object.keys(filterFlags) as (keyof typeof filterFlags)[];
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: ociVersion,
    hooks: hookKinds,
    mountOptions: mountOptionWords(),
    linux: {
      namespaces: Object.keys(namespaces),
      capabilities: Object.keys(capabilities),
      cgroup: cgroupManagers,
      seccomp: {
        enabled: true,
        actions: Object.keys(actions),
        operators: Object.keys(operators),
        archs: [...Object.keys(architectures), ...foreignLittleEndian.split(" ")].sort(),
        knownFlags: flags,
        supportedFlags: flags.filter(supportsFilterFlag),
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: Object.keys(memoryModes), flags: Object.keys(memoryFlags) },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      "tsrunc.version": release.version,
      "tsrunc.commit": release.commit,
      "tsrunc.checkpoint.enabled": "true",
    },
    potentiallyUnsafeConfigAnnotations: Object.values(honoured),
  };
}
