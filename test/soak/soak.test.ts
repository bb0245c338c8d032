/**
 * Eight at a time do to containers whatever comes to mind, and now and then the runtime is killed in the middle of it.
 * What each command has to answer is known from a model of the container; after a killed one, `delete --force` has to
 * bring back a clean slate under the same id. In the end the host is as it was.
 *
 *   TSRUNC_SOAK_SECONDS=1800 TSRUNC_SOAK_SEED=7 npm run soak
 */
import { openSync } from "node:fs";
import { expect } from "vitest";
import type { Box, State } from "../harness/box.ts";
import { exitCode, sleep, start } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { Random } from "./random.ts";

const seconds = Number(process.env["TSRUNC_SOAK_SECONDS"] ?? 30);
const seed = Number(process.env["TSRUNC_SOAK_SEED"] ?? Date.now() % 1_000_000);
const workers = 8;
const nowhere = openSync("/dev/null", "r+");

/** What is known of a container: "none" after it was deleted. */
type Status = "none" | "created" | "running" | "paused" | "stopped";

/** One worker's container, always under the same id. */
class Slot {
  readonly #box: Box;
  readonly #random: Random;
  readonly #id: string;
  readonly #bundles: readonly string[];
  readonly #counts: Map<string, number>;
  #status: Status = "none";

  constructor(box: Box, random: Random, bundles: readonly string[], counts: Map<string, number>) {
    this.#box = box;
    this.#random = random;
    this.#id = box.newId();
    this.#bundles = bundles;
    this.#counts = counts;
  }

  /** Does one thing that makes sense in the present state. */
  async step(): Promise<void> {
    const random = this.#random;
    const bundle = random.pick(this.#bundles);
    switch (this.#status) {
      case "none": {
        if (random.onceIn(4)) return this.#command(["run", "--detach", "--bundle", bundle, this.#id], "running");
        return this.#command(["create", "--bundle", bundle, this.#id], "created");
      }
      case "created": {
        if (random.onceIn(6)) return this.#command(["delete", this.#id], "none");
        if (random.onceIn(8)) return this.#ended(["kill", this.#id, "KILL"]);
        return this.#command(["start", this.#id], "running");
      }
      case "running":
        return this.#whileRunning();
      case "paused": {
        if (random.onceIn(4)) return this.#command(["delete", "--force", this.#id], "none");
        return this.#command(["resume", this.#id], "running");
      }
      case "stopped":
        return this.#command(["delete", this.#id], "none");
    }
  }

  /** Leaves nothing. */
  async finish(): Promise<void> {
    await this.#box.ok(["delete", "--force", this.#id]);
  }

  #whileRunning(): Promise<void> {
    const id = this.#id;
    const resources = ["update", "--memory", String((32 + this.#random.below(32)) << 20), "--pids-limit", "200", id];
    const choices = [
      () => this.#command(["exec", id, "/bin/true"], "running"),
      () => this.#command(["exec", id, "/bin/true"], "running"),
      () => this.#command(["exec", "--detach", id, "/bin/sleep", "1000"], "running"),
      () => this.#command(["pause", id], "paused"),
      () => this.#command(resources, "running"),
      () => this.#command(["ps", id], "running"),
      () => this.#command(["events", "--stats", id], "running"),
      () => this.#command(["kill", id, "USR1"], "running"), // process 1 has no handler: nothing happens
      () => this.#ended(["kill", id, "KILL"]),
      () => this.#command(["delete", "--force", id], "none"),
    ];
    return this.#random.pick(choices)();
  }

  /** A command after which the container ends, soon. */
  async #ended(args: string[]): Promise<void> {
    await this.#command(args, "stopped");
    for (let tries = 0; this.#status === "stopped" && tries < 400; tries++) {
      if ((await this.#box.state(this.#id))?.status === "stopped") return;
      await sleep(25);
    }
    if (this.#status === "stopped") throw new Error(`${this.#id} doesn't end`);
  }

  /** Runs a command that has to succeed and leads to the status, unless the runtime is killed meanwhile. */
  async #command(args: string[], after: Status): Promise<void> {
    if (this.#random.onceIn(8)) return this.#killed(args);
    this.#count(args[0] ?? "");
    const before = this.#status;
    const { code, stderr } = await this.#box.call(args, { deadline: 60_000 });
    if (code !== 0 || stderr !== "") throw new Error(`${args.join(" ")}: exit ${code}; it was ${before}: ${stderr}`);
    this.#status = after;
    if (this.#random.onceIn(3)) await this.#compare();
  }

  /** Kills the runtime, and it alone, in the middle of a command; then clears up as an engine would. */
  async #killed(args: string[]): Promise<void> {
    this.#count("killed");
    const box = this.#box;
    const argv = box.argv(...args);
    const options = { cwd: box.directory, env: box.environment };
    const child = start(argv, [nowhere, nowhere, nowhere], options);
    const ended = exitCode(child, argv, 60_000);
    await sleep(this.#random.below(40));
    child.kill("SIGKILL");
    await ended;
    const { code, stderr } = await box.call(["delete", "--force", this.#id], { deadline: 60_000 });
    if (code !== 0 || stderr !== "")
      throw new Error(`delete --force after a killed "${args.join(" ")}": exit ${code}: ${stderr}`);
    this.#status = "none";
    await this.#compare();
  }

  /** Is the runtime's word the model's? A container that was told to end may still be doing so. */
  async #compare(): Promise<void> {
    this.#count("state");
    const found: State | undefined = await this.#box.state(this.#id);
    if (this.#status === "stopped") return;
    const status = found?.status ?? "none";
    if (status !== this.#status) throw new Error(`${this.#id} is ${status}, not ${this.#status}`);
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

describeRuntimes(`soak, seed ${seed}`, ({ runtime, test }) => {
  // Under Node the same code runs, only slower: a third of the time is enough for it.
  const duration = runtime.name === "node" ? seconds / 3 : seconds;

  test(
    `${workers} at a time for ${duration} s, the runtime killed now and then; the host is as before`,
    async ({ box }) => {
      const bundles = [
        box.bundle(["/bin/sleep", "1000"]),
        box.bundle(["/bin/sh", "-c", "sleep 1001 & sleep 1002"], {
          config: (config) => {
            config.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 100 }, cpu: { shares: 512 } };
            config.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1m"] });
          },
        }),
        box.bundle(["/bin/sleep", "1000"], {
          config: (config) => {
            const hook = { path: "/bin/true" };
            config.hooks = { createRuntime: [hook], poststart: [hook], poststop: [hook] };
          },
        }),
      ];
      const counts = new Map<string, number>();
      const random = new Random(seed);
      const until = Date.now() + duration * 1000;
      const work = async (slot: Slot): Promise<void> => {
        while (Date.now() < until) await slot.step();
        await slot.finish();
      };
      const slots = Array.from({ length: workers }, () => {
        return new Slot(box, new Random(random.below(2 ** 31)), bundles, counts);
      });
      await Promise.all(slots.map(work));
      const lines = [...counts].sort().map(([name, count]) => `${name} ${count}`);
      console.log(`soak [${runtime.name}], seed ${seed}: ${lines.join(", ")}`);
      for (const command of ["create", "start", "exec", "delete", "killed"])
        expect(counts.get(command) ?? 0, command).toBeGreaterThan(duration / 10);
    },
    (duration + 120) * 1000,
  );
});
