// config.json in, plan out: for our default config and for configs as real engines write them (test/fixtures/configs).
// `npm run golden` rewrites the plans; a change of one is reviewed as a diff.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { host } from "#host";
import type { CgroupLayout } from "../../src/cgroup/layout.ts";
import { planCgroup } from "../../src/cgroup/record.ts";
import { compileCreate } from "../../src/plan/compile.ts";
import type { CreateRequest, HostFacts } from "../../src/plan/facts.ts";
import { printPlan } from "../../src/plan/print.ts";
import { prepareSeccomp } from "../../src/seccomp/compile.ts";
import type { Config } from "../../src/spec/config.ts";
import { defaultConfig } from "../../src/spec/default.ts";
import { explain } from "../../src/spec/explain.ts";
import { parseConfig } from "../../src/spec/load.ts";

const layouts: Readonly<Record<string, CgroupLayout>> = {
  v2: { mode: "v2", unified: { mount: "/sys/fs/cgroup", own: "/user/session" } },
  hybrid: {
    mode: "v1",
    hierarchies: [
      { controllers: ["cpu", "cpuacct"], name: "", mount: "/sys/fs/cgroup/cpu,cpuacct", own: "/" },
      { controllers: ["memory"], name: "", mount: "/sys/fs/cgroup/memory", own: "/session" },
      { controllers: [], name: "systemd", mount: "/sys/fs/cgroup/systemd", own: "/" },
    ],
    unified: { mount: "/sys/fs/cgroup/unified", own: "/" },
  },
};

function planText(config: Config, layout: CgroupLayout, change: Partial<CreateRequest> = {}): string {
  const facts: HostFacts = { privileged: true, clonesMounts: true, cgroup: layout, machine: "x86_64", capabilities: (1n << 41n) - 1n };
  const id = "golden";
  return printPlan(
    compileCreate(config, facts, {
      id,
      bundle: "/bundle",
      rootfs: "/bundle/rootfs",
      start: "later",
      root: "pivot",
      keyring: "new",
      preserved: [],
      environment: [],
      cgroup: planCgroup(layout, config.linux?.cgroupsPath, id),
      seccomp: prepareSeccomp,
      ...change,
    }),
  );
}

const fixtures = new URL("../fixtures/configs/", import.meta.url);
const facts = { rootless: false, systemdCgroup: false };
const engineConfigs = readdirSync(fixtures).filter((name) => name.endsWith(".json"));

describe("engines' configs", () => {
  test("there are some of each engine", () => {
    for (const engine of ["docker", "containerd", "podman", "crio"]) {
      expect(engineConfigs.filter((name) => name.startsWith(engine))).not.toEqual([]);
    }
  });

  test.each(engineConfigs)("%s", async (name) => {
    const text = readFileSync(new URL(name, fixtures), "utf8");
    // systemd's slice:prefix:name is data here
    const systemdCgroup = /"cgroupsPath":\s*"[^"]*:[^"]*:/.test(text);
    const { config } = parseConfig(text, { check: host.checkJson, explain: () => explain, facts: { ...facts, systemdCgroup } });
    await expect(planText(config, layouts["v2"] as CgroupLayout)).toMatchFileSnapshot(`plans/${name.replace(".json", "")}.txt`);
  });
});

describe("our default config", () => {
  const config = defaultConfig({ cgroup: "v2" });

  test.each(Object.keys(layouts))("on %s", async (name) => {
    await expect(planText(config, layouts[name] as CgroupLayout)).toMatchFileSnapshot(`plans/default-${name}.txt`);
  });

  test("rootless", async () => {
    const rootless = defaultConfig({ cgroup: "v2", rootless: { uid: 1000, gid: 1000 } });
    await expect(planText(rootless, layouts["v2"] as CgroupLayout)).toMatchFileSnapshot("plans/default-rootless.txt");
  });

  test("run, without pivot_root and with descriptors", async () => {
    const change = { start: "now", root: "move", keyring: "inherited", preserved: [3, 4] } as const;
    await expect(planText(config, layouts["v2"] as CgroupLayout, change)).toMatchFileSnapshot("plans/default-run.txt");
  });
});
