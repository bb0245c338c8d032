// Text to Config: strict JSON, then the schema, then the rules. The only way to a Config; what it returns can be
// compiled into a plan without looking for mistakes again.

import { fitsConfig, fitsProcess, fitsResources } from "../../build/generated/fits.js";
import { UserError } from "../errors.ts";
import type { Config, Process, Resources } from "./config.ts";
import { type CheckJson, readJson } from "./json.ts";
import { type Problem, summarize } from "./problem.ts";
import { checkConfig, checkProcessDocument, checkResourcesDocument, type Facts, type Findings } from "./rules.ts";

/** The kinds of documents: config.json, and those of `exec --process` and `update --resources`. */
export type DocumentKind = "Config" | "Process" | "Resources";

/** Everything that breaks the schema, in words: explain.ts. */
export type Explain = (kind: DocumentKind, document: unknown) => readonly Problem[];

export interface Reader {
  /** `host.checkJson` */
  readonly check: CheckJson;
  /** Loads explain.ts; called only for a document that breaks the schema, as its code is ten times the rest's. */
  readonly explain: () => Explain;
}

/** A good document, and what is odd about it. */
export interface Loaded<Document> {
  readonly document: Document;
  readonly warnings: readonly Problem[];
}

/**
 * Reads a config.json.
 *
 * @param facts what the rules must know of the machine and the call
 * @throws UserError (code "config"; `at` is the first problem's JSON pointer) naming every problem found
 */
export function parseConfig(text: string, reader: Reader, facts: Facts): Loaded<Config> {
  return load("Config", "config.json", text, reader, fitsConfig, (config: Config) => checkConfig(config, facts));
}

/** Reads the document of `exec --process`: a process object that stands for itself. */
export function parseProcess(text: string, reader: Reader, facts: Facts): Loaded<Process> {
  return load("Process", "process file", text, reader, fitsProcess, (process: Process) =>
    checkProcessDocument(process, facts),
  );
}

/** Reads the document of `update --resources`: a resources object. */
export function parseResources(text: string, reader: Reader): Loaded<Resources> {
  return load("Resources", "resources file", text, reader, fitsResources, checkResourcesDocument);
}

function load<Document>(
  kind: DocumentKind,
  name: string,
  text: string,
  { check, explain }: Reader,
  fits: (document: unknown) => boolean,
  rules: (document: Document) => Findings,
): Loaded<Document> {
  const document = readJson(text, name, check);
  if (!fits(document)) throw invalid(name, explain()(kind, document));
  const { errors, warnings } = rules(document as Document);
  if (errors.length > 0) throw invalid(name, errors);
  return { document: document as Document, warnings };
}

function invalid(name: string, problems: readonly Problem[]): UserError {
  const at = problems[0]?.at ?? "";
  return new UserError(`invalid ${name}: ${summarize(problems)}`, { at, code: "config" });
}

/**
 * Everything wrong with a config at once, for `tsrunc validate`: schema and, where the schema is kept, rules.
 *
 * @throws UserError when the text isn't JSON
 */
export function inspectConfig(text: string, reader: Reader, facts: Facts): Findings {
  const config = readJson(text, "config.json", reader.check);
  if (fitsConfig(config)) return checkConfig(config as Config, facts);
  return { errors: reader.explain()("Config", config), warnings: [] };
}
