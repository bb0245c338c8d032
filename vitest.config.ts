// One project per kind of test, cheapest first. `npm test` runs all; `npx vitest run --project unit` runs one.
import { defineConfig } from "vitest/config";
import { Summary } from "./tools/test-summary.ts";

const seconds = 1000;

/**
 * Tests that start containers: real processes and mounts, so two files at a time, after the others, and patience on
 * a busy machine.
 */
const privileged = {
  maxWorkers: 2,
  sequence: { groupOrder: 1 },
  testTimeout: 30 * seconds,
  hookTimeout: 60 * seconds,
};

const together = { fileParallelism: true, maxWorkers: 3, sequence: { groupOrder: 2 } };

export default defineConfig({
  // As tools/bundle.js does for src/cli/release.ts.
  define: { TSRUNC_RELEASE: '"0.0.0-test"', TSRUNC_COMMIT: '"test"' },
  test: {
    reporters: ["default", new Summary()],
    environment: "node",
    pool: "forks",
    projects: [
      project("unit", ["test/unit/**/*.test.ts", "src/**/*.test.ts"], {}),
      project("native", ["test/native/**/*.test.ts"], { testTimeout: 60 * seconds }),
      project("golden", ["test/golden/**/*.test.ts"], {}),
      project("integration", ["test/integration/**/*.test.ts"], privileged),
      project("engines", ["test/engines/**/*.test.ts"], { ...privileged, testTimeout: 120 * seconds }),
      // guests disturb nobody, and have a kernel each
      project("lab", ["test/lab/**/*.test.ts"], { ...privileged, ...together }),
      project("conformance", ["test/conformance/**/*.test.ts"], { ...privileged, hookTimeout: 300 * seconds }),
      project("soak", ["test/soak/**/*.test.ts"], privileged),
    ],
  },
});

function project(name: string, include: string[], options: object) {
  return { extends: true as const, test: { name, include, ...options } };
}
