/** Service notification: NOTIFY_SOCKET of the caller, a socket of its own for the container (feature-parity 1.15). */
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { type CommandOptions, eventually, exitCode, sleep, start } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { parseMounts } from "../harness/probe.ts";

/** The service manager's end. */
async function manager(box: Box, name: string) {
  let output = "";
  const child = start([compile("test/harness/notify.c"), "listen", name], ["pipe", "pipe", "inherit"], {
    env: box.environment,
  });
  child.stdout?.on("data", (data: Buffer) => {
    output += data.toString();
  });
  await eventually("the manager's socket", () => (output.includes("listening") ? true : undefined));
  return {
    options: { env: { ...box.environment, NOTIFY_SOCKET: name } } satisfies CommandOptions,
    messages: (): string[] => output.split("\n").slice(1, -1),
    end: () => child.stdin?.end(),
  };
}

const withNotify = {
  rootfs: (path: string): void => copyFileSync(compile("test/harness/notify.c"), join(path, "notify")),
};

const script = (...lines: string[]): string[] => ["/bin/sh", "-c", lines.join("; ")];

const telling = script(
  "/notify send 'STATUS=busy'",
  "sleep 0.3",
  "/notify send 'STATUS=x\\nREADY=1\\nMAINPID=1'",
  "sleep 1000",
);

describeRuntimes("notify", ({ test, runtime }) => {
  for (const kind of ["path", "abstract name"] as const) {
    test(`create and start by a ${kind}: start lasts until READY, which alone goes on, with the host's pid`, async ({
      box,
    }) => {
      if (!runtime.ours && kind !== "path") return;
      const host = await manager(box, kind === "path" ? box.path("notify.sock") : `@manager-${box.tag}`);
      const id = box.newId();
      const bundle = box.bundle(telling, withNotify);
      await box.ok(["create", "--bundle", bundle, "--pid-file", box.path("pid"), id], host.options);
      await sleep(100);
      expect(host.messages()).toEqual([]);
      const from = Date.now();
      await box.ok(["start", id], host.options);
      expect(Date.now() - from).toBeGreaterThanOrEqual(250);
      const pid = readFileSync(box.path("pid"), "utf8");
      if (runtime.ours) expect(host.messages()).toEqual([`READY=1|MAINPID=${pid}`, "BARRIER=1"]);
      host.end();
    });
  }

  test("run in the foreground passes it on while it stands in front, run --detach waits for it", async ({ box }) => {
    const host = await manager(box, box.path("notify.sock"));
    const bundle = box.bundle(script("/notify send READY=1", "sleep 0.3", "exit 6"), withNotify);
    const result = await box.call(["run", "--bundle", bundle, box.newId()], host.options);
    expect(result).toMatchObject({ code: 6, stderr: "" });
    if (runtime.ours) expect(host.messages()[0]).toMatch(/^READY=1\|MAINPID=\d+$/);
    const before = host.messages().length;
    const id = box.newId();
    await box.ok(["run", "--detach", "--bundle", box.bundle(telling, withNotify), id], host.options);
    expect(host.messages().length).toBeGreaterThan(before);
    host.end();
  });

  test("a program that ends without a word ends the waiting", async ({ box }) => {
    const host = await manager(box, box.path("notify.sock"));
    const id = box.newId();
    await box.ok(["create", "--bundle", box.bundle(script("exit 3"), withNotify), id], host.options);
    await box.ok(["start", id], host.options);
    expect(host.messages()).toEqual([]);
    host.end();
  });

  test("the caller's socket and variable don't get into the container, nor ours into an exec", async ({ box }) => {
    const host = await manager(box, box.path("notify.sock"));
    const id = box.newId();
    const bundle = box.bundle(
      script(
        "echo $NOTIFY_SOCKET > /tmp/variable",
        "cat /proc/self/mountinfo > /tmp/mounts",
        "/notify send READY=1",
        "sleep 1000",
      ),
      withNotify,
    );
    await box.ok(["create", "--bundle", bundle, id], host.options);
    await box.ok(["start", id], host.options);
    expect(readFileSync(join(bundle, "rootfs/tmp/variable"), "utf8")).toBe("/run/notify/notify.sock\n");
    const mounts = parseMounts(readFileSync(join(bundle, "rootfs/tmp/mounts"), "utf8"));
    expect(mounts.find(({ at }) => at === "/run/notify")?.options).toEqual(
      expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]),
    );
    const inside = await box.ok(["exec", id, "/bin/sh", "-c", '[ -z "$NOTIFY_SOCKET" ] && echo none'], host.options);
    if (runtime.ours) expect(inside.stdout).toBe("none\n");
    host.end();
  });

  test("a manager that has gone is a warning", async ({ box }) => {
    const bundle = box.bundle(script("/notify send READY=1", "exit 0"), withNotify);
    const options = { env: { ...box.environment, NOTIFY_SOCKET: box.path("nobody.sock") } };
    const log = box.path("log");
    const result = await box.call(["--log", log, "run", "--bundle", bundle, box.newId()], options);
    expect(result.code).toBe(0);
    if (runtime.ours) expect(readFileSync(log, "utf8")).toContain("can't pass on that the container is ready");
  });

  test("a signal ends the waiting of start; the container goes on", async ({ box }) => {
    if (!runtime.ours) return;
    const host = await manager(box, box.path("notify.sock"));
    const id = box.newId();
    await box.ok(["create", "--bundle", box.bundle(["/bin/sleep", "1000"], withNotify), id], host.options);
    const argv = box.argv("start", id);
    const waiting = start(argv, "ignore", host.options);
    const ended = exitCode(waiting, argv);
    await eventually("the program", () => (existsSync(join(box.root, id, "start.fifo")) ? undefined : true));
    await sleep(100);
    waiting.kill("SIGTERM");
    expect(await ended).toBe(143);
    expect((await box.state(id))?.status).toBe("running");
    host.end();
  });
});
