// Mounts that are added to a running container, or removed from it. Init joins its mount namespace and what mounts belong to
// (the user namespace, the queues of its ipc namespace), but not its pid namespace: nobody in there sees init.

import type { Config, Mount } from "../spec/config.ts";
import { namespaces } from "../spec/tables/namespaces.ts";
import { planAddedMounts } from "./mounts.ts";
import { hasNamespace } from "./namespaces.ts";
import { cleanPath } from "./paths.ts";
import { type Plan, type Step, step } from "./plan.ts";

/** The plan that adds all of the mounts or, when one fails, none. */
export function compileAddMounts(mounts: readonly Mount[], config: Config, bundle: string): Plan {
  return inside(config, [step("", { op: "undo_mounts" }), ...planAddedMounts(mounts, config, bundle)]);
}

/** The plan that removes the mounts, the last first, once all of them are found. */
export function compileRemoveMounts(mounts: readonly Mount[], config: Config): Plan {
  const found = mounts.map(({ destination }, index) =>
    step(`/${index}/destination`, { op: "find_mount", path: cleanPath(destination) }),
  );
  const removed = mounts.map(({ destination }, index) =>
    step(`/${index}/destination`, { op: "unmount", path: cleanPath(destination), found: index }),
  );
  return inside(config, [...found, ...removed.reverse()]);
}

function inside(config: Config, steps: readonly Step[]): Plan {
  const joined = (["user", "mount", "ipc"] as const).filter((type) => hasNamespace(config, type));
  const flags = joined.reduce((bits, type) => bits | namespaces[type].flag, 0);
  return {
    cloneFlags: 0,
    slots: [{ kind: "pidfd" }],
    steps: [
      // the host's: in the container we have no number, and /proc there is the container's to arrange
      step("", { op: "own_proc" }),
      step("/linux/namespaces", { op: "join", slot: 0, flags }),
      ...(hasNamespace(config, "user") ? [step("", { op: "become_root" } as const)] : []),
      ...steps,
      step("", { op: "commit", keep: 0 }),
      step("", { op: "end" }),
    ],
  };
}
