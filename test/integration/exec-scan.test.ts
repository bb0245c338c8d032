/** An inmate that watches every exec joining its container finds nothing to hold on to (V01, V02). */
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { eventually, exitCode, start } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

/** Starts the scanner in a container; `end` ends it and returns what it has found. */
async function scan(box: Box, id: string, flags: string[], argument: string) {
  const argv = box.argv("exec", ...flags, id, "/scanner", argument);
  const scanner = start(argv, ["pipe", "pipe", "inherit"], { env: box.environment });
  let found = "";
  scanner.stdout?.on("data", (data: Buffer) => {
    found += data.toString();
  });
  await eventually("the scanner", () => (found.includes("ready\n") ? true : undefined));
  return {
    found: () => found,
    end: async (): Promise<string[]> => {
      scanner.stdin?.end();
      await exitCode(scanner, argv);
      await eventually("the scanner's end", () => (found.includes("end\n") ? true : undefined));
      return found.split("\n").filter((line) => !/^(ready|seen|end|)$/.test(line));
    },
  };
}

const withScanner = {
  rootfs: (path: string): void => copyFileSync(compile("test/harness/scanner.c"), join(path, "scanner")),
};

describeRuntimes("exec under observation", ({ test, differs, runtime }) => {
  differs({ runc: "waits in waitpid", crun: "waits in waitpid" })(
    "a process whose end its tracer keeps to itself: we wait without spinning, and get its status",
    async ({ box }) => {
      const { id } = await box.start(["/bin/sleep", "1000"], withScanner);
      const argv = box.argv("exec", id, "/bin/sh", "-c", "sleep 0.3; exit 33");
      const held = start(argv, ["ignore", "inherit", "inherit"], { env: box.environment });
      const code = exitCode(held, argv, 20_000);
      const scanner = await scan(box, id, [], "--hold");
      await eventually("the tracing", () => (scanner.found().includes("held") ? true : undefined));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(held.exitCode).toBeNull();
      const before = cpuTicks(held.pid ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(cpuTicks(held.pid ?? 0) - before).toBeLessThan(20); // of 100
      await scanner.end();
      expect(await code).toBe(33);
    },
  );

  for (const capabilities of [[], ["CAP_SYS_PTRACE"]]) {
    const how = capabilities.length === 0 ? "without privilege" : "with CAP_SYS_PTRACE";
    test(`an inmate ${how} sees no file of the host in a joining process, and can't write its program`, async ({
      box,
    }) => {
      const { id, bundle } = await box.start(["/bin/sleep", "1000"], withScanner);
      const flags = capabilities.flatMap((name) => ["--cap", name]);
      const scanner = await scan(box, id, flags, "true");
      const rounds = Number(process.env["TSRUNC_TEST_SCAN"] ?? 40);
      for (let count = 0; count < rounds; count++) await box.ok(["exec", id, "/bin/true"]);
      const lines = await scanner.end();
      expect(lines.filter((line) => line.startsWith("write "))).toEqual([]);
      expect(lines.filter((line) => line.includes(bundle) || line.includes(box.root))).toEqual([]);
      if (!runtime.ours) return;
      // the capability is one over all that is seen: then only what there is to see counts
      if (capabilities.length === 0) expect(lines).toEqual([]);
      const harmless =
        /^(attached|memory|exe \/memfd:tsrunc-init \(deleted\)|fd (socket:|pipe:|\/dev\/null|\/memfd:.*|\/|\/\d+\/(task\/\d+\/fd|coredump_filter)|\/tmp\/tsrunc-out-.*|\/etc\/passwd|\/bin\/busybox|anon_inode:.*))$/;
      expect(lines.filter((line) => !harmless.test(line))).toEqual([]);
    }, 120_000);
  }
});

/** User and system time of a process, in hundredths of a second. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
