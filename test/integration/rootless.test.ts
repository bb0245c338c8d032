/** Containers of an ordinary user: no privilege, a user namespace with one id (R20). */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { type Result, run } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";

const uid = 12345;

/** A folder of the user's with a bundle as `spec --rootless` makes it, and the way to call the runtime in it. */
async function user(box: Box): Promise<(...args: string[]) => Promise<Result>> {
  const home = box.path("home");
  mkdirSync(`${home}/run`, { recursive: true });
  execFileSync("cp", ["-a", `${box.bundle(["/bin/true"])}/rootfs`, `${home}/rootfs`]);
  execFileSync("chmod", ["755", box.path(".")]);
  execFileSync("chown", ["-R", `${uid}:${uid}`, home]);
  const [command = "", ...prefix] = box.runtime.argv;
  const call = (...args: string[]): Promise<Result> =>
    run(
      [
        ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "env", "-i"],
        ...[`XDG_RUNTIME_DIR=${home}/run`, `PATH=${process.env["PATH"]}`, command, ...prefix, ...args],
      ],
      { cwd: home },
    );
  expect(await call("spec", "--rootless")).toMatchObject({ code: 0, stderr: "" });
  return call;
}

function edit(box: Box, change: (config: { process: Record<string, unknown> }) => void): void {
  const file = `${box.path("home")}/config.json`;
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.process.terminal = false;
  change(config);
  writeFileSync(file, JSON.stringify(config));
}

describeRuntimes("rootless", ({ test }) => {
  test("the default config runs, as root of its own", async ({ box }) => {
    const call = await user(box);
    edit(box, ({ process }) => {
      process["args"] = ["/bin/sh", "-c", "id -u; cat /proc/self/uid_map; cat /proc/self/setgroups"];
    });
    const { code, stdout, stderr } = await call("run", "rootless");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.replace(/ +/g, " ")).toBe(`0\n 0 ${uid} 1\ndeny\n`);
  });

  test("mounts add: a tmpfs comes and goes, a bind is refused with the reason", async ({ box }) => {
    const call = await user(box);
    edit(box, ({ process }) => {
      process["args"] = ["/bin/sleep", "1000"];
    });
    expect(await call("run", "--detach", "mounting")).toMatchObject({ code: 0, stderr: "" });
    const file = `${box.path("home")}/mounts.json`;
    writeFileSync(file, '[{"destination": "/tmp", "type": "tmpfs"}]');
    expect(await call("mounts", "add", "mounting", file)).toMatchObject({ code: 0, stderr: "" });
    expect((await call("exec", "mounting", "/bin/sh", "-c", "echo in > /tmp/f; cat /tmp/f")).stdout).toBe("in\n");
    expect(await call("mounts", "remove", "mounting", file)).toMatchObject({ code: 0, stderr: "" });
    expect((await call("exec", "mounting", "/bin/sh", "-c", "cat /tmp/f")).code).toBe(1);
    writeFileSync(file, '[{"destination": "/tmp", "source": "rootfs", "options": ["bind"]}]');
    expect((await call("mounts", "add", "mounting", file)).stderr).toMatch(/failed: \/0: only root can bind/);
    expect(await call("delete", "--force", "mounting")).toMatchObject({ code: 0, stderr: "" });
  });

  test("create, start, exec, kill and delete, with the state below XDG_RUNTIME_DIR", async ({ box }) => {
    const call = await user(box);
    edit(box, ({ process }) => {
      process["args"] = ["/bin/sleep", "1000"];
    });
    for (const args of [
      ["create", "one"],
      ["start", "one"],
    ]) {
      expect(await call(...args)).toMatchObject({ code: 0, stderr: "" });
    }
    expect(await call("exec", "one", "/bin/sh", "-c", "id -u; exit 3")).toMatchObject({ code: 3, stdout: "0\n" });
    expect(JSON.parse((await call("state", "one")).stdout)).toMatchObject({ status: "running" });
    expect(await call("kill", "one", "KILL")).toMatchObject({ code: 0, stderr: "" });
    expect(await call("delete", "--force", "one")).toMatchObject({ code: 0, stderr: "" });
    expect((await call("list", "-q")).stdout).toBe("");
  });

  test("ids that are not the user's to hand on are refused by name", async ({ box }) => {
    const call = await user(box);
    edit(box, (config) => {
      const { linux } = config as unknown as { linux: { uidMappings: object[] } };
      linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1 }];
    });
    const { code, stderr } = await call("create", "thief");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tsrunc create failed: \/linux\/uidMappings: .*operation not permitted.*\n$/);
  });
});
