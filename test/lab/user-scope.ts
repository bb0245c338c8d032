/**
 * Puts a process of an ordinary user into a scope of the user's own systemd, as a rootless container's init would be:
 * `node user-scope.mjs NAME`. What happened goes to standard output as JSON.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readLayout } from "../../src/cgroup/layout.ts";
import { attachToScope, planScope, startScope, stopScope, updateScope } from "../../src/cgroup/systemd.ts";
import { cgroupOf } from "./cases.ts";

const MiB = 1 << 20;
const [name = ""] = process.argv.slice(2);
const config = {
  ociVersion: "1.3.0",
  linux: { cgroupsPath: `user.slice:tt:${name}`, resources: { memory: { limit: 64 * MiB } } },
};
const [first, second] = [spawn("sleep", ["1000"]), spawn("sleep", ["1000"])];

const record = planScope(readLayout(), config, name, false);
const path = record.directories[0]?.path ?? "";
startScope(record, config, name, first.pid ?? 0);
const cgroup = cgroupOf(first.pid ?? 0);
const memory = readFileSync(`${path}/memory.max`, "utf8").trim();
updateScope(record, { memory: { limit: 32 * MiB } });
const updated = readFileSync(`${path}/memory.max`, "utf8").trim();
attachToScope(record, second.pid ?? 0);
const attached = cgroupOf(second.pid ?? 0);
stopScope(record);
const left = existsSync(path) ? "yes" : "no";
process.stdout.write(`${JSON.stringify({ cgroup, memory, updated, attached, left })}\n`);
process.exit(0);
