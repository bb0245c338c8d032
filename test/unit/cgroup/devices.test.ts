/** Device rules: the program for v2 in a small interpreter, and the lists of v1 in a model of the kernel's, against the reference. */
import { expect, test } from "vitest";
import { effectiveRules } from "../../../src/cgroup/devices.ts";
import { accessBits, Bpf, deviceProgram, typeNumbers } from "../../../src/cgroup/ebpf.ts";
import { type DeviceLine, deviceLines } from "../../../src/cgroup/exceptions.ts";
import {
  mayUse,
  type Question,
  questions,
  questionText,
  type RuleCase,
  ruleCases,
} from "../../harness/device-rules.ts";

test.each(ruleCases)("the program for $name", (rules) => {
  const program = deviceProgram(effectiveRules(rules.rules));
  expect(answers((question) => interpret(program, question))).toEqual(expected(rules));
});

test.each(ruleCases.filter(({ refusedOnV1 }) => !refusedOnV1))("the lists for $name", (rules) => {
  const lines = deviceLines(effectiveRules(rules.rules));
  expect(answers((question) => modelOfV1(lines, question))).toEqual(expected(rules));
});

test.each(ruleCases.filter(({ refusedOnV1 }) => refusedOnV1))("no lists for $name", (rules) => {
  expect(() => deviceLines(effectiveRules(rules.rules))).toThrow("cgroup v1 can't deny a part of c 10:229");
});

test("the model of v1 has the kernel's weakness that the lists work around", () => {
  const naive: DeviceLine[] = [
    ["deny", "a"],
    ["allow", "c 10:* rwm"],
    ["deny", "c 10:229 rwm"],
  ];
  expect(modelOfV1(naive, { type: "c", major: 10, minor: 229, access: "r" })).toBe(true);
});

function answers(ask: (question: Question) => boolean): Record<string, boolean> {
  return Object.fromEntries(questions.map((question) => [questionText(question), ask(question)]));
}

function expected(rules: RuleCase): Record<string, boolean> {
  return answers((question) => mayUse(rules, question));
}

/** The instructions that deviceProgram uses, as the kernel runs them. Throws for any other, and for one that isn't there. */
function interpret(program: Uint8Array, { type, major, minor, access }: Question): boolean {
  const view = new DataView(program.buffer);
  const bits = [...access].reduce((sum, letter) => sum | accessBits[letter as "r" | "w" | "m"], 0);
  const context = [(bits << 16) | typeNumbers[type], major, minor];
  const registers = Array.from({ length: 11 }, () => Number.NaN);
  for (let at = 0; ; at += 8) {
    const code = view.getUint8(at);
    const to = view.getUint8(at + 1) & 15;
    const from = registers[view.getUint8(at + 1) >> 4] ?? Number.NaN;
    const jump = view.getInt16(at + 2, true);
    const value = view.getInt32(at + 4, true);
    const present = registers[to] ?? Number.NaN;
    switch (code) {
      case Bpf.loadWord:
        registers[to] = context[jump / 4] ?? Number.NaN;
        break;
      case Bpf.move:
        registers[to] = from;
        break;
      case Bpf.moveValue:
        registers[to] = value;
        break;
      case Bpf.and:
        registers[to] = present & value;
        break;
      case Bpf.shiftRight:
        registers[to] = present >>> value;
        break;
      case Bpf.ifEqual:
        if (present === value) at += jump * 8;
        break;
      case Bpf.ifNotEqual:
        if (present !== value) at += jump * 8;
        break;
      case Bpf.exit:
        return registers[0] === 1;
      default:
        throw new Error(`unknown instruction ${code}`);
    }
  }
}

/** security/device_cgroup.c: a default for all, and exceptions that are found again only under the same numbers. */
function modelOfV1(lines: readonly DeviceLine[], question: Question): boolean {
  let allowAll = true;
  let list = new Map<string, Set<string>>();
  for (const [file, line] of lines) {
    if (line === "a") {
      allowAll = file === "allow";
      list = new Map();
      continue;
    }
    const [type, numbers, access = ""] = line.split(" ");
    const key = `${type} ${numbers}`;
    const letters = list.get(key) ?? new Set();
    list.set(key, letters);
    for (const letter of access) {
      if ((file === "allow") === allowAll) letters.delete(letter);
      else letters.add(letter);
    }
  }
  const about = [...list].filter(([key]) => {
    const [type, major, minor] = key.split(/[ :]/);
    return (
      type === question.type &&
      (major === "*" || major === String(question.major)) &&
      (minor === "*" || minor === String(question.minor))
    );
  });
  const wanted = [...question.access];
  return allowAll
    ? !about.some(([, letters]) => wanted.some((letter) => letters.has(letter)))
    : about.some(([, letters]) => wanted.every((letter) => letters.has(letter)));
}
