/**
 * The OCI validation suite with tsrunc and, in the same run, with runc. Nowhere may tsrunc be behind, but for what is
 * listed here with its reason; docs/conformance.md explains each program that isn't all good.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "../harness/paths.ts";
import { chosenRuntimes, peer } from "../harness/runtimes.ts";
import { Candidate, findSuite, type Outcome, programs, usesCgroups, verdict, worse } from "./suite.ts";

/** Where tsrunc is behind, and why it stays so. */
const behind: Readonly<Record<string, string>> = {
  mounts: "the suite gives options of a file system to bind mounts, which runc refuses from 1.2 on, as we do",
  linux_ns_itype: "a container without a mount namespace would leave its mounts in the host's; we refuse it",
};

const suite = await findSuite();
const ours = chosenRuntimes().find(({ name }) => name === "tsrunc");
const theirs = peer("runc");
const reason =
  "reason" in suite
    ? suite.reason
    : theirs === undefined
      ? "runc isn't installed"
      : ours === undefined
        ? "tsrunc isn't chosen"
        : "";

describe.skipIf(reason !== "")(`OCI validation suite${reason && ` [${reason}]`}`, () => {
  if ("reason" in suite || ours === undefined || theirs === undefined) {
    test("can be had", (context) => context.skip(reason));
    return;
  }
  const names = programs(suite.directory);
  const candidates = { ours: new Candidate(ours, suite.directory), theirs: new Candidate(theirs, suite.directory) };
  const results = new Map<string, { ours: Outcome; theirs: Outcome }>();

  async function compare(name: string): Promise<void> {
    let result = { ours: await candidates.ours.run(name), theirs: await candidates.theirs.run(name) };
    // Several programs send a signal before the shell that waits for it can have set its trap: not the runtime's fault.
    for (let tries = 0; tries < 2 && !(name in behind) && worse(result.ours, result.theirs); tries++)
      result = { ours: await candidates.ours.run(name), theirs: await candidates.theirs.run(name) };
    results.set(name, result);
  }

  beforeAll(async () => {
    const lanes = [names.filter(usesCgroups), [], []] as string[][];
    const others = names.filter((name) => !usesCgroups(name));
    const work = async (lane: string[]): Promise<void> => {
      for (let name = lane.shift() ?? others.shift(); name !== undefined; name = lane.shift() ?? others.shift())
        await compare(name);
    };
    await Promise.all(lanes.map(work));
  }, 240_000);

  afterAll(async () => {
    await candidates.ours.close();
    await candidates.theirs.close();
    report();
  });

  /** The counts, on the screen; the table, with all outputs, into build/conformance/output for docs/conformance.md. */
  function report(): void {
    const all = [...results].sort(([a], [b]) => (a < b ? -1 : 1));
    const good = (who: "ours" | "theirs"): number =>
      all.filter(([, result]) => !result[who].aborted && result[who].failed.length === 0).length;
    console.log(
      `OCI runtime-tools ${suite && "version" in suite ? suite.version : ""}: ${all.length} programs; ` +
        `all good with tsrunc ${good("ours")}, with runc ${good("theirs")}`,
    );
    const rows = all.map(([name, result]) => `| ${name} | ${verdict(result.ours)} | ${verdict(result.theirs)} |\n`);
    const output = join(repository, "build/conformance/output");
    mkdirSync(output, { recursive: true });
    writeFileSync(join(output, "table.md"), rows.join(""));
    for (const [name, result] of all) {
      writeFileSync(join(output, `${name}.tsrunc`), result.ours.output);
      writeFileSync(join(output, `${name}.runc`), result.theirs.output);
    }
  }

  test.each(names)("%s", (name) => {
    const result = results.get(name);
    if (result === undefined) throw new Error("it wasn't run");
    const told = `with tsrunc: ${verdict(result.ours)}, with runc: ${verdict(result.theirs)}\n${result.ours.output}`;
    // A reason whose time has passed has to go, too.
    expect(worse(result.ours, result.theirs), told).toBe(name in behind);
    const explanations = readFileSync(join(repository, "docs/conformance.md"), "utf8");
    if (result.ours.aborted || result.ours.failed.length > 0) expect(explanations).toContain(`\`${name}\``);
  });
});
