/** The library under Node.js: what the methods do, how they fail, and that the examples work. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime as RuntimeClass, UserError as UserErrorClass } from "tsrunc";
import { test as base, describe, expect } from "vitest";
import { Box } from "../harness/box.ts";
import { eventually, run } from "../harness/command.ts";
import { repository } from "../harness/paths.ts";

const SLEEP = ["/bin/sleep", "1000"];
const library = join(repository, "dist/index.js");
const { Runtime, UserError, printPlan } = (await import(library)) as typeof import("tsrunc");

const test = base.extend<{ box: Box; runtime: RuntimeClass }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixture's dependencies from this pattern
  box: async ({}, use) => {
    const box = new Box({ name: "node", argv: [process.execPath, join(repository, "dist/cli.js")], ours: true });
    await use(box);
    await box.close();
  },
  runtime: async ({ box }, use) => {
    await use(new Runtime({ root: box.root }));
  },
});

function failure(work: () => unknown): UserErrorClass {
  try {
    work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("it didn't fail");
}

describe("library", () => {
  test("a container's whole life", async ({ box, runtime }) => {
    const id = box.newId();
    const state = runtime.create(id, { bundle: box.bundle(SLEEP), pidFile: box.path("pid"), stdio: [-1, -1, -1] });
    expect(state).toMatchObject({ id, status: "created" });
    expect(readFileSync(box.path("pid"), "utf8")).toBe(String(state.pid));
    runtime.start(id);
    expect(runtime.state(id)).toMatchObject({ id, status: "running", pid: state.pid });
    expect(runtime.list().map((entry) => entry.id)).toEqual([id]);
    expect(failure(() => runtime.delete(id))).toMatchObject({ code: "state" });
    expect(runtime.wait(id, { timeoutMs: 50 })).toBeUndefined();
    runtime.kill(id, "KILL");
    expect(runtime.wait(id)).toEqual({ status: 137, signal: 9 });
    expect(runtime.state(id)).toMatchObject({ status: "stopped", pid: 0 });
    runtime.delete(id);
    expect(failure(() => runtime.state(id))).toMatchObject({
      code: "not-found",
      message: `container does not exist: ${id}`,
    });
    expect(runtime.list()).toEqual([]);
    expect(box.leftovers()).toEqual([]);
  });

  test("the command line sees the same containers", async ({ box, runtime }) => {
    const id = box.newId();
    runtime.create(id, { bundle: box.bundle(SLEEP), stdio: [-1, -1, -1] });
    await box.ok(["start", id]);
    expect(runtime.state(id).status).toBe("running");
    await box.ok(["delete", "--force", id]);
    expect(runtime.list()).toEqual([]);
  });

  test("exec: exit statuses, changes to the process, a process of its own, output, time", async ({ box, runtime }) => {
    const id = box.newId();
    runtime.create(id, { bundle: box.bundle(SLEEP), stdio: [-1, -1, -1] });
    runtime.start(id);
    const stdio = [-1, -1, -1] as const;
    expect(runtime.exec(id, ["sh", "-c", "exit 7"], { stdio })).toBe(7);
    expect(runtime.exec(id, ["sh", "-c", "kill -9 $$"], { stdio })).toBe(137);
    const asked = runtime.output(id, ["sh", "-c", "pwd; id -u; echo $A; echo bad >&2; exit 3"], {
      cwd: "/tmp",
      user: "1000:1000",
      env: ["A=b"],
    });
    expect(asked).toEqual({ status: 3, stdout: "/tmp\n1000\nb\n", stderr: "bad\n" });
    const own = { args: ["sh", "-c", "echo $X"], cwd: "/", env: ["X=own", "PATH=/bin"], user: { uid: 0, gid: 0 } };
    expect(runtime.output(id, own).stdout).toBe("own\n");
    const began = Date.now();
    expect(runtime.output(id, ["sh", "-c", "sleep 1000 & sleep 1000"], { timeoutMs: 300 }).status).toBe(124);
    expect(Date.now() - began).toBeLessThan(5000);
    runtime.delete(id, { force: true });
    expect(box.leftovers()).toEqual([]);
  });

  test("pause, resume, ps, stats, update", ({ box, runtime }) => {
    const id = box.newId();
    const { pid } = runtime.create(id, { bundle: box.bundle(SLEEP), stdio: [-1, -1, -1] });
    runtime.start(id);
    expect(runtime.ps(id)).toEqual([pid]);
    runtime.pause(id);
    expect(runtime.state(id).status).toBe("paused");
    expect(failure(() => runtime.pause(id))).toMatchObject({ code: "state" });
    runtime.resume(id);
    expect(runtime.state(id).status).toBe("running");
    expect(Number(runtime.stats(id).pids.current)).toBe(1);
    runtime.update(id, { memory: { limit: 64 << 20 }, pids: { limit: 77n } });
    const { memory, pids } = runtime.stats(id);
    expect([Number(memory.usage.limit), Number(pids.limit)]).toEqual([64 << 20, 77]);
    expect(failure(() => runtime.update(id, { memory: { limit: "much" as never } }))).toMatchObject({
      code: "config",
      at: "/memory/limit",
    });
    expect(Number(runtime.stats(id).memory.usage.limit)).toBe(64 << 20);
    runtime.delete(id, { force: true });
    expect(failure(() => runtime.stats(id))).toMatchObject({ code: "not-found" });
    expect(box.leftovers()).toEqual([]);
  });

  test("mounts of a running container: added and removed, all or none", ({ box, runtime }) => {
    const id = box.newId();
    mkdirSync(box.path("more"));
    writeFileSync(box.path("more/file"), "added");
    runtime.create(id, { bundle: box.bundle(SLEEP), stdio: [-1, -1, -1] });
    runtime.start(id);
    const mount = { destination: "/tmp/more", type: "bind", source: box.path("more"), options: ["bind", "ro"] };
    const read = () => runtime.output(id, ["cat", "/tmp/more/file"]).stdout;
    runtime.addMounts(id, [mount]);
    expect(read()).toBe("added");
    const bad = { ...mount, destination: "/tmp/other", source: box.path("nosuch") };
    expect(failure(() => runtime.addMounts(id, [{ ...mount, destination: "/tmp/third" }, bad])).at).toBe("/1");
    expect(runtime.output(id, ["cat", "/tmp/third/file"]).status).toBe(1);
    runtime.removeMounts(id, [{ destination: "/tmp/more" }]);
    expect(read()).toBe("");
    runtime.delete(id, { force: true });
    expect(box.leftovers()).toEqual([]);
  });

  test("errors have code, place and hint, and nothing is left", ({ box, runtime }) => {
    const wrong = box.bundle(SLEEP, {
      config: (config) => {
        Object.assign(config.process, { cwd: 5 });
      },
    });
    const create = (bundle: string, id = box.newId()) => failure(() => runtime.create(id, { bundle }));
    expect(create(wrong)).toMatchObject({ code: "config", message: expect.stringContaining("/process/cwd") });
    expect(create(box.path("nosuch"))).toMatchObject({ code: "bundle" });
    const program = create(box.bundle(["/nosuch"]));
    expect(program).toMatchObject({ code: "program", at: "/process/args", errno: 2, operation: "program" });
    expect(program).toBeInstanceOf(Error);
    expect(create(wrong, "a b")).toMatchObject({ code: "bad-id" });
    expect(failure(() => runtime.kill("nosuch", "NOSUCH"))).toMatchObject({ code: "usage" });
    expect(failure(() => runtime.kill("nosuch"))).toMatchObject({ code: "not-found" });
    expect(failure(() => runtime.exec("nosuch", ["true"])).code).toMatch(/not-found|kernel/);
    runtime.delete("nosuch", { force: true });
    expect(box.leftovers()).toEqual([]);
  });

  test("what a kernel refuses is a UserError, too", ({ box }) => {
    writeFileSync(box.path("file"), "");
    const runtime = new Runtime({ root: box.path("file/root") });
    expect(failure(() => runtime.create("x", { bundle: box.bundle(SLEEP) }))).toMatchObject({
      code: "kernel",
      errno: 20,
    });
  });

  test("plan and validate make nothing", async ({ box, runtime }) => {
    const bundle = box.bundle(SLEEP);
    const plan = runtime.plan(bundle);
    expect(printPlan(plan)).toBe((await box.ok(["plan", "--bundle", bundle])).stdout);
    expect(plan.steps.some(({ op, at }) => op.op === "hostname" && at === "/hostname")).toBe(true);
    expect(runtime.validate(bundle)).toEqual({ valid: true, problems: [] });
    const wrong = box.bundle(SLEEP, {
      config: (config) => {
        config.linux.namespaces.push({ type: "pid" });
      },
    });
    const { valid, problems } = runtime.validate(wrong);
    expect(valid).toBe(false);
    expect(problems[0]).toMatchObject({
      severity: "error",
      at: expect.stringMatching(/^\/linux\/namespaces/),
      line: 1,
    });
    expect(existsSync(box.root)).toBe(false);
  });

  test("the program keeps its own signals and children, and no descriptor leaks", async ({ box, runtime }) => {
    const id = box.newId();
    const child = new Promise<number>((resolve) => {
      const process = execFile("sh", ["-c", "sleep 0.2; exit 5"]);
      process.on("exit", (code) => resolve(code ?? -1));
    });
    runtime.create(id, { bundle: box.bundle(SLEEP), stdio: [-1, -1, -1] });
    runtime.start(id);
    const count = (): number => readdirSync("/proc/self/fd").length;
    runtime.output(id, ["true"]);
    const before = count();
    for (let i = 0; i < 3; i++) runtime.output(id, ["true"]);
    expect(count()).toBe(before);
    expect(await child).toBe(5);
    let caught = 0;
    const listener = (): void => {
      caught++;
    };
    process.on("SIGHUP", listener);
    process.kill(process.pid, "SIGHUP");
    await eventually("the signal comes", () => (caught > 0 ? true : undefined));
    process.off("SIGHUP", listener);
    runtime.delete(id, { force: true });
  });
});

describe("examples", () => {
  const example = (name: string, ...args: string[]): string[] => [
    process.execPath,
    join(repository, "examples", name),
    ...args,
  ];

  test("run-and-ask", async ({ box }) => {
    const env = { ...box.environment, TSRUNC_ROOT: box.root };
    const bundle = box.bundle(SLEEP);
    const asked = await run(example("run-and-ask.mjs", bundle, "sh", "-c", "hostname; exit 4"), { env });
    expect([asked.code, asked.stdout]).toEqual([4, "tsrunc-test\n"]);
    expect(asked.stderr).toMatch(/^container example-\d+ is running, process \d+\n$/);
    const failed = await run(example("run-and-ask.mjs", box.path("nosuch"), "true"), { env });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/does not exist.*\[bundle\]/);
    expect(box.leftovers()).toEqual([]);
  });

  test("check-bundles", async ({ box }) => {
    const good = box.bundle(SLEEP);
    const bad = box.bundle(SLEEP, {
      config: (config) => {
        config.process.cwd = "tmp";
      },
    });
    mkdirSync(box.path("none"));
    const { code, stdout } = await run(example("check-bundles.mjs", good, bad, box.path("none")), {
      env: box.environment,
    });
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/: valid, \d+ steps, \d+ of them for mounts$/);
    expect(lines[1]).toMatch(/config\.json:\d+: error: \/process\/cwd /);
    expect(lines[2]).toMatch(/no such file/);
  });
});
