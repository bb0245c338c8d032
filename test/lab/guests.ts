/** Boots a guest for a suite, and reports what its test program found as tests of their own. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buildSync } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { repository } from "../harness/paths.ts";
import { probeProgram } from "../harness/probe.ts";
import type { CaseResult, Suite } from "./cases.ts";
import { suites } from "./suites.ts";

/** tools/lab.sh's status where there can't be a guest. */
const UNAVAILABLE = 77;
const GUEST_DEADLINE_S = 150;

interface GuestRun {
  readonly results: ReadonlyMap<string, CaseResult>;
  readonly status: number;
  readonly stderr: string;
}

/** Declares the tests of a suite: its guest is booted once, before the first of them. */
export function describeGuest(name: keyof typeof suites): void {
  const suite: Suite = suites[name];
  describe(name, () => {
    let guest: GuestRun;
    beforeAll(
      async () => {
        probeProgram(); // the guest needn't compile it
        guest = await runGuest(name, suite.guest, bundle(name));
      },
      (GUEST_DEADLINE_S + 30) * 1000,
    );

    for (const labCase of suite.cases) {
      test(labCase.name, (context) => {
        if (guest.status === UNAVAILABLE) context.skip(guest.stderr.trim());
        const result = guest.results.get(labCase.name);
        if (result === undefined) throw new Error(`the guest ended before this (${guest.status}):\n${guest.stderr}`);
        if (result.skipped !== undefined) context.skip(result.skipped);
        expect(result.failure).toBe(undefined);
      });
    }
  });
}

/** Makes the program that runs the cases in the guest, as one file. */
function bundle(name: string): string {
  // right below build/: that is where the addon is found from
  const folder = join(repository, "build", `lab-${name.replaceAll(" ", "-")}`);
  buildSync({
    entryPoints: [join(repository, "test", "lab", "inside.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
  return join(folder, "inside.mjs");
}

/** Runs the suite's cases in a guest; what isn't a result on its standard output belongs to the errors. */
async function runGuest(name: string, options: readonly string[], program: string): Promise<GuestRun> {
  const command = [...options, "--timeout", String(GUEST_DEADLINE_S), process.execPath, program, name];
  const child = spawn(join(repository, "tools", "lab.sh"), command, {
    cwd: repository,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const results = new Map<string, CaseResult>();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    if (!line.startsWith('{"name"')) {
      stderr += `${line}\n`;
      return;
    }
    const result = JSON.parse(line) as CaseResult;
    results.set(result.name, result);
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 128));
  });
  return { results, status, stderr };
}
