/** Runs the same tests on every chosen runtime, each in a box of its own. */
import { test as base, describe, type TestAPI } from "vitest";
import { Box } from "./box.ts";
import { chosenRuntimes, peer, type Runtime } from "./runtimes.ts";

/** What a test's function gets. */
export interface Fixtures {
  box: Box;
}

export type RuntimeTest = TestAPI<Fixtures>;

/** Per runtime: why a test doesn't hold there. */
export type Reasons = Partial<Record<Runtime["name"], string>>;

export interface Tools {
  readonly runtime: Runtime;
  readonly test: RuntimeTest;
  /** For a runtime that is known to behave otherwise: the test is skipped there and its name says why. */
  differs(reasons: Reasons): (name: string, body: (fixtures: Fixtures) => Promise<void>, timeout?: number) => void;
  /**
   * For a hole that a peer is known to have: there the test has to FAIL, which proves that the checker sees the hole.
   */
  red(reasons: Reasons): (name: string, body: (fixtures: Fixtures) => Promise<void>) => void;
}

/**
 * Declares a suite for each chosen runtime.
 *
 * @param name the suite's name; the runtime's is added
 * @param declare declares the tests with the tools it gets
 * @param also peers to run on as well when the machine has them (with the names of the tests saying so when not)
 */
export function describeRuntimes(
  name: string,
  declare: (tools: Tools) => void,
  also: readonly ("runc" | "crun")[] = [],
): void {
  const runtimes = [...chosenRuntimes()];
  for (const extra of also) {
    if (runtimes.some((runtime) => runtime.name === extra)) continue;
    const found = peer(extra);
    if (found === undefined) describe.skip(`${name} [${extra}: not installed]`, () => undefined);
    else runtimes.push(found);
  }
  for (const runtime of runtimes) {
    describe(`${name} [${runtime.name}]`, () => {
      const test = base.extend<Fixtures>({
        // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixture's dependencies from this pattern
        box: async ({}, use) => {
          const box = new Box(runtime);
          await use(box);
          await box.close();
        },
      });
      declare({ runtime, test, differs: differs(test, runtime), red: red(test, runtime) });
    });
  }
}

function differs(test: RuntimeTest, runtime: Runtime): Tools["differs"] {
  return (reasons) => (name, body, timeout) => {
    const reason = reasons[runtime.name];
    if (reason === undefined) test(name, body, timeout);
    else test.skip(`${name} [${runtime.name}: ${reason}]`, body);
  };
}

function red(test: RuntimeTest, runtime: Runtime): Tools["red"] {
  return (reasons) => (name, body) => {
    const reason = reasons[runtime.name];
    if (reason === undefined) test(name, body);
    else test.fails(`${name} [${runtime.name} is caught: ${reason}]`, body);
  };
}
