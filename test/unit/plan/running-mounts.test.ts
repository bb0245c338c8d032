// Plans that change the mounts of a running container.

import { describe, expect, test } from "vitest";
import { PLAN_MOUNT_FROM_RUNTIME, PLAN_MOUNT_RECURSIVE } from "../../../src/plan/ops.generated.ts";
import { compileAddMounts, compileRemoveMounts } from "../../../src/plan/running-mounts.ts";
import type { Config, Mount, NamespaceType } from "../../../src/spec/config.ts";
import { namespaces } from "../../../src/spec/tables/namespaces.ts";

const config = (...types: NamespaceType[]): Config => ({
  ociVersion: "1.2.0",
  linux: { namespaces: types.map((type) => ({ type })) },
});
const mounts: readonly Mount[] = [
  { destination: "a/../b", source: "data", options: ["rbind", "ro"] },
  { destination: "/t", type: "tmpfs", options: ["ro", "size=1m"] },
];

const names = (plan: ReturnType<typeof compileAddMounts>): readonly string[] => plan.steps.map(({ op }) => op.op);

describe("adding", () => {
  const plan = compileAddMounts(mounts, config("pid", "mount", "ipc", "network", "user"), "/bundle");

  test("everything of the host comes before joining, undoing before the first mount", () => {
    expect(names(plan)).toEqual([
      ...["own_proc", "join", "become_root", "undo_mounts"],
      ...["bind", "mount", "commit", "end"],
    ]);
  });

  test("joins what mounts belong to, and not the pid namespace", () => {
    const { mount, user, ipc } = namespaces;
    expect(plan.steps[1]?.op).toMatchObject({ op: "join", flags: mount.flag | user.flag | ipc.flag });
  });

  test("sources come from the runtime; steps have their places in the file", () => {
    const flags = PLAN_MOUNT_FROM_RUNTIME | PLAN_MOUNT_RECURSIVE;
    expect(plan.steps[4]).toMatchObject({ at: "/0", op: { hostPath: "/bundle/data", path: "/b", attrSet: 1, flags } });
  });

  test("what is read-only is so at once", () => {
    expect(plan.steps[5]).toMatchObject({ at: "/1", op: { op: "mount", path: "/t", attr: 1, options: ["size=1m"] } });
  });
});

test("removing: all are found first, then the last one goes first", () => {
  const plan = compileRemoveMounts(mounts, config("mount"));
  expect(names(plan)).toEqual([
    ...["own_proc", "join", "find_mount", "find_mount"],
    ...["unmount", "unmount", "commit", "end"],
  ]);
  expect(plan.steps.slice(2, 6).map(({ at, op }) => [at, op])).toEqual([
    ["/0/destination", { op: "find_mount", path: "/b" }],
    ["/1/destination", { op: "find_mount", path: "/t" }],
    ["/1/destination", { op: "unmount", path: "/t", found: 1 }],
    ["/0/destination", { op: "unmount", path: "/b", found: 0 }],
  ]);
});
