/** Which devices a container may use: the table of rules against this machine's kernel, whichever cgroups it has. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { describeRuntimes } from "../harness/describe.ts";
import { mayUse, questions, questionText, ruleCases } from "../harness/device-rules.ts";
import { deviceAnswers } from "../harness/device-script.ts";
import { probeArgs } from "../harness/probe.ts";

const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

describeRuntimes("device rules", ({ test, runtime }) => {
  for (const rules of ruleCases) {
    if (rules.refusedOnV1 && !v2 && runtime.ours) {
      test(`${rules.name}: refused, as v1 can't express it`, async ({ box }) => {
        const bundle = box.bundle(probeArgs("ids"), {
          config: (config) => {
            config.linux.resources = { devices: rules.rules };
          },
        });
        expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(/cgroup v1 can't deny a part of/);
      });
      continue;
    }
    test(rules.name, async ({ box }) => {
      const expected = questions.map((question) => [questionText(question), mayUse(rules, question)]);
      expect(await deviceAnswers(box, rules.rules)).toEqual(Object.fromEntries(expected));
    });
  }
});
