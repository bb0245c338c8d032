import { expect } from "vitest";
import { describeRuntimes } from "../harness/describe.ts";

describeRuntimes("lifecycle", ({ test }) => {
  test("run prints", async ({ box }) => {
    const report = await box.probe(["ids", "uts", "process"]);
    expect(report.uts.hostname).toBe("tsrunc-test");
  });
});
