/** doctor and gc where cgroup v2 is all there is. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { alive } from "../harness/box.ts";
import { eventually } from "../harness/command.ts";
import { cgroupOf, type LabCase, SLEEP } from "./cases.ts";

interface Check {
  readonly name: string;
  readonly status: string;
  readonly detail: string;
}

export const doctorCases: readonly LabCase[] = [
  {
    name: "doctor: v2, its controllers, CLONE_INTO_CGROUP and cgroup.kill",
    run: async (box) => {
      const { stdout } = await box.ok(["doctor", "--json"]);
      const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
      const found = (name: string): Check | undefined => checks.find((check) => check.name === name);
      assert.equal(found("layout")?.detail, "v2");
      for (const name of ["delegation", "CLONE_INTO_CGROUP", "cgroup.kill"])
        assert.equal(found(name)?.status, "ok", name);
      for (const name of ["cpu", "memory", "pids", "io"])
        assert.match(found("controllers")?.detail ?? "", new RegExp(name));
    },
  },
  {
    name: "gc removes an interrupted container with its cgroup",
    run: async (box) => {
      const container = await box.create(SLEEP);
      const directory = `/sys/fs/cgroup${cgroupOf(container.pid)}`;
      process.kill(container.pid, "SIGKILL");
      await eventually("init ends", () => (alive(container.pid) ? undefined : true));
      rmSync(join(box.root, container.id, "state.json"));
      assert.equal(existsSync(directory), true);
      assert.equal((await box.ok(["gc"])).stdout, `removed ${container.id}: its creation was interrupted\n`);
      assert.equal(existsSync(directory), false);
    },
  },
];
