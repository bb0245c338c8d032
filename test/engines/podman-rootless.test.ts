/** Podman of an ordinary user: it is root of a user namespace, and so is the runtime. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { OrdinaryUser, subordinate } from "../harness/user.ts";
import { answering, CommandLine } from "./commandline.ts";
import { Column } from "./features.ts";
import { EngineLab, runtimesFor } from "./lab.ts";

/** Why there can be no network but none here; undefined: there can. */
const noNetwork = !existsSync("/usr/bin/slirp4netns")
  ? "slirp4netns is not installed"
  : existsSync("/dev/net/tun")
    ? undefined
    : "there is no /dev/net/tun";

for (const runtime of runtimesFor("podman rootless", "podman", "conmon", "busybox", "newuidmap", "newgidmap")) {
  describe(`podman rootless [${runtime.name}]`, () => {
    // without --root: the runtime has to find it as the user would
    const lab = new EngineLab("rootless", runtime, `home/run/${runtime.ours ? "tsrunc" : runtime.name}`);
    const column = new Column("podman-rootless", runtime.name);
    const tun = lab.path("tun");
    const user = new OrdinaryUser(lab.directory, noNetwork === undefined ? [[tun, "/dev/net/tun"]] : []);
    const map = (...lines: readonly (readonly number[])[]): string =>
      `${lines.map((line) => line.join(" ")).join("\n")}\n`;
    const argv: string[] = [];
    const cli = new CommandLine(lab, { name: "podman", argv, env: { PATH: process.env["PATH"] ?? "" }, flags: "" });

    /** What a container of its own writes, without the padding of /proc's tables. */
    const run = async (flags: string, ...command: string[]): Promise<string> => {
      const { code, stdout, stderr } = await cli.output(flags, ...command);
      if (code !== 0) throw new Error(`run ${flags}: exit ${code}\n${stderr}`);
      return stdout.replace(/ +/g, " ").replace(/^ /gm, "");
    };

    beforeAll(async () => {
      const network = await lab.startNetwork();
      argv.push(...network, ...user.argv(["podman"], { TMPDIR: user.home }));
      // who may use it is the administrator's to say: here only root may
      if (noNetwork === undefined) execFileSync("mknod", ["-m", "666", tun, "c", "10", "200"]);
      const settings = `${user.home}/.config/containers`;
      mkdirSync(`${settings}/containers.conf.d`, { recursive: true });
      writeFileSync(`${settings}/containers.conf.d/tsrunc.conf`, lab.deployed("podman/tsrunc.conf"));
      writeFileSync(`${settings}/containers.conf`, ownSettings);
      writeFileSync(
        `${settings}/storage.conf`,
        `[storage]\ndriver = "vfs"\ngraphroot = "${user.home}/graph"\nrunroot = "${user.runtime}/containers"\n`,
      );
      chmodSync(lab.image("bb"), 0o644);
      user.own();
      await cli.ok("load -qi", lab.image("bb"));
    });

    afterAll(async () => {
      await cli.call("rm -af -t 0");
      column.write(`${(await cli.call("version --format", "Podman {{.Client.Version}}")).stdout.trim()}, rootless`);
      // the process that keeps podman's namespaces
      const pause = `${user.runtime}/libpod/tmp/pause.pid`;
      if (existsSync(pause)) process.kill(Number(readFileSync(pause, "utf8")), "SIGKILL");
      await lab.close();
    });

    column.test("run", "container root is the user, the others are subordinate ids", async () => {
      const ids = map([0, user.uid, 1], [1, subordinate.uid, subordinate.size]);
      expect(await run("", "cat", "/proc/self/uid_map")).toBe(ids);
      expect(await run("--user 1000:1000", "sh", "-c", "id -u; id -g")).toBe("1000\n1000\n");
      const before = lab.commands().length;
      expect((await cli.run("--rm", "sh", "-c", "exit 7")).code).toBe(7);
      expect(lab.commands().slice(before)).toEqual(["create", "start", "delete"]);
      expect(lab.calls().flat()).not.toContain("--root");
    });

    column.test("exec", "as the container's root and as another user", async () => {
      await cli.start("-d --name ex", "sleep", "1000");
      const inside = async (flags: string): Promise<string> =>
        cli.ok(`exec ${flags} ex`, "sh", "-c", "id -u; sleep 0.2");
      expect(await inside("")).toBe("0\n");
      expect(await inside("--user 1000")).toBe("1000\n");
      await cli.remove("ex");
    });

    column.test("detached", "logs, stop, rm; nothing is left in the runtime's state", async () => {
      const script = "echo begun; trap 'echo ended; exit 0' TERM; while :; do sleep 0.1; done";
      await cli.start("-d --name one", "sh", "-c", script);
      await cli.logged("one", "begun");
      await cli.ok("stop -t 20 one");
      expect(await cli.ok("logs one")).toBe("begun\nended\n");
      expect(await cli.inspect("one", ".State.ExitCode")).toBe("0");
      await cli.remove("one");
      expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "exec", "kill", "delete"]));
    });

    column.test("userns", "--userns=keep-id: the user has its own id inside", async () => {
      mkdirSync(`${user.home}/private`, { mode: 0o700 });
      user.own();
      const script = "id -u; echo mine >/data/file; cat /proc/self/uid_map";
      // seen from podman's namespace, in which the user is 0
      const above = user.uid + 1;
      const ids = map([0, 1, user.uid], [user.uid, 0, 1], [above, above, subordinate.size - user.uid]);
      const output = await run(`--userns=keep-id -v ${user.home}/private:/data`, "sh", "-c", script);
      expect(output).toBe(`${user.uid}\n${ids}`);
      expect(readFileSync(`${user.home}/private/file`, "utf8")).toBe("mine\n");
    });

    column.test("mounts", "--userns=nomap: a volume from where the container's root can't go", async () => {
      mkdirSync(`${user.home}/closed/open`, { recursive: true });
      writeFileSync(`${user.home}/closed/open/file`, "reached\n");
      user.own();
      chmodSync(`${user.home}/closed`, 0o700);
      expect(await run(`--userns=nomap -v ${user.home}/closed/open:/data`, "cat", "/data/file")).toBe("reached\n");
    });

    column.test("terminal", "one of the container's own, with devices and a read-only root", async () => {
      const flags = "run --rm -t --network none --read-only localhost/bb:1";
      const { stdout } = await cli.onTerminal(flags, "sh", "-c", "sleep 0.5; tty");
      expect(stdout).toContain("/dev/pts/0\r\n");
      const script = "echo x >/dev/nought && echo fine";
      expect(await run("--device /dev/zero:/dev/nought", "sh", "-c", script)).toBe("fine\n");
    });

    const published = async (): Promise<void> => {
      await cli.ok(`run -d --name web -p 127.0.0.1:8083:80 localhost/bb:1 ${answering}`);
      const script = "for i in $(seq 40); do busybox nc 127.0.0.1 8083 </dev/null && break; sleep 0.2; done";
      expect((await lab.call([...argv.slice(0, 2), "sh", "-c", script])).stdout).toBe("answer\n");
      await cli.remove("web");
    };
    if (noNetwork === undefined) column.test("network", "a published port, by slirp4netns", published);
    else column.absent("network", noNetwork);
  });
}

/** This kind of machine can't raise hard limits, and has no systemd. */
const ownSettings = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
`;
