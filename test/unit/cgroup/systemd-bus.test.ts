/** The connection to systemd when the other side isn't what it should be: one clear error, in time. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Call, Connection } from "../../../src/cgroup/systemd/connection.ts";
import { startUnit, withManager } from "../../../src/cgroup/systemd/units.ts";

const PATIENCE_MS = 400;
const call: Call = { member: "Ask", signature: "s", body: ["something"] };

let folder: string;
let server: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsrunc-bus-"));
});

afterEach(() => {
  server?.kill("SIGKILL");
  server = undefined;
  rmSync(folder, { recursive: true });
});

/** The socket of a server with this behaviour, in another process, as our calls block. */
async function serve(behaviour: string): Promise<string> {
  const path = join(folder, "bus");
  const program = fileURLToPath(new URL("bus.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, path, behaviour], { stdio: ["ignore", "pipe", "inherit"] });
  server = child;
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return path;
}

async function ask(behaviour: string): Promise<unknown> {
  const connection = new Connection({ path: await serve(behaviour), kind: "peer" }, PATIENCE_MS);
  try {
    return connection.call(call);
  } finally {
    connection.close();
  }
}

test.each([
  ["silent", "systemd doesn't answer in time"],
  ["reject", "D-Bus: the other side refuses us: REJECTED EXTERNAL"],
  ["stranger", "D-Bus: the other side refuses us: HTTP/1.1 400 Bad Request"],
  ["endless", "D-Bus: the other side speaks no D-Bus"],
  ["leave", "systemd has closed the connection"],
  ["garbage", "D-Bus: the other side sent something that is no message"],
  ["huge", "is too large"],
  ["half", "systemd has closed the connection"],
  ["mute", "systemd doesn't answer in time"],
  ["refuse", "not today"],
])("%s", async (behaviour, message) => {
  const began = performance.now();
  await expect(ask(behaviour)).rejects.toThrow(message);
  expect(performance.now() - began).toBeLessThan(PATIENCE_MS + 5000);
});

test("an answer in many pieces is put together", async () => {
  expect(await ask("bytewise")).toEqual(["here"]);
});

test("a job whose end nobody tells doesn't hold us for ever", async () => {
  const connection = new Connection({ path: await serve("no-signal"), kind: "peer" }, PATIENCE_MS);
  expect(() => startUnit(connection, "a.scope", [])).toThrow("systemd doesn't answer in time");
  connection.close();
});

test("what systemd refuses is told with the unit", async () => {
  const connection = new Connection({ path: await serve("refuse"), kind: "peer" }, PATIENCE_MS);
  expect(() => startUnit(connection, "a.scope", [])).toThrow("systemd refuses to start the unit a.scope: not today");
  connection.close();
});

test("a machine without systemd is told so, with every place that was tried", () => {
  vi.stubEnv("XDG_RUNTIME_DIR", folder);
  vi.stubEnv("DBUS_SESSION_BUS_ADDRESS", undefined);
  try {
    expect(() => withManager("user", () => undefined)).toThrow(
      `systemd of this user can't be reached: ${folder}/systemd/private: no such file or directory; ${folder}/bus: no such file`,
    );
  } finally {
    vi.unstubAllEnvs();
  }
});
