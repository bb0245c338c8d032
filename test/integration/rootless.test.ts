/** Containers of an ordinary user: no privilege, a user namespace with one id, or with the user's range of ids (R20). */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { v2 } from "../harness/cgroup.ts";
import type { Result } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { noRanges, OrdinaryUser, subordinate } from "../harness/user.ts";

/** The user with a bundle as `spec --rootless` makes it, and the way to call the runtime in it. */
class Rootless extends OrdinaryUser {
  readonly #box: Box;

  static async in(box: Box): Promise<Rootless> {
    const user = new Rootless(box);
    const rootfs = `${box.bundle(["/bin/true"])}/rootfs`;
    execFileSync("cp", ["-a", rootfs, `${user.home}/rootfs`]);
    user.own();
    expect(await user.tsrunc("spec", "--rootless")).toMatchObject({ code: 0, stderr: "" });
    user.edit(({ process }) => {
      process.terminal = false;
      process.env.push(`TSRUNC_TEST=${box.tag}`);
    });
    return user;
  }

  private constructor(box: Box) {
    super(box.directory);
    this.#box = box;
  }

  tsrunc(...args: string[]): Promise<Result> {
    return this.tsruncWith({}, ...args);
  }

  tsruncWith(env: Record<string, string>, ...args: string[]): Promise<Result> {
    return this.call([...this.#box.runtime.argv, ...args], { env: { TSRUNC_TEST: this.#box.tag, ...env } });
  }

  /** A command that has to succeed, and silently. Returns its output. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tsrunc(...args);
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
    return stdout;
  }

  /** Runs a shell's line as the container's program, and returns what it writes. */
  async script(line: string): Promise<string> {
    this.edit(({ process }) => {
      process.args = ["/bin/sh", "-c", line];
    });
    return (await this.ok("run", "script")).replace(/ +/g, " ");
  }

  edit(change: (config: Config) => void): void {
    const file = `${this.home}/config.json`;
    const config = JSON.parse(readFileSync(file, "utf8")) as Config;
    change(config);
    writeFileSync(file, JSON.stringify(config));
  }

  /** Container root is the user, and after it come all of the user's subordinate ids. */
  useRange(): void {
    const map = (first: number) => [
      { containerID: 0, hostID: this.uid, size: 1 },
      { containerID: 1, hostID: first, size: subordinate.size },
    ];
    this.edit(({ linux }) => {
      linux.uidMappings = map(subordinate.uid);
      linux.gidMappings = map(subordinate.gid);
    });
  }

  /** What is left in the state directory. */
  get states(): readonly string[] {
    return existsSync(`${this.runtime}/tsrunc`) ? readdirSync(`${this.runtime}/tsrunc`) : [];
  }
}

const identity = "id -u; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups";

describeRuntimes("rootless", ({ test }) => {
  const withRange = (name: string, body: (fixtures: { box: Box }) => Promise<void>): void => {
    if (noRanges === undefined) test(name, body);
    else test.skip(`${name} [${noRanges}]`, body);
  };

  test("the default config runs, as root of its own, with one id", async ({ box }) => {
    const user = await Rootless.in(box);
    const own = ` 0 ${user.uid} 1\n`;
    expect(await user.script(identity)).toBe(`0\n${own}${own}deny\n`);
    expect(user.states).toEqual([]);
  });

  withRange(
    "a range of ids comes by newuidmap and newgidmap; other users and groups are to be had then",
    async ({ box }) => {
      const user = await Rootless.in(box);
      user.useRange();
      const map = (first: number) => ` 0 ${user.uid} 1\n 1 ${first} ${subordinate.size}\n`;
      expect(await user.script(identity)).toBe(`0\n${map(subordinate.uid)}${map(subordinate.gid)}allow\n`);
      user.edit(({ process, root }) => {
        process.user = { uid: 1000, gid: 1000, additionalGids: [7] };
        root.readonly = false;
      });
      chmodSync(`${user.home}/rootfs/tmp`, 0o1777);
      expect(await user.script("id -u; id -g; id -G; touch /tmp/mine")).toBe("1000\n1000\n1000 7\n");
      const { uid, gid } = statSync(`${user.home}/rootfs/tmp/mine`);
      expect([uid, gid]).toEqual([subordinate.uid + 999, subordinate.gid + 999]);
    },
  );

  withRange(
    "a range for users beside one's own group alone: setgroups is denied, and groups are refused",
    async ({ box }) => {
      const user = await Rootless.in(box);
      const only = [{ containerID: 0, hostID: user.uid, size: 1 }];
      user.useRange();
      user.edit(({ linux }) => (linux.gidMappings = only));
      expect(await user.script(identity)).toContain(` 0 ${user.uid} 1\ndeny\n`);
      user.edit(({ process }) => (process.user = { uid: 0, gid: 0, additionalGids: [0] }));
      const { code, stderr } = await user.tsrunc("run", "grouped");
      expect(code).toBe(1);
      expect(stderr).toContain("cannot set any additional groups in a rootless container");
      expect(user.states).toEqual([]);
    },
  );

  for (const kind of ["one id", "a range"]) {
    (kind === "a range" ? withRange : test)(
      `the whole life, with ${kind}: state below XDG_RUNTIME_DIR`,
      async ({ box }) => {
        const user = await Rootless.in(box);
        if (kind === "a range") user.useRange();
        user.edit(({ process }) => (process.args = ["/bin/sleep", "1000"]));
        await user.ok("create", "--pid-file", `${user.home}/pid`, "one");
        const { mode, uid } = statSync(`${user.runtime}/tsrunc`);
        expect([mode & 0o7777, uid]).toEqual([0o1700, user.uid]);
        expect(JSON.parse(await user.ok("state", "one"))).toMatchObject({ status: "created" });
        await user.ok("start", "one");
        const pid = Number(readFileSync(`${user.home}/pid`, "utf8"));
        expect(JSON.parse(await user.ok("state", "one"))).toMatchObject({ status: "running", pid });
        const inside = await user.tsrunc("exec", "one", "/bin/sh", "-c", "id -u; cat /proc/1/cmdline; exit 3");
        expect(inside).toMatchObject({ code: 3, stdout: "0\n/bin/sleep\u00001000\u0000", stderr: "" });
        if (kind === "a range") {
          expect(await user.ok("exec", "--user", "5:6", "one", "/bin/sh", "-c", "id -u; id -g")).toBe("5\n6\n");
        }
        expect(await user.ok("list")).toMatch(new RegExp(`one +${pid} +running .* ${user.name}\n$`));
        // without a cgroup there is nothing that these could work on, in runc either
        if (!v2) {
          for (const [command = "", ...args] of [
            ["ps"],
            ["pause"],
            ["events", "--stats"],
            ["update", "--memory", "9M"],
          ]) {
            const { code, stderr } = await user.tsrunc(command, ...args, "one");
            expect({ command, code, stderr }).toMatchObject({
              code: 1,
              stderr: expect.stringContaining("has no cgroup"),
            });
          }
        }
        await user.ok("kill", "one", "KILL");
        // root doesn't trust a state directory that a user could have filled (V23)
        const byRoot = await box.fails(["--root", `${user.runtime}/tsrunc`, "delete", "--force", "one"]);
        expect(byRoot).toContain(`belongs to user ${user.uid}`);
        await user.ok("delete", "--force", "one");
        expect(await user.ok("list", "-q")).toBe("");
        expect(user.states).toEqual([]);
      },
    );
  }

  test("mounts add: a tmpfs comes and goes, a bind is refused with the reason", async ({ box }) => {
    const user = await Rootless.in(box);
    user.edit(({ process }) => (process.args = ["/bin/sleep", "1000"]));
    await user.ok("run", "--detach", "mounting");
    const file = `${user.home}/mounts.json`;
    writeFileSync(file, '[{"destination": "/tmp", "type": "tmpfs"}]');
    await user.ok("mounts", "add", "mounting", file);
    expect(await user.ok("exec", "mounting", "/bin/sh", "-c", "echo in > /tmp/f; cat /tmp/f")).toBe("in\n");
    await user.ok("mounts", "remove", "mounting", file);
    expect((await user.tsrunc("exec", "mounting", "/bin/sh", "-c", "cat /tmp/f")).code).toBe(1);
    writeFileSync(file, '[{"destination": "/tmp", "source": "rootfs", "options": ["bind"]}]');
    const refused = await user.tsrunc("mounts", "add", "mounting", file);
    expect(refused.stderr).toMatch(/failed: \/0: only root can bind/);
    await user.ok("delete", "--force", "mounting");
  });

  test("delete by the user, of a running container and of a stopped one", async ({ box }) => {
    const user = await Rootless.in(box);
    user.edit(({ process }) => (process.args = ["/bin/sleep", "1000"]));
    await user.ok("run", "--detach", "one");
    await user.ok("delete", "--force", "one");
    await user.ok("create", "two");
    const killed = await user.tsrunc("kill", "two", "KILL");
    expect(killed).toMatchObject({ code: 0, stderr: "" });
    for (let tries = 0; JSON.parse(await user.ok("state", "two")).status !== "stopped"; tries++) {
      if (tries > 100) throw new Error("it doesn't stop");
    }
    await user.ok("delete", "two");
    expect(user.states).toEqual([]);
  });

  withRange(
    "ids that /etc/subuid or /etc/subgid doesn't give: the line to add is told, nothing is left",
    async ({ box }) => {
      const user = await Rootless.in(box);
      user.useRange();
      const { name } = user;
      const lines = (uid: number, gid: number): [string, string] => [`${name}:${uid}:65536`, `${name}:${gid}:65536`];
      user.ranges(...lines(subordinate.uid + 5, subordinate.gid));
      let { code, stderr } = await user.tsrunc("create", "thief");
      expect(code).toBe(1);
      expect(stderr).toMatch(/^tsrunc create failed: \/linux\/uidMappings: newuidmap refuses .*not allowed .*\n$/);
      expect(stderr).toContain(`/etc/subuid must give you all of them: the line "${lines(subordinate.uid, 0)[0]}"`);
      user.ranges(...lines(subordinate.uid, subordinate.gid + 5));
      ({ code, stderr } = await user.tsrunc("create", "thief"));
      expect(code).toBe(1);
      expect(stderr).toMatch(/^tsrunc create failed: \/linux\/gidMappings: newgidmap refuses .*not allowed .*\n$/);
      expect(stderr).toContain(`/etc/subgid must give you all of them: the line "${lines(0, subordinate.gid)[1]}"`);
      expect(user.states).toEqual([]);
    },
  );

  withRange("somebody else's id as the only one", async ({ box }) => {
    const user = await Rootless.in(box);
    user.edit(({ linux }) => (linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1 }]));
    const { code, stderr } = await user.tsrunc("create", "thief");
    expect(code).toBe(1);
    expect(stderr).toContain(
      "/linux/uidMappings: newuidmap refuses to map these ids: uid range [0-1) -> [0-1) not allowed",
    );
    expect(user.states).toEqual([]);
  });

  test("without the programs: which to install, and one's own id works all the same", async ({ box }) => {
    const user = await Rootless.in(box);
    mkdirSync(`${user.home}/bin`);
    // a relative folder of PATH could be anybody's
    for (const name of ["newuidmap", "newgidmap"]) symlinkSync(`/usr/bin/${name}`, `${user.home}/bin/${name}`);
    const path = { PATH: "bin:/nowhere" };
    expect(await user.tsruncWith(path, "run", "single")).toMatchObject({ code: 0 });
    user.useRange();
    const { code, stderr } = await user.tsruncWith(path, "create", "many");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /uidMappings: newuidmap is needed .*, and is not installed \(install uidmap .*\/etc\/subuid/,
    );
    expect(user.states).toEqual([]);
  });

  test.skipIf(v2)(
    "limits without a cgroup to put them on are refused by name; device rules are let pass",
    async ({ box }) => {
      const user = await Rootless.in(box);
      user.edit(({ linux }) => (linux.resources = { devices: [{ allow: false, access: "rwm" }] }));
      expect(await user.script("echo fine")).toBe("fine\n");
      user.edit(({ linux }) => (linux.resources = { memory: { limit: 1 << 26 } }));
      let { code, stderr } = await user.tsrunc("create", "limited");
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /\/linux\/resources\/memory\/limit: "memory.limit_in_bytes" needs a cgroup.*permission denied/,
      );
      user.edit(({ linux }) => {
        linux.resources = {};
        linux.cgroupsPath = `/${box.tag}`;
      });
      ({ code, stderr } = await user.tsrunc("create", "placed"));
      expect(code).toBe(1);
      expect(stderr).toContain("a container must have no limits and no cgroupsPath");
      expect(user.states).toEqual([]);
    },
  );

