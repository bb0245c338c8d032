/**
 * What engines are asked to do with the runtime: the rows of the table in the README. A test names the feature it
 * shows, and what came out is written to build/engines/, where tools/engines-readme.mjs reads it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { repository } from "../harness/paths.ts";

/** In the order of the table. */
export const features = {
  run: "run, output, exit codes, errors as the engine words them",
  detached: "detached, logs, wait, remove",
  terminal: "terminals, standard input",
  exec: "exec",
  signals: "kill, stop with and without a handler, restart",
  pause: "pause, resume",
  limits: "memory, cpu, pids limits; OOM kills are seen",
  update: "limits changed while it runs",
  stats: "statistics, list of processes",
  user: "users, groups, capabilities, no-new-privileges",
  seccomp: "seccomp, the engine's own profile and none",
  mounts: "volumes, tmpfs, read-only root, devices",
  network: "networks: none, the host's, a bridge with a published port",
  namespaces: "namespaces of the host and of other containers",
  settings: "host name, environment, sysctl, ulimit, shared memory",
  userns: "user namespaces",
  health: "health checks",
  restart: "restart policies",
  init: "a small init in front",
  pods: "pods: several containers in shared namespaces",
  kube: "Kubernetes: RuntimeClass handler, kube play",
  nocgroup: "without cgroups, or in two of the caller's own",
  secrets: "secrets",
  build: "image builds",
  many: "fifty at once",
  crash: "a killed monitor, a restarted daemon",
  checkpoint: "checkpoint, restore",
  version: "version shown by the engine",
} as const;

export type Feature = keyof typeof features;

/** What a table's column says about a feature. */
export type Outcome = "works" | "fails" | "absent";

/** The results of one engine with one runtime. */
export class Column {
  readonly #file: string;
  readonly #outcomes: Partial<Record<Feature, Outcome>> = {};
  readonly #reasons: Partial<Record<Feature, string>> = {};

  constructor(engine: string, runtime: string) {
    this.#file = join(repository, "build", "engines", `${engine}-${runtime}.json`);
  }

  /** Declares a test that shows a feature. Several may show the same: it works if all of them pass. */
  test(feature: Feature, what: string, body: () => Promise<void>, timeout?: number): void {
    const shown = async (): Promise<void> => {
      const before = this.#outcomes[feature] ?? "works";
      this.#outcomes[feature] = "fails"; // stays, if the body throws
      await body();
      this.#outcomes[feature] = before;
    };
    test(`${feature}: ${what}`, shown, timeout);
  }

  /** Says why a feature isn't there with this engine or on this machine: a skipped test that names the reason. */
  absent(feature: Feature, reason: string): void {
    this.#outcomes[feature] = "absent";
    this.#reasons[feature] = reason;
    test(feature, (context) => context.skip(reason));
  }

  /** Writes the column. @param version what the engine calls itself */
  write(version: string): void {
    mkdirSync(join(this.#file, ".."), { recursive: true });
    const document = { version, features, outcomes: this.#outcomes, reasons: this.#reasons };
    writeFileSync(this.#file, `${JSON.stringify(document, undefined, 2)}\n`);
  }
}
