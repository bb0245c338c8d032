// Runs commands with build/tsrunc-training, which notes what they write to (native/quickjs/training.c):
//
//   node tools/train-heap.mjs build/tsrunc-training build/heap.uses
//
// The commands are those an engine calls, on a container that sleeps and has the everyday things: limits, a seccomp profile,
// a bind mount. As root it is an ordinary container, otherwise a rootless one without limits. Where neither can be had, as in
// a sandbox, the commands get as far as they can: the program is then as right as ever, and a little slower.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { getuid } from "node:process";

const [program = "", output = ""] = process.argv.slice(2).map((path) => resolve(path));
const place = mkdtempSync(join(tmpdir(), "tsrunc-training-"));
const root = getuid?.() === 0;
const noted = join(place, "uses");
const id = `tsrunc-training-${process.pid}`;
/** A command takes a second or two. */
const timeout = 30_000;

/** Runs a command of tsrunc and tells whether it succeeded. */
function tsrunc(...args) {
  const env = { ...process.env, HEAP_TRAINING: noted };
  const words = ["--root", join(place, "root"), "--log", join(place, "log"), ...args];
  return spawnSync(program, words, { env, cwd: place, stdio: "ignore", timeout }).status === 0;
}

/** A bundle whose program is busybox. */
function makeBundle() {
  mkdirSync(join(place, "rootfs/bin"), { recursive: true });
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (busybox !== undefined) copyFileSync(busybox, join(place, "rootfs/bin/busybox"));
  tsrunc("spec", ...(root ? [] : ["--rootless"]));
  const config = JSON.parse(readFileSync(join(place, "config.json"), "utf8"));
  const { linux } = JSON.parse(readFileSync("test/fixtures/configs/podman-default.json", "utf8"));
  config.process.args = ["/bin/busybox", "sleep", "100"];
  config.process.terminal = false;
  config.linux.seccomp = linux.seccomp;
  config.mounts.push({ type: "bind", source: "/etc", destination: "/etc", options: ["rbind", "ro", "nosuid"] });
  const memory = { limit: 256 << 20, reservation: 128 << 20, swap: 256 << 20 };
  const cpu = { shares: 512, quota: 100_000, period: 100_000 };
  if (root) config.linux.resources = { ...config.linux.resources, memory, cpu, pids: { limit: 100 } };
  writeFileSync(join(place, "config.json"), JSON.stringify(config));
}

const commands = [
  ["--version"],
  ["plan"],
  ["create", "--pid-file", join(place, "pid"), id],
  ["start", id],
  ["state", id],
  ["exec", "--pid-file", join(place, "pid"), id, "/bin/busybox", "true"],
  ["ps", "--format", "json", id],
  ["events", "--stats", id],
  ["update", "--memory", String(200 << 20), "--pids-limit", "50", "--cpu-share", "512", id],
  ["pause", id],
  ["resume", id],
  ["list"],
  ["kill", id, "KILL"],
  ["state", id],
  ["delete", "--force", id],
  ["run", "--detach", id],
  ["delete", "--force", id],
];

try {
  makeBundle();
  const failed = commands.filter((command) => !tsrunc(...command)).map(([name]) => name);
  if (failed.length > 0) console.error(`train-heap: ${failed.join(", ")} could not be watched to the end`);
  // nothing is noted on processors that training.c doesn't know
  writeFileSync(`${output}.new`, existsSync(noted) ? readFileSync(noted) : "");
  renameSync(`${output}.new`, output);
} finally {
  tsrunc("delete", "--force", id);
  rmSync(place, { recursive: true });
}
