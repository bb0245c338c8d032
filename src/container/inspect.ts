// Everything that is wrong with a bundle, for `tsrunc validate`: the text, the schema, the rules, the root file system,
// what the plan compiler refuses, and on request what this machine can't do. Nothing is made.

import { host } from "#host";
import { KernelError, UserError } from "../errors.ts";
import { compileCreate } from "../plan/compile.ts";
import type { CreateRequest, HostFacts } from "../plan/facts.ts";
import type { Config } from "../spec/config.ts";
import type { Facts } from "../spec/facts.ts";
import { readJson, removeNulls } from "../spec/json.ts";
import { type Explain, inspectConfig } from "../spec/load.ts";
import { locate, type Place } from "../spec/locate.ts";
import type { Problem } from "../spec/problem.ts";
import { readConfigText, rootfsPath } from "./bundle.ts";
import { sourceLinks } from "./extras.ts";
import { readFacts } from "./facts.ts";
import { inspectMachine } from "./machine.ts";

/** A problem and where its line is in config.json. */
export interface Finding extends Problem, Place {
  readonly severity: "error" | "warning";
}

export interface Inspection {
  /** Path of config.json */
  readonly file: string;
  readonly text: string;
  /** In the order of the file */
  readonly findings: readonly Finding[];
}

export interface InspectTools {
  readonly explain: Explain;
  readonly seccomp: CreateRequest["seccomp"];
  /** Also what this machine's kernel can't do */
  readonly machine: boolean;
}

/** Throws UserError only when there is no config.json to look at. */
export function inspectBundle(bundle: string, facts: Facts, tools: InspectTools): Inspection {
  const file = `${bundle}/config.json`;
  const text = readConfigText(file);
  const problems: Found[] = [];
  let place = (_pointer: string): Place => ({ line: 1, column: 1 });
  try {
    const { errors, warnings } = inspectConfig(text, { check: host.checkJson, explain: () => tools.explain, facts });
    problems.push(...errors.map(asError), ...warnings.map(asWarning));
    if (errors.every(({ rule }) => rule !== "schema")) {
      problems.push(...inspectFurther(bundle, text, errors.length === 0, tools));
    }
    place = locate(
      text,
      problems.map(({ at }) => at),
    );
  } catch (error) {
    const syntax = syntaxError(error);
    if (syntax === undefined) throw error;
    return { file, text, findings: [syntax] };
  }
  const findings = problems.map((problem) => ({ ...problem, ...place(problem.at) }));
  return { file, text, findings: findings.sort((a, b) => a.line - b.line || a.column - b.column) };
}

type Found = Problem & Pick<Finding, "severity">;

const asError = (problem: Problem): Found => ({ ...problem, severity: "error" });
const asWarning = (problem: Problem): Found => ({ ...problem, severity: "warning" });

/** What can be asked of a config that fits the schema; `sound`: that keeps all rules, too. */
function inspectFurther(bundle: string, text: string, sound: boolean, tools: InspectTools): readonly Found[] {
  const document = readJson(text, "config.json", host.checkJson);
  removeNulls(document);
  const config = document as Config;
  const found: Found[] = [];
  const attempt = (rule: string, step: () => void): void => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { message, at = "", hint } = error;
      const words = hint === undefined ? message : `${message} (${hint})`;
      // an error about a pointer has its place in the file; one about an option of the command has none
      const section = rule === "root" ? "config.md#root" : "config.md";
      found.push(asError({ at: at.startsWith("/") ? at : "", message: words, rule, section }));
    }
  };
  attempt("root", () => rootfsPath(bundle, config));
  if (sound) attempt("plan", () => compile(bundle, config, tools));
  if (tools.machine) {
    const { errors, warnings } = inspectMachine(bundle, config);
    found.push(...errors.map(asError), ...warnings.map(asWarning));
  }
  return found;
}

/** Compiles the plan to see whether it can be done; a config without a process may wait for one. */
function compile(bundle: string, config: Config, { seccomp, machine }: InspectTools): void {
  const process = config.process ?? { cwd: "/" };
  const plan = compileCreate({ ...config, process }, machine ? readFacts() : anyMachine(), {
    id: "ID",
    bundle,
    rootfs: `${bundle}/${config.root?.path ?? ""}`,
    start: "later",
    root: "pivot",
    keyring: "new",
    preserved: [],
    environment: [],
    cgroup: { driver: "none" },
    links: sourceLinks(bundle, config.mounts),
    seccomp: config.linux?.seccomp === undefined ? undefined : seccomp,
  });
  plan.filter?.();
}

/** A machine that can do everything: what is refused on it is refused everywhere. */
function anyMachine(): HostFacts {
  const machine = host.kernel()[1] === "aarch64" ? "aarch64" : "x86_64";
  return { machine, privileged: true, clonesMounts: true, cgroup: { mode: "none" }, capabilities: (1n << 64n) - 1n };
}

/** The only finding in a text that isn't JSON; undefined for any other error. */
function syntaxError(error: unknown): Finding | undefined {
  if (!(error instanceof UserError) || !(error.cause instanceof KernelError)) return undefined;
  const words = /^line (\d+), column (\d+): (.*)$/s.exec(error.cause.subject);
  if (error.cause.call !== "json" || words === null) return undefined;
  const [, line, column, message = ""] = words;
  const problem = asError({ at: "", message, rule: "json", section: "config.md" });
  return { ...problem, line: Number(line), column: Number(column) };
}
