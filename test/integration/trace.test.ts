/** --trace: a file for trace viewers, a timeline for people, and the caller's trace context for hooks. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { describeRuntimes } from "../harness/describe.ts";

interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M";
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: Readonly<Record<string, string>>;
}

interface Trace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: string;
  readonly otherData?: Readonly<Record<string, string>>;
}

const SLEEP = ["/bin/sleep", "1000"];
const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describeRuntimes("trace", ({ differs }) => {
  const test = differs({ runc: "has none", crun: "has none" });

  const read = (box: Box): Trace => JSON.parse(readFileSync(box.path("trace"), "utf8")) as Trace;
  const spans = (trace: Trace): readonly TraceEvent[] => trace.traceEvents.filter(({ ph }) => ph === "X");

  test("run: phases of the runtime and all operations of init, in each other's bounds", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    await box.ok(["--trace", box.path("trace"), "run", "--bundle", bundle, box.newId()]);
    const trace = read(box);
    expect(trace.traceEvents.filter(({ ph }) => ph === "M").map(({ args }) => args["name"])).toEqual([
      "runtime",
      "init",
    ]);
    const [whole, ...rest] = spans(trace);
    expect(whole).toMatchObject({ name: "tsrunc run", ts: 0, pid: 1, tid: 1 });
    for (const { name, ts, dur } of rest) {
      expect(ts, name).toBeGreaterThanOrEqual(0);
      expect(dur, name).toBeGreaterThanOrEqual(0);
      expect(ts + dur, name).toBeLessThanOrEqual((whole?.dur ?? 0) + 1);
    }
    const phases = rest.filter(({ tid }) => tid === 1).map(({ name }) => name);
    for (const name of ["read config.json", "compile the plan", "make cgroups", "launch init", "remove state"])
      expect(phases).toContain(name);
    // the plan that is printed is the plan that is traced, up to the commit
    const { stdout } = await box.ok(["plan", "--json", "--bundle", bundle]);
    const planned = (JSON.parse(stdout) as { steps: { op: string; at?: string }[] }).steps;
    const operations = rest.filter(({ tid }) => tid === 2);
    const names = planned.map(({ op }) => op);
    const before = names.slice(0, names.indexOf("commit")).filter((name) => name !== "sync");
    expect(operations.map(({ name }) => name).filter((name) => name !== "sync")).toEqual(before);
    expect(operations.find(({ name }) => name === "hostname")?.args["at"]).toBe("/hostname");
    // one after the other
    operations.reduce((end, { name, ts, dur }) => {
      expect(ts, name).toBeGreaterThanOrEqual(end - 0.01);
      return ts + dur;
    }, 0);
  });

  for (const [name, args, phase] of [
    ["start", [], "wait for the program"],
    ["exec", ["/bin/true"], "launch init"],
    ["delete", [], "remove cgroups"],
    ["state", [], undefined],
  ] as const) {
    test(`${name}: its phases, on a timeline`, async ({ box }) => {
      const container = name === "start" || name === "delete" ? await box.create(SLEEP) : await box.start(SLEEP);
      const { code, stderr } = await box.call(["--trace", "-", name, container.id, ...args]);
      expect(code).toBe(0);
      const [header, first, ...lines] = stderr.trimEnd().split("\n");
      expect(header).toBe("   at ms  took ms");
      expect(first).toMatch(new RegExp(`^   0\\.000 +\\d+\\.\\d{3}  \\|#{32}\\| tsrunc ${name}$`));
      for (const line of lines) expect(line).toMatch(/^ +\d+\.\d{3} +\d+\.\d{3} {2}\|[ #]{32}\| {1,3}\S/);
      if (phase !== undefined) expect(stderr).toContain(`| ${phase}`);
    });
  }

  test("a failure: the command, the phase and the operation of init say so", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.mounts.push({ destination: "/x", type: "bind", source: "/nosuch", options: ["bind"] });
      },
    });
    const stderr = await box.fails(["--trace", box.path("trace"), "run", "--bundle", bundle, box.newId()]);
    const all = spans(read(box));
    expect(all[0]).toMatchObject({ name: "tsrunc run" });
    expect(stderr).toContain(all[0]?.args["failure"]);
    expect(all.filter(({ tid }) => tid === 2).length).toBeGreaterThan(5);
    const program = box.bundle(["/nosuch"]);
    await box.fails(["--trace", box.path("trace"), "run", "--bundle", program, box.newId()]);
    const failed = spans(read(box)).filter(({ args }) => args["failure"] !== undefined);
    expect(failed.map(({ name }) => name)).toEqual(["tsrunc run", "program"]);
    expect(failed[1]).toMatchObject({
      tid: 2,
      args: { at: "/process/args", failure: "exec: no such file or directory" },
    });
  });

  test("usage errors and unknown ids are traced, too", async ({ box }) => {
    for (const args of [
      ["state", "nosuch"],
      ["state", "--nosuch"],
    ]) {
      await box.fails(["--trace", box.path("trace"), ...args]);
      expect(spans(read(box))).toHaveLength(1);
      expect(spans(read(box))[0]?.args["failure"]).toMatch(/does not exist|flag provided/);
    }
  });

  test("a trace that can't be written is told, and is no failure of the command", async ({ box }) => {
    const { code, stderr } = await box.call(["--trace", box.path("nosuch/trace"), "features"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/can't write the trace: .*no such file or directory/);
  });

  test("TRACEPARENT is noted and handed to hooks, in the runtime and in init", async ({ box }) => {
    const script = box.path("hook");
    writeFileSync(script, `#!/bin/sh\necho "$STAGE $TRACEPARENT" >> ${box.path("seen")}\n`);
    chmodSync(script, 0o755);
    const stages = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] as const;
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.hooks = {
          ...Object.fromEntries(stages.map((stage) => [stage, [{ path: script, env: [`STAGE=${stage}`] }]])),
          startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo $TRACEPARENT > /tmp/seen"] }],
        };
      },
    });
    const traced = async (parent: string): Promise<string[]> => {
      writeFileSync(box.path("seen"), "");
      const env = { ...box.environment, TRACEPARENT: parent };
      await box.ok(["--trace", box.path("trace"), "run", "--bundle", bundle, box.newId()], { env });
      return readFileSync(box.path("seen"), "utf8").trimEnd().split("\n");
    };
    expect((await traced(PARENT)).sort()).toEqual(stages.map((stage) => `${stage} ${PARENT}`).sort());
    expect(readFileSync(`${bundle}/rootfs/tmp/seen`, "utf8")).toBe(`${PARENT}\n`);
    expect(read(box).otherData).toEqual({ traceparent: PARENT });
    // what is none goes nowhere, whatever it holds
    const lines = (await traced("$(reboot)")).map((line) => line.trimEnd());
    expect(lines.sort()).toEqual([...stages].sort());
    expect(read(box).otherData).toBeUndefined();
  });

  test("the program gets nothing of it", async ({ box }) => {
    const bundle = box.bundle(["/bin/env"]);
    const { stdout } = await box.call(["--trace", box.path("trace"), "run", "--bundle", bundle, box.newId()], {
      env: { ...box.environment, TRACEPARENT: PARENT },
    });
    expect(stdout).toContain("PATH=");
    expect(stdout).not.toContain("TRACEPARENT");
  });
});
