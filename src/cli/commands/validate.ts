// validate: everything wrong with a bundle at once, each with the line of config.json it is about.

import { host } from "#host";
import { type Finding, type Inspection, inspectBundle } from "../../container/inspect.ts";
import { prepareSeccomp } from "../../seccomp/compile.ts";
import { explain } from "../../spec/explain.ts";
import type { Context } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { bundlePath } from "../load.ts";

export function run(context: Context): number {
  const { command, facts } = context;
  const machine = booleanFlag(command, "host");
  const inspection = inspectBundle(bundlePath(context), facts, { explain, seccomp: prepareSeccomp, machine });
  host.writeFd(1, booleanFlag(command, "json") ? asJson(inspection) : asText(inspection));
  return inspection.findings.some(({ severity }) => severity === "error") ? 1 : 0;
}

function asJson({ file, findings }: Inspection): string {
  const valid = findings.every(({ severity }) => severity !== "error");
  const problems = findings.map(({ severity, at, line, column, message, rule, section }) => ({
    severity,
    at,
    line,
    column,
    message,
    rule,
    section,
  }));
  return `${JSON.stringify({ file, valid, problems }, null, 2)}\n`;
}

function asText({ file, text, findings }: Inspection): string {
  const lines = text.split("\n");
  const told = findings.map((finding) => `${tell(finding, lines[finding.line - 1] ?? "")}\n`);
  return `${told.join("")}${file}: ${summary(findings)}\n`;
}

function tell(finding: Finding, source: string): string {
  const { severity, at, line, column, message, rule, section } = finding;
  const head = visible(`${severity}: ${at === "" ? "" : `${at}: `}${message} [${rule}, ${section}]`);
  const margin = String(line);
  const { shown, caret } = excerpt(source, column - 1);
  return `${head}\n  ${margin} | ${shown}\n  ${" ".repeat(margin.length)} | ${" ".repeat(caret)}^\n`;
}

const widest = 100;

/** A line as far as it is of interest: a config without line breaks has a single long one. */
function excerpt(source: string, at: number): { readonly shown: string; readonly caret: number } {
  const start = at < widest ? 0 : at - 20;
  const cut = source.slice(start, start + widest);
  const left = start > 0 ? "..." : "";
  const right = start + widest < source.length ? "..." : "";
  return { shown: visible(`${left}${cut.replaceAll("\t", " ")}${right}`), caret: left.length + at - start };
}

/** The file is somebody else's: no control character reaches the terminal. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding["severity"]): number => findings.filter(({ severity }) => severity === wanted).length;
  const words = (number: number, word: string): string => `${number} ${word}${number === 1 ? "" : "s"}`;
  const errors = count("error");
  const warnings = count("warning");
  if (errors + warnings === 0) return "valid";
  if (errors === 0) return `valid, with ${words(warnings, "warning")}`;
  return [words(errors, "error"), ...(warnings > 0 ? [words(warnings, "warning")] : [])].join(", ");
}
