/**
 * Older kernels, and hosts that are containers themselves with a filter that doesn't know newer system calls: the container
 * is the same without them, or the error says what is missing.
 */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { type Result, run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { type Mount, parseMounts, parseReport, probeArgs } from "../harness/probe.ts";

const ENOSYS = 38;
const EPERM = 1;

/** Since which kernel they exist; all but close_range are numbered alike on every machine. */
const calls = { openat2: 437, closeRange: 436, faccessat2: 439, mountSetattr: 442, fchmodat2: 452 } as const;

const refusals: readonly (readonly [name: string, numbers: readonly number[], errno: number])[] = [
  ["mount_setattr (5.12)", [calls.mountSetattr], ENOSYS],
  ["openat2 (5.6)", [calls.openat2], ENOSYS],
  ["openat2, by a filter", [calls.openat2], EPERM],
  ["close_range (5.9), by a filter", [calls.closeRange], EPERM],
  ["faccessat2 (5.8) and fchmodat2 (6.6)", [calls.faccessat2, calls.fchmodat2], ENOSYS],
  ["all of them", Object.values(calls), ENOSYS],
];

/** A container with something of everything whose way depends on these calls. */
function varied(config: Config): void {
  config.mounts.push(
    { destination: "/link/below", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec", "mode=0700"] },
    { destination: "/readonly", type: "bind", source: "/usr", options: ["bind", "ro", "nosuid", "nodev"] },
  );
  config.linux.maskedPaths = ["/proc/keys", "/proc/acpi", "/sys/firmware"];
  config.linux.readonlyPaths = ["/proc/sys", "/proc/bus"];
  config.linux.devices = [{ path: "/dev/own", type: "c", major: 1, minor: 5, fileMode: 0o640, uid: 3, gid: 4 }];
  config.linux.sysctl = { "kernel.shmmax": "12345" };
}

async function runRefusing(
  box: Box,
  numbers: readonly number[],
  errno: number,
  change: (config: Config) => void,
): Promise<Result> {
  const questions = [
    "mounts",
    "fds",
    ["creat", "/readonly", "/link/below"],
    ["openrw", "/proc/sys/kernel/shmmax"],
    ["read", "/proc/sys/kernel/shmmax", "/proc/keys"],
    ["stat", "/dev/own", "/nowhere/below"],
  ] as const;
  const bundle = box.bundle(probeArgs(...questions), {
    config: change,
    rootfs: (path) => symlinkSync("/nowhere", join(path, "link")),
  });
  const refuse = numbers.flatMap((number) => ["--refuse", String(number), String(errno)]);
  const argv = [compile("test/harness/caller.c"), ...refuse, "--", ...box.argv("run", "--bundle", bundle, box.newId())];
  return run(argv, { env: box.environment });
}

function options(mounts: readonly Mount[], at: string): readonly string[] {
  return mounts.findLast((mount) => mount.at === at)?.options ?? [];
}

describeRuntimes("refused calls", ({ test, differs }) => {
  for (const [name, numbers, errno] of refusals) {
    differs({ runc: "other needs", crun: "other needs" })(`the same container without ${name}`, async ({ box }) => {
      const { code, stdout, stderr } = await runRefusing(box, numbers, errno, varied);
      expect(code, stderr).toBe(0);
      const report = parseReport(stdout);
      const mounts = parseMounts(report.mounts.text ?? "");
      expect(options(mounts, "/readonly")).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
      expect(options(mounts, "/nowhere/below")).toEqual(expect.arrayContaining(["nosuid", "noexec"]));
      expect(options(mounts, "/proc/sys")).toContain("ro");
      expect(options(mounts, "/sys/firmware")).toEqual(expect.arrayContaining(["ro", "nosuid", "noexec"]));
      expect(report.creat).toEqual({ "/readonly": "EROFS", "/link/below": "ok" });
      expect(report.openrw["/proc/sys/kernel/shmmax"]).toBe("EROFS");
      expect(report.read["/proc/sys/kernel/shmmax"]?.text?.trim()).toBe("12345");
      expect(report.read["/proc/keys"]?.text).toBe("");
      expect(report.stat["/dev/own"]).toMatchObject({ type: "char", mode: 0o640, uid: 3, gid: 4, major: 1, minor: 5 });
      expect(report.stat["/nowhere/below"]).toMatchObject({ type: "directory", mode: 0o700 });
      expect(Object.keys(report.fds)).toEqual(["0", "1", "2"]);
    });
  }

  test("recursive mount options without mount_setattr are an error that names it", async ({ box }) => {
    const { code, stderr } = await runRefusing(box, [calls.mountSetattr], ENOSYS, (config) => {
      config.mounts.push({ destination: "/m", type: "bind", source: "/usr", options: ["rbind", "rro"] });
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/mount_setattr|5\.12|rro/);
  });
});
