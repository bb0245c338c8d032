// What is wrong with a document: one fault, one Problem. Rules and schema both report in this form.

import { UserError } from "../errors.ts";

/** A section of the runtime-spec, such as config-linux.md#namespaces. */
export type Section = `${string}.md` | `${string}.md#${string}`;

export interface Problem {
  /** JSON pointer to the member at fault */
  readonly at: string;
  /** What is wrong, lower case, no full stop; may begin with "is" or "must", as `at` is printed before it */
  readonly message: string;
  /** Name of the rule; "schema" for a breach of the schema */
  readonly rule: string;
  readonly section: Section;
}

/** Errors make a document unusable; warnings are about what has no effect or not the one expected. */
export interface Findings {
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Where rules put what they find. */
export interface Report {
  error(problem: Problem): void;
  warn(problem: Problem): void;
}

/** Runs rules and returns what they report. */
export function collect(rules: (report: Report) => void): Findings {
  const errors: Problem[] = [];
  const warnings: Problem[] = [];
  rules({ error: (problem) => errors.push(problem), warn: (problem) => warnings.push(problem) });
  return { errors, warnings };
}

/** Longest text of untrusted origin that a message repeats. */
const longestQuote = 80;

/** Text of untrusted origin for a message: quoted, control characters escaped, cut when long. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= longestQuote ? text : `${text.slice(0, longestQuote)}...`);
}

/** The kinds of documents: config.json, and those of `exec --process`, `update --resources` and `mounts`. */
export type DocumentKind = "Config" | "Process" | "Resources" | "Mounts";

export const documentNames: { readonly [kind in DocumentKind]: string } = {
  Config: "config.json",
  Process: "process file",
  Resources: "resources file",
  Mounts: "mounts file",
};

/** Most problems that one error spells out: engines read one line, of at most 4 KiB. */
const mostInOneError = 10;

/** The error for a document with problems: one sentence that names them, at the place of the first. */
export function invalidDocument(kind: DocumentKind, problems: readonly Problem[]): UserError {
  const words = problems.slice(0, mostInOneError).map(({ at, message }) => `${at === "" ? "" : `${at}: `}${message}`);
  const more = problems.length - words.length;
  const sentence = words.join("; ") + (more > 0 ? `; and ${more} more` : "");
  return new UserError(`invalid ${documentNames[kind]}: ${sentence}`, { at: problems[0]?.at ?? "", code: "config" });
}
