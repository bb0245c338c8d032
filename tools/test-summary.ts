// The last lines of a test run: every reason why tests were skipped, then the totals on a line of their own.
import type { Reporter, TestModule } from "vitest/node";

/** A vitest reporter, used beside the default one. */
export class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    const skipped = new Map<string, string[]>();
    for (const module of modules) {
      counts.failed += module.state() === "failed" && module.errors().length > 0 ? 1 : 0;
      for (const test of module.children.allTests()) {
        const result = test.result();
        counts[result.state === "pending" ? "skipped" : result.state] += 1;
        if (result.state !== "skipped") continue;
        const reason = result.note ?? "a condition in the test's file does not hold";
        skipped.set(reason, [...(skipped.get(reason) ?? []), `${module.relativeModuleId}: ${test.fullName}`]);
      }
    }
    for (const [reason, names] of skipped) {
      console.log(`\nskipped, ${reason}:`);
      for (const name of names) console.log(`  ${name}`);
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
