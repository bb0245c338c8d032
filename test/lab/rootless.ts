/** Containers of an ordinary user with a systemd of its own, where cgroup v2 is all there is. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Box } from "../harness/box.ts";
import { type Result, run } from "../harness/command.ts";
import { type Config, defaultConfig } from "../harness/config.ts";
import { makeRootfs } from "../harness/rootfs.ts";
import { noRanges, OrdinaryUser, subordinate } from "../harness/user.ts";
import { cgroupFile, cgroupOf, type LabCase, SLEEP } from "./cases.ts";

const MiB = 1 << 20;

/** A user that is logged in: user@UID.service runs, with D-Bus. */
class LoggedIn extends OrdinaryUser {
  readonly #box: Box;
  readonly #service = `user@${this.uid}.service`;

  constructor(box: Box) {
    super(box.directory);
    this.#box = box;
    // Debian's own waits for the whole system, and for logind
    writeFileSync(
      "/etc/systemd/system/user@.service",
      [
        ...["[Unit]", "DefaultDependencies=no", "[Service]", "Type=notify", "User=%i", "Slice=user-%i.slice"],
        ...["Delegate=yes", `Environment=XDG_RUNTIME_DIR=${this.runtime}`],
        "ExecStart=/lib/systemd/systemd --user --unit=dbus.socket",
      ].join("\n"),
    );
    // podman has D-Bus start logind, which would start the whole system
    const logind = "/etc/systemd/system/dbus-org.freedesktop.login1.service";
    if (!existsSync(logind)) symlinkSync("/dev/null", logind);
    // systemd wants to know the user's name; the guest's files are its own
    if (!readFileSync("/etc/passwd", "utf8").includes(`:${this.uid}:`)) {
      appendFileSync("/etc/passwd", `${this.name}:x:${this.uid}:${this.uid}::/:/bin/sh\n`);
      appendFileSync("/etc/group", `${this.name}:x:${this.uid}:\n`);
    }
    execFileSync("systemctl", ["daemon-reload"]);
    execFileSync("systemctl", ["start", this.#service]);
  }

  logOut(): void {
    execFileSync("systemctl", ["stop", this.#service]);
  }

  /** The cgroup of the user's systemd, with what is below it. */
  get cgroup(): string {
    return `/user.slice/user-${this.uid}.slice/${this.#service}`;
  }

  bundle(change: (config: Config) => void): string {
    const path = `${this.home}/bundle`;
    const config = defaultConfig(SLEEP);
    config.linux.namespaces.push({ type: "user" }, { type: "cgroup" });
    const map = (first: number) => [
      { containerID: 0, hostID: this.uid, size: 1 },
      { containerID: 1, hostID: first, size: subordinate.size },
    ];
    config.linux.uidMappings = map(subordinate.uid);
    config.linux.gidMappings = map(subordinate.gid);
    change(config);
    if (!existsSync(path)) makeRootfs(`${path}/rootfs`);
    writeFileSync(`${path}/config.json`, JSON.stringify(config));
    this.own();
    return path;
  }

  tsrunc(...args: string[]): Promise<Result> {
    return this.call([...this.#box.runtime.argv, ...args], { deadline: 20_000 });
  }

  /** A command that has to succeed, and silently. Returns its output. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tsrunc(...args);
    assert.deepEqual({ args, code, stderr }, { args, code: 0, stderr: "" });
    return stdout;
  }

  /** What systemctl --user says of a unit. */
  async shown(unit: string, name: string): Promise<string> {
    const { stdout } = await this.call(["systemctl", "--user", "show", unit, `--property=${name}`, "--value"]);
    return stdout.trim();
  }
}

async function loggedIn(box: Box, action: (user: LoggedIn) => Promise<unknown>): Promise<unknown> {
  if (noRanges !== undefined) return noRanges;
  const user = new LoggedIn(box);
  try {
    return await action(user);
  } finally {
    user.logOut();
  }
}

async function wholeLife(user: LoggedIn): Promise<void> {
  const bundle = user.bundle(({ linux }) => {
    linux.cgroupsPath = "user.slice:tsrunc:life";
    linux.resources = { memory: { limit: 64 * MiB }, pids: { limit: 33 }, cpu: { quota: 50_000, period: 100_000 } };
  });
  const unit = "tsrunc-life.scope";
  await user.ok("--systemd-cgroup", "create", "--bundle", bundle, "--pid-file", `${user.home}/pid`, "life");
  const pid = Number(readFileSync(`${user.home}/pid`, "utf8"));
  const path = `${user.cgroup}/user.slice/${unit}`;
  assert.equal(cgroupOf(pid), path);
  assert.equal(await user.shown(unit, "MemoryMax"), String(64 * MiB));
  const limits = ["memory.max", "pids.max", "cpu.max"].map((file) => cgroupFile(pid, file));
  assert.deepEqual(limits, [String(64 * MiB), "33", "50000 100000"]);
  await user.ok("start", "life");
  const inside = "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; id -u";
  assert.equal(await user.ok("exec", "life", "/bin/sh", "-c", inside), `0::/\n${64 * MiB}\n0\n`);
  assert.equal((await user.ok("ps", "--format", "json", "life")).trim(), `[${pid}]`);
  await user.ok("update", "--memory", "32M", "life");
  assert.equal(cgroupFile(pid, "memory.max"), String(32 * MiB));
  assert.equal(await user.shown(unit, "MemoryMax"), String(32 * MiB));
  await user.ok("pause", "life");
  assert.equal(JSON.parse(await user.ok("state", "life")).status, "paused");
  await user.ok("resume", "life");
  assert.match(await user.ok("events", "--stats", "life"), /"limit":33554432/);
  await user.ok("delete", "--force", "life");
  assert.equal(await user.shown(unit, "LoadState"), "not-found");
  assert.equal(existsSync(`/sys/fs/cgroup${path}`), false);
  assert.equal(await user.ok("list", "-q"), "");
}

async function refusals(user: LoggedIn): Promise<void> {
  // a command that fails after its scope was made
  const failing = user.bundle(({ linux, process }) => {
    linux.cgroupsPath = "user.slice:tsrunc:failing";
    process.args = ["/nowhere"];
  });
  assert.equal((await user.tsrunc("--systemd-cgroup", "create", "--bundle", failing, "failing")).code, 1);
  assert.equal(await user.shown("tsrunc-failing.scope", "LoadState"), "not-found");
  // no cgroup of ours by ourselves: without limits none is needed, with some it is said which
  const plain = user.bundle(() => undefined);
  await user.ok("run", "--detach", "--bundle", plain, "plain");
  assert.match(await user.ok("exec", "plain", "/bin/cat", "/proc/self/cgroup"), /^0::\//);
  await user.ok("delete", "--force", "plain");
  const limited = user.bundle(({ linux }) => (linux.resources = { memory: { limit: 64 * MiB } }));
  const { code, stderr } = await user.tsrunc("create", "--bundle", limited, "limited");
  assert.equal(code, 1);
  assert.match(stderr, /\/linux\/resources\/memory\/limit: "memory.max" needs a cgroup.* --systemd-cgroup\)\n$/);
  assert.equal(await user.ok("list", "-q"), "");
}

/** Without systemd: a cgroup that root has given to the user. */
async function given(user: LoggedIn, box: Box): Promise<void> {
  const own = `/sys/fs/cgroup/${box.tag}`;
  mkdirSync(`${own}/session`, { recursive: true });
  for (const file of ["", "cgroup.procs", "cgroup.subtree_control"]) chownSync(`${own}/${file}`, user.uid, user.uid);
  const bundle = user.bundle(({ linux }) => (linux.resources = { memory: { limit: 64 * MiB } }));
  const inSession = async (...args: string[]): Promise<string> => {
    const script = `echo $$ >${own}/session/cgroup.procs && exec "$@"`;
    const { code, stdout, stderr } = await run([
      "sh",
      "-c",
      script,
      "sh",
      ...user.argv([...box.runtime.argv, ...args]),
    ]);
    assert.deepEqual({ args, code, stderr }, { args, code: 0, stderr: "" });
    return stdout;
  };
  await inSession("run", "--detach", "--bundle", bundle, "given");
  const { pid } = JSON.parse(await inSession("state", "given")) as { pid: number };
  assert.equal(cgroupOf(pid), `/${box.tag}/given`);
  assert.equal(cgroupFile(pid, "memory.max"), String(64 * MiB));
  assert.equal(await inSession("exec", "given", "/bin/cat", "/sys/fs/cgroup/memory.max"), `${64 * MiB}\n`);
  await inSession("delete", "--force", "given");
  assert.equal(existsSync(`${own}/given`), false);
  rmdirSync(`${own}/session`);
  rmdirSync(own);
}

async function podman(user: LoggedIn, box: Box): Promise<unknown> {
  if (!existsSync("/usr/bin/podman")) return "podman is not installed";
  const [runtime] = box.runtime.argv.slice(-1);
  const settings = `${user.home}/.config/containers`;
  mkdirSync(settings, { recursive: true });
  writeFileSync(
    `${settings}/containers.conf`,
    [
      ...["[engine]", 'runtime="tsrunc"', 'cgroup_manager="systemd"', 'events_logger="file"'],
      ...["[engine.runtimes]", `tsrunc=["${runtime}"]`, "[containers]", 'netns="none"', 'seccomp_profile="unconfined"'],
    ].join("\n"),
  );
  writeFileSync(
    `${settings}/storage.conf`,
    `[storage]\ndriver="vfs"\ngraphroot="${user.home}/graph"\nrunroot="${user.runtime}/containers"\n`,
  );
  makeRootfs(`${user.home}/rootfs`);
  user.own();
  const environment = { DBUS_SESSION_BUS_ADDRESS: `unix:path=${user.runtime}/bus` };
  const call = async (...args: string[]): Promise<string> => {
    const result = await user.call(["podman", ...args], { env: environment, deadline: 25_000 });
    if (result.code !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`);
    return result.stdout.trim();
  };
  const flags = ["--memory", "64m", "--name", "limited", "--pidfile", `${user.home}/pid`];
  const id = await call("run", "-d", ...flags, "--rootfs", `${user.home}/rootfs`, ...SLEEP);
  const pid = Number(readFileSync(`${user.home}/pid`, "utf8"));
  assert.equal(cgroupOf(pid), `${user.cgroup}/user.slice/libpod-${id}.scope`);
  assert.equal(cgroupFile(pid, "memory.max"), String(64 * MiB));
  assert.equal(await call("exec", "limited", "/bin/cat", "/proc/self/cgroup"), "0::/");
  await call("rm", "-f", "-t", "0", "limited");
  assert.equal(await user.shown(`libpod-${id}.scope`, "LoadState"), "not-found");
  return undefined;
}

export const rootlessCases: readonly LabCase[] = [
  {
    name: "the whole life below user@UID.service: limits, exec, update, pause; no unit is left",
    run: (box) => loggedIn(box, wholeLife),
  },
  {
    name: "a failed create leaves no unit; without the driver limits are refused by name",
    run: (box) => loggedIn(box, refusals),
  },
  {
    name: "a cgroup that was given to the user: limits without systemd",
    run: (box) => loggedIn(box, (user) => given(user, box)),
  },
  {
    name: "podman of the user with the systemd manager: a memory limit, exec, rm",
    run: (box) => loggedIn(box, (user) => podman(user, box)),
    deadlineMs: 75_000,
  },
];
