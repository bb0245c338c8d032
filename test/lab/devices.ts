/** Which devices a container may use on cgroup v2: the table of rules against the kernel. */
import assert from "node:assert/strict";
import { mayUse, questions, questionText, ruleCases } from "../harness/device-rules.ts";
import { deviceAnswers } from "../harness/device-script.ts";
import type { LabCase } from "./cases.ts";

export const deviceCases: readonly LabCase[] = ruleCases.map((rules) => ({
  name: `devices: ${rules.name}`,
  run: async (box) => {
    const answers = await deviceAnswers(box, rules.rules);
    const expected = Object.fromEntries(questions.map((question) => [questionText(question), mayUse(rules, question)]));
    assert.deepEqual(answers, expected);
  },
}));
