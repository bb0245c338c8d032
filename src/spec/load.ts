// Text to Config: strict JSON, then the schema, then the rules. The only way to a Config; what it returns can be
// compiled into a plan without looking for mistakes again.

import { fitsConfig, fitsMounts, fitsProcess, fitsResources } from "../../build/generated/fits.js";
import type { Config, Mount, Process, Resources } from "./config.ts";
import type { Facts } from "./facts.ts";
import { type CheckJson, readJson, removeNulls } from "./json.ts";
import { type DocumentKind, documentNames, type Findings, invalidDocument, type Problem } from "./problem.ts";
import { checkConfig, checkMountsDocument, checkProcessDocument, checkResourcesDocument } from "./rules.ts";

/** Everything that breaks the schema, in words: explain.ts. */
export type Explain = (kind: DocumentKind, document: unknown) => readonly Problem[];

/** What reading needs from outside, as spec/ is pure. */
export interface Reader {
  /** `host.checkJson` */
  readonly check: CheckJson;
  /** Loads explain.ts; called only for a document that breaks the schema, as its code is ten times the rest's. */
  readonly explain: () => Explain;
  readonly facts: Facts;
  /** Notes how long a step takes; `measure` of trace.ts. */
  readonly measure?: <T>(step: string, work: () => T) => T;
}

/**
 * Reads a config.json.
 *
 * @returns the config, and what is odd about it
 * @throws UserError (code "config"; `at` is the first problem's JSON pointer) that names every problem
 */
export function parseConfig(text: string, reader: Reader): { config: Config; warnings: readonly Problem[] } {
  const { facts, measure = unmeasured } = reader;
  const config = measure("read config.json", () => read<Config>("Config", text, reader, fitsConfig));
  return { config, warnings: measure("check config.json", () => accept("Config", checkConfig(config, facts))) };
}

const unmeasured = <T>(_step: string, work: () => T): T => work();

/** Reads the document of `exec --process`: a process object that stands for itself. Throws as parseConfig does. */
export function parseProcess(text: string, reader: Reader): { process: Process; warnings: readonly Problem[] } {
  const process = read<Process>("Process", text, reader, fitsProcess);
  return { process, warnings: accept("Process", checkProcessDocument(process, reader.facts)) };
}

/** Reads the document of `update --resources`: a resources object. Throws as parseConfig does. */
export function parseResources(text: string, reader: Reader): { resources: Resources; warnings: readonly Problem[] } {
  const resources = read<Resources>("Resources", text, reader, fitsResources);
  return { resources, warnings: accept("Resources", checkResourcesDocument(resources)) };
}

/**
 * Reads the document of `mounts add` and `mounts remove`: an array of mounts as config.json has it. Throws as parseConfig
 * does.
 *
 * @param config that of the container
 */
export function parseMounts(
  text: string,
  action: "add" | "remove",
  config: Config,
  reader: Reader,
): { mounts: readonly Mount[]; warnings: readonly Problem[] } {
  const mounts = read<readonly Mount[]>("Mounts", text, reader, fitsMounts);
  return { mounts, warnings: accept("Mounts", checkMountsDocument(mounts, action, config, reader.facts)) };
}

/**
 * Everything wrong with a config at once, for `tsrunc validate`. The rules take the schema for granted, so they have
 * their say only where it is kept.
 *
 * @throws UserError when the text isn't JSON
 */
export function inspectConfig(text: string, { check, explain, facts }: Reader): Findings {
  const config = readJson(text, documentNames.Config, check);
  if (!fitsOnceNullsAreGone(config, fitsConfig)) return { errors: explain()("Config", config), warnings: [] };
  return checkConfig(config as Config, facts);
}

function read<Document>(kind: DocumentKind, text: string, { check, explain }: Reader, fits: Fits): Document {
  const document = readJson(text, documentNames[kind], check);
  if (!fitsOnceNullsAreGone(document, fits)) throw invalidDocument(kind, explain()(kind, document));
  return document as Document;
}

type Fits = (document: unknown) => boolean;

// Few texts have nulls, and the schema accepts none, so that the walk through the whole value is left to those that
// don't fit as they are.
function fitsOnceNullsAreGone(document: unknown, fits: Fits): boolean {
  if (fits(document)) return true;
  removeNulls(document);
  return fits(document);
}

function accept(kind: DocumentKind, { errors, warnings }: Findings): readonly Problem[] {
  if (errors.length > 0) throw invalidDocument(kind, errors);
  return warnings;
}
