// Runs commands with build/tsrunc-training, which notes what they write to (native/quickjs/training.c):
//
//   node tools/train-heap.mjs build/tsrunc-training build/heap.uses
//
// The commands are those an engine calls, on a container that sleeps and has the everyday things: limits, a seccomp profile,
// a bind mount. As root it is an ordinary container, otherwise a rootless one without limits. Where neither can be had, as in
// a sandbox, the commands get as far as they can: the program is then as right as ever, and a little slower.

import { spawn } from "node:child_process";
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

// Of the environment only what a container's birth needs: what an engine or systemd says there is not meant for us.
const { PATH, HOME, XDG_RUNTIME_DIR } = process.env;
const env = { PATH, HOME, XDG_RUNTIME_DIR, HEAP_TRAINING: noted };

/** A command takes a part of a second; on a slow machine seconds. */
const timeout = 30_000;

/** The signal that shall end us, once everything is tidy. */
let interrupted = "";
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    interrupted = signal;
  });
}

/** Runs a command of tsrunc and tells whether it succeeded. In a session of its own, where no Ctrl-C reaches it. */
function tsrunc(...args) {
  const words = ["--root", join(place, "root"), "--log", join(place, "log"), ...args];
  const options = { env, cwd: place, stdio: "ignore", timeout, killSignal: "SIGKILL", detached: true };
  return new Promise((done) => {
    const child = spawn(program, words, options);
    child.on("error", () => done(false));
    child.on("exit", (status) => done(status === 0));
  });
}

/** A bundle whose program is busybox; whether tsrunc could make a config for it. */
async function makeBundle() {
  mkdirSync(join(place, "rootfs/bin"), { recursive: true });
  mkdirSync(join(place, "shared"));
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (busybox !== undefined) copyFileSync(busybox, join(place, "rootfs/bin/busybox"));
  if (!(await tsrunc("spec", ...(root ? [] : ["--rootless"])))) return false;
  const config = JSON.parse(readFileSync(join(place, "config.json"), "utf8"));
  const { linux } = JSON.parse(readFileSync("test/fixtures/configs/podman-default.json", "utf8"));
  config.process.args = ["/bin/busybox", "sleep", "100"];
  config.process.terminal = false;
  config.linux.seccomp = linux.seccomp;
  const options = ["rbind", "ro", "nosuid", "rprivate"];
  config.mounts.push({ type: "bind", source: "shared", destination: "/shared", options });
  const memory = { limit: 256 << 20, reservation: 128 << 20, swap: 256 << 20 };
  const cpu = { shares: 512, quota: 100_000, period: 100_000 };
  if (root) config.linux.resources = { ...config.linux.resources, memory, cpu, pids: { limit: 100 } };
  writeFileSync(join(place, "config.json"), JSON.stringify(config));
  return true;
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

/** @returns the names of the commands that failed; without a config none is worth a try */
async function watch() {
  if (!(await makeBundle())) return ["spec"];
  const failed = [];
  for (const command of commands) if (interrupted === "" && !(await tsrunc(...command))) failed.push(command[0]);
  return failed;
}

const failed = await watch();
await tsrunc("delete", "--force", id);
// nothing is noted on processors that training.c doesn't know
const uses = existsSync(noted) ? readFileSync(noted) : "";
rmSync(place, { recursive: true });
if (interrupted !== "") {
  process.removeAllListeners(interrupted);
  process.kill(process.pid, interrupted);
} else {
  if (failed.length > 0) console.error(`train-heap: ${failed.join(", ")} could not be watched to the end`);
  writeFileSync(`${output}.new`, uses);
  renameSync(`${output}.new`, output);
}
