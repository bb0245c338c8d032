import { host } from "#host";
import { planCgroup } from "../../cgroup/record.ts";
import { loadBundle } from "../../container/bundle.ts";
import { compilePlan } from "../../container/create.ts";
import { readFacts } from "../../container/facts.ts";
import { planJson, printPlan } from "../../plan/print.ts";
import { measure } from "../../trace.ts";
import type { Context } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { bundlePath, toolsFor } from "../load.ts";

/** The id in the printed plan: paths and names made from an id show where it would stand. */
const exampleId = "ID";

export async function run(context: Context): Promise<number> {
  const { command, cgroupManager } = context;
  const bundle = loadBundle(bundlePath(context), context.facts);
  const facts = readFacts();
  const cgroupsPath = bundle.config.linux?.cgroupsPath;
  const plan = compilePlan(bundle, facts, {
    id: exampleId,
    start: "later",
    preserved: { descriptors: [], environment: [] },
    // a scope is nothing that init would have to do with
    cgroup: cgroupManager === "cgroupfs" ? planCgroup(facts.cgroup, cgroupsPath, exampleId) : { driver: "none" },
    options: { noPivot: booleanFlag(command, "no-pivot"), noNewKeyring: booleanFlag(command, "no-new-keyring") },
    ...(await toolsFor(bundle)),
  });
  const { filter } = plan;
  const traced = filter && { filter: () => measure("compile the seccomp profile", filter) };
  const print = booleanFlag(command, "json") ? planJson : printPlan;
  host.writeFd(1, print({ ...plan, ...traced }));
  return 0;
}
