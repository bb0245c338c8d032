// Each C program beside this file is a test of native/host: built with AddressSanitizer and UBSan, run, and expected to
// say nothing on standard error and to leave with 0.
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { repository } from "../harness/paths.ts";

const programs = readdirSync(join(repository, "test", "native"))
  .filter((name) => name.endsWith(".c"))
  .map((name) => basename(name, ".c"));

beforeAll(() => {
  execFileSync(join(repository, "tools", "build.sh"), ["asan"], {
    cwd: repository,
    stdio: ["ignore", "ignore", "inherit"],
  });
}, 300_000);

test.each(programs)("%s", (program) => {
  const { status, stderr } = spawnSync(join(repository, "build", "asan", "test", "native", program), {
    cwd: repository,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
