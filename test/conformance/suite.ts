/** The OCI runtime-tools validation suite: its programs, run with a runtime, and what they say. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeCgroups } from "../harness/clean.ts";
import { DeadlineError, run } from "../harness/command.ts";
import { repository } from "../harness/paths.ts";
import type { Runtime } from "../harness/runtimes.ts";

/** What one program said about one runtime. */
export interface Outcome {
  readonly passed: number;
  /** The checks that weren't good, by their texts. */
  readonly failed: readonly string[];
  /** The program gave up, or printed no plan. */
  readonly aborted: boolean;
  /** All it printed. */
  readonly output: string;
}

/** Where the built suite is, or why there is none. */
export type Suite = { readonly directory: string; readonly version: string } | { readonly reason: string };

/** Builds the suite if need be: a minute, once. */
export async function findSuite(): Promise<Suite> {
  const { code, stdout, stderr } = await run([join(repository, "tools/fetch-conformance.sh")], { deadline: 300_000 });
  if (code !== 0) return { reason: stderr.trim().split("\n").pop() ?? "it can't be built" };
  const directory = stdout.trim();
  return { directory, version: readFileSync(join(directory, "version"), "utf8").trim() };
}

/** The programs' names. */
export function programs(directory: string): string[] {
  return readdirSync(join(directory, "validation")).map((file) => file.replace(/\.t$/, ""));
}

/**
 * The suite uses the same cgroup names in many programs, so those have to run one after the other, whatever the runtime.
 */
export function usesCgroups(program: string): boolean {
  return program.includes("cgroups") || program.includes("resources");
}

/** A runtime as the suite is told it: a program that gets no --root from the suite, so the wrapper gives one. */
export class Candidate {
  readonly name: string;
  readonly #directory: string;
  readonly #wrapper: string;
  readonly #suite: string;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, suite: string) {
    this.name = runtime.name;
    this.#runtime = runtime;
    this.#suite = suite;
    this.#directory = mkdtempSync(join(tmpdir(), `tsrunc-conformance-${runtime.name}-`));
    chmodSync(this.#directory, 0o755); // the mapped root of a user namespace has to be able to walk to its rootfs
    mkdirSync(join(this.#directory, "tmp"));
    this.#wrapper = join(this.#directory, "runtime");
    const command = [...runtime.argv, "--root", this.#root].join(" ");
    writeFileSync(this.#wrapper, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  }

  get #root(): string {
    return join(this.#directory, "root");
  }

  /**
   * Runs one program, in a mount namespace of its own: one of them makes a container without a mount namespace, and runc
   * then leaves proc, sysfs and more mounted on the machine.
   */
  async run(program: string): Promise<Outcome> {
    const env = { PATH: process.env["PATH"] ?? "", RUNTIME: this.#wrapper, TMPDIR: join(this.#directory, "tmp") };
    const alone = ["unshare", "--mount", "--propagation", "private"];
    const argv = [...alone, join(this.#suite, "validation", `${program}.t`)];
    try {
      const { code, stdout, stderr } = await run(argv, { cwd: this.#suite, env, deadline: 60_000 });
      return read(stdout, stderr, code);
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      return { passed: 0, failed: [], aborted: true, output: error.message };
    }
  }

  /** Removes what the suite has left: it deletes neither the containers nor the cgroups of checks that weren't good. */
  async close(): Promise<void> {
    const ids = (await run([this.#wrapper, "list", "-q"], { env: { PATH: "/usr/bin:/bin" } })).stdout;
    for (const id of ids.split("\n").filter((line) => line !== ""))
      await run([...this.#runtime.argv, "--root", this.#root, "delete", "--force", id]);
    for (const name of ["cgrouptest", "testdir"]) removeCgroups(name); // the names that the suite uses
    // Never through a mount that something has left all the same.
    const mounted = readFileSync("/proc/self/mountinfo", "utf8").includes(this.#directory);
    if (mounted) throw new Error(`something is still mounted below ${this.#directory}`);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Reads TAP. */
function read(stdout: string, stderr: string, code: number): Outcome {
  const lines = stdout.split("\n");
  const counted = lines.flatMap((line) => /^not ok \d+ - (.*)$/.exec(line)?.[1] ?? []);
  // Some programs count nothing, and print the details of an error alone.
  const bare = lines.flatMap((line) => /^ {2}map\[error:(.+)$/.exec(line)?.[1] ?? []);
  const passed = lines.filter((line) => /^ok \d+/.test(line)).length;
  const failed = passed + counted.length > 0 ? counted : bare;
  const planned = lines.some((line) => /^1\.\.\d+/.test(line));
  return { passed, failed, aborted: code !== 0 || !planned, output: `${stdout}${stderr}` };
}

/** Is the first in anything behind the second? */
export function worse(ours: Outcome, theirs: Outcome): boolean {
  if (ours.aborted !== theirs.aborted) return ours.aborted;
  return ours.passed < theirs.passed || ours.failed.some((text) => !theirs.failed.includes(text));
}

/** In one word. */
export function verdict(outcome: Outcome): string {
  if (outcome.aborted) return "gave up";
  return outcome.failed.length === 0
    ? `${outcome.passed} good`
    : `${outcome.passed} good, ${outcome.failed.length} not`;
}
