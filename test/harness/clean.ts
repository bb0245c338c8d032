/**
 * Is the host as it was? Every integration test is followed by this comparison (security-cases: no peer checks it).
 *
 * Test files run beside each other, so what a test leaves is recognised by its tag (in names, environments, command
 * lines, cgroups, mount points), and what no test may ever change (host name, the host's own mounts, /dev, a few
 * sysctls) is compared as a whole.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { parseMounts } from "./probe.ts";

/** Things that stay the same whatever runs; compared before and after each test. */
export interface HostPicture {
  readonly mounts: readonly string[];
  readonly devices: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  readonly links: readonly string[];
}

const settings = [
  "kernel/hostname",
  "kernel/domainname",
  "kernel/msgmax",
  "kernel/shmmax",
  "kernel/core_pattern",
  "net/ipv4/ip_forward",
  "kernel/pid_max",
];

/** Mount points that belong to tests and engines, which clean up after themselves or are checked by their tag. */
const foreignMounts = /^\/(tmp\/|run\/|var\/run\/|var\/lib\/(docker|containers|containerd)\/)/;

export function pictureHost(): HostPicture {
  return {
    mounts: parseMounts(readFileSync("/proc/self/mountinfo", "utf8"))
      .filter((mount) => !foreignMounts.test(mount.at))
      .map((mount) => `${mount.at} ${mount.type} ${mount.options.join(",")} ${mount.propagation.join(",")}`)
      .sort(),
    devices: readdirSync("/dev")
      .sort()
      .map((name) => `${name} ${describe(join("/dev", name))}`),
    settings: Object.fromEntries(settings.map((name) => [name, readOr(`/proc/sys/${name}`, "absent")])),
    links: readdirSync("/sys/class/net").sort(),
  };
}

function describe(path: string): string {
  try {
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
    return `${stat.mode.toString(8)} ${stat.uid} ${stat.gid} ${stat.rdev}`;
  } catch {
    return "gone";
  }
}

/** What still carries the tag: one line for each process, cgroup, mount, socket. Empty when all is clean. */
export function leftovers(tag: string): string[] {
  return [...processes(tag), ...cgroups(tag), ...mounts(tag), ...sockets(tag)];
}

/** Takes away what a failed test has left, so that it doesn't disturb the next ones: processes, mounts, cgroups. */
export function sweep(tag: string): void {
  for (const line of processes(tag)) attempt(() => process.kill(Number(/^process (\d+)/.exec(line)?.[1]), "SIGKILL"));
  for (const line of mounts(tag).reverse()) attempt(() => execFileSync("umount", ["-l", line.split(" ")[5] ?? ""]));
  for (let tries = 0; tries < 20 && cgroups(tag).length > 0; tries++) {
    removeCgroups(tag);
    execFileSync("sleep", ["0.05"]);
  }
}

/** Removes the cgroups with the tag and those below them, deepest first, as far as they are empty. */
export function removeCgroups(tag: string): void {
  for (const line of cgroups(tag).reverse()) {
    const path = line.slice("cgroup ".length);
    attempt(() =>
      execFileSync("find", [path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], { stdio: "ignore" }),
    );
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // what can't be taken away has been reported already
  }
}

function processes(tag: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const text = ["cmdline", "environ", "cgroup"].map((file) => readOr(`/proc/${pid}/${file}`, "")).join("\0");
    if (!text.includes(tag)) continue;
    const state = /^State:\s+(\S)/m.exec(readOr(`/proc/${pid}/status`, ""))?.[1] ?? "?";
    // A zombie is its parent's to reap: with no subreaper around that is the test runner's own init.
    if (state === "Z" || state === "?") continue;
    found.push(`process ${pid} (${state}): ${readOr(`/proc/${pid}/cmdline`, "").replaceAll("\0", " ").slice(0, 200)}`);
  }
  return found;
}

function cgroups(tag: string): string[] {
  const found: string[] = [];
  const visit = (directory: string): void => {
    let names: string[];
    try {
      names = readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((e) => e.name);
    } catch {
      return; // removed while we looked
    }
    for (const name of names) {
      const path = join(directory, name);
      if (name.includes(tag)) found.push(`cgroup ${path}`);
      visit(path);
    }
  };
  visit("/sys/fs/cgroup");
  return found;
}

function mounts(tag: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(tag))
    .map((line) => `mount ${line}`);
}

/** Sockets bound to a path with the tag, and any abstract one that looks like a runtime's. */
function sockets(tag: string): string[] {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes(tag) || /\s@.*(tsrunc|init)/.test(line))
    .map((line) => `socket ${line.trim()}`);
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return otherwise;
  }
}
