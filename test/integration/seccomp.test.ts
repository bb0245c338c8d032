/** Seccomp in real containers: what is denied, agents, explanations (V24). */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { exitCode, start as spawn } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile, repository } from "../harness/paths.ts";

type Profile = Record<string, unknown>;

/** Everything is allowed but these. */
const denying = (action: string, names: readonly string[], more: object = {}): Profile => ({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names, action }],
  ...more,
});

const withProfile =
  (profile: Profile, noNewPrivileges = true) =>
  (config: Config): void => {
    config.linux["seccomp"] = profile;
    config.process.noNewPrivileges = noNewPrivileges;
    config.root.readonly = false;
  };

/** An agent that answers with an errno, ready to be connected to. */
async function agent(socket: string, errno: number): Promise<{ message: () => Promise<Record<string, unknown>> }> {
  const argv = [compile("test/harness/agent.c"), socket, String(errno)];
  const child = spawn(argv, ["ignore", "pipe", "pipe"]);
  const ended = exitCode(child, argv, 60_000);
  let output = "";
  child.stdout?.on("data", (data: Buffer) => {
    output += data.toString();
  });
  await new Promise<void>((done) => child.stderr?.once("data", () => done()));
  return {
    message: async () => {
      expect(await ended).toBe(0);
      return JSON.parse(output);
    },
  };
}

const MKDIR = ["/bin/sh", "-c", "mkdir /tmp/new && echo made"];

describeRuntimes("seccomp", ({ test }) => {
  for (const noNewPrivileges of [true, false]) {
    const how = noNewPrivileges ? "with" : "without";

    test(`a denied call fails with the profile's errno, ${how} no_new_privs`, async ({ box }) => {
      const profile = denying("SCMP_ACT_ERRNO", ["mkdir", "mkdirat"]);
      const { stderr, code } = await box.run(MKDIR, { config: withProfile(profile, noNewPrivileges) });
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("Operation not permitted") });
    });

    test(`an agent gets the listener and decides, ${how} no_new_privs`, async ({ box }) => {
      const socket = box.path("agent.sock");
      const EDQUOT = 122;
      const { message } = await agent(socket, EDQUOT);
      const profile = denying("SCMP_ACT_NOTIFY", ["mkdir", "mkdirat"], {
        listenerPath: socket,
        listenerMetadata: "who asks",
      });
      const bundle = box.bundle(MKDIR, { config: withProfile(profile, noNewPrivileges) });
      const id = box.newId();
      const { code, stderr } = await box.call(["run", "--bundle", bundle, id]);
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("Disk quota exceeded") });
      expect(await message()).toMatchObject({
        ociVersion: "1.3.0",
        fds: ["seccompFd"],
        metadata: "who asks",
        pid: expect.any(Number),
        state: { id, status: "creating", bundle, pid: expect.any(Number) },
      });
      expect(box.leftovers()).toEqual([]);
    });
  }

  test("an exec has a listener of its own", async ({ box }) => {
    const socket = box.path("agent.sock");
    const profile = denying("SCMP_ACT_NOTIFY", ["mkdir", "mkdirat"], { listenerPath: socket });
    const first = await agent(socket, 1);
    const container = await box.create(["/bin/sleep", "1000"], { config: withProfile(profile) });
    await container.start();
    execFileSync("rm", [socket]);
    const EROFS = 30;
    const second = await agent(socket, EROFS);
    const { code, stderr } = await box.call(["exec", container.id, "/bin/mkdir", "/tmp/new"]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("Read-only file system") });
    expect(await second.message()).toMatchObject({ state: { status: "running", pid: container.pid } });
    await container.delete("--force");
    expect(await first.message()).toMatchObject({ pid: container.pid });
  });

  test("an agent that isn't there fails create, with the pointer", async ({ box }) => {
    const profile = denying("SCMP_ACT_NOTIFY", ["mkdir"], { listenerPath: box.path("nobody") });
    const bundle = box.bundle(MKDIR, { config: withProfile(profile) });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toContain("/linux/seccomp/listenerPath");
    expect(box.leftovers()).toEqual([]);
  });

  test("a profile that forbids the set-up is told as such", async ({ box }) => {
    const profile = { defaultAction: "SCMP_ACT_KILL_PROCESS" };
    for (const noNewPrivileges of [true, false]) {
      const bundle = box.bundle(MKDIR, { config: withProfile(profile, noNewPrivileges) });
      const { code, stderr } = await box.call(["run", "--bundle", bundle, box.newId()]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/seccomp profile (kills|has killed) /);
      // the call's name comes from the kernel's log, which leaves records out when there are many
      const named = / for (?!a system call)(\S+)/.exec(stderr)?.[1];
      if (named !== undefined) expect(["close_range", "fstat", "openat2", "write", "mmap"]).toContain(named);
    }
    expect(box.leftovers()).toEqual([]);
  });

  test("trace runs the program unhindered and tells what would have been denied", async ({ box }) => {
    const profile = denying("SCMP_ACT_ERRNO", ["mkdir", "mkdirat", "chmod", "fchmodat"]);
    for (const noNewPrivileges of [true, false]) {
      const command = ["/bin/sh", "-c", "mkdir /tmp/new && mkdir /tmp/newer && rmdir /tmp/new /tmp/newer && echo made"];
      const bundle = box.bundle(command, { config: withProfile(profile, noNewPrivileges) });
      const { code, stdout, stderr } = await box.call(["seccomp", "trace", "--bundle", bundle, box.newId()]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "made\n" });
      expect(stderr).toMatch(/mkdir(at)?: 2 times, first with \(.*\): errno 1/);
      expect(stderr).not.toContain("chmod");
    }
  });

  test("explain names the rule that decides, and shows the program", async ({ box }) => {
    const file = join(repository, "test/fixtures/configs/docker-default.json");
    const { linux } = JSON.parse(readFileSync(file, "utf8"));
    const profile = box.path("profile.json");
    writeFileSync(profile, JSON.stringify(linux.seccomp));
    const explain = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await box.call(["seccomp", "explain", ...args, profile]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };
    expect(await explain("--syscall", "read")).toMatch(
      /SCMP_ARCH_X86_64: number 0\n {4}allow {3}# \/linux\/seccomp\/syscalls\/0/,
    );
    expect(await explain("--syscall", "kexec_load")).toContain("errno 1 (EPERM)   # default");
    expect(await explain("--dump")).toMatch(/^ {3}0 {2}load architecture/);
    expect(await explain()).toMatch(/^default: SCMP_ACT_ERRNO\n/);
    expect(await box.fails(["seccomp", "explain", "--syscall", "nosuchcall", profile])).toContain("no system call");
  });
});