  test("--rootless is about cgroups alone: true asks root for no user namespace, false has refused ones told", async ({
    box,
  }) => {
    await box.ok(["--rootless=true", "run", "--bundle", box.bundle(["/bin/true"]), box.newId()]);
    if (v2) return;
    const user = await Rootless.in(box);
    const { code, stderr } = await user.tsrunc("--rootless=false", "create", "strict");
    expect(code).toBe(1);
    expect(stderr).toContain("can't make the container's cgroup: mkdir");
    expect(user.states).toEqual([]);
  });

  test("without a directory for the state: what to set", async ({ box }) => {
    const user = await Rootless.in(box);
    mkdirSync(`${user.home}/locked`, { mode: 0o700 });
    const { code, stderr } = await user.tsruncWith({ XDG_RUNTIME_DIR: `${user.home}/locked` }, "create", "nowhere");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the state of containers can't be kept in .*\/locked\/tsrunc: permission denied.*XDG_RUNTIME_DIR/,
    );
  });

  test("root of a user namespace finds the state of the user that it is outside", async ({ box }) => {
    const user = await Rootless.in(box);
    user.edit(({ process }) => (process.args = ["/bin/sleep", "1000"]));
    await user.ok("run", "--detach", "one");
    const asRoot = ["unshare", "--user", "--map-root-user", ...box.runtime.argv];
    for (const variables of [{}, { USER: "root" }]) {
      const { stdout, stderr } = await user.call([...asRoot, "list", "-q"], { env: variables });
      expect({ stdout, stderr }).toEqual({ stdout: "one\n", stderr: "" });
    }
    expect(await user.call([...asRoot, "delete", "--force", "one"])).toMatchObject({ code: 0, stderr: "" });
    expect(user.states).toEqual([]);
  });

  withRange("root of a user namespace binds what its container's root can't reach", async ({ box }) => {
    const user = await Rootless.in(box);
    mkdirSync(`${user.home}/private/inner`, { recursive: true, mode: 0o700 });
    writeFileSync(`${user.home}/private/inner/file`, "reached\n");
    chmodSync(`${user.home}/private/inner`, 0o755);
    user.own();
    chmodSync(user.home, 0o711);
    user.edit(({ linux, mounts, process }) => {
      // as podman's --userns=nomap: the container's root is one of the subordinate ids
      linux.uidMappings = [{ containerID: 0, hostID: 1, size: 1000 }];
      linux.gidMappings = linux.uidMappings;
      mounts.push({ destination: "/mnt", source: `${user.home}/private/inner`, options: ["rbind", "ro"] });
      process.args = ["/bin/cat", "/mnt/file"];
    });
    const namespaces = ["unshare", "--user", "--map-root-user", "--map-auto", "--mount"];
    const { stdout, stderr } = await user.call([...namespaces, ...box.runtime.argv, "run", "nested"]);
    expect({ stdout, stderr }).toEqual({ stdout: "reached\n", stderr: "" });
  });
});
