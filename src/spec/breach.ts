// A document that breaks the schema, before anybody has said why. The words for it are ten times the code of the check,
// so the check throws this, and the command line loads explain.ts for it.

import type { UserError } from "../errors.ts";
import type { Explain } from "./load.ts";
import { type DocumentKind, invalidDocument } from "./problem.ts";

export class SchemaBreach extends Error {
  readonly kind: DocumentKind;
  readonly document: unknown;

  constructor(kind: DocumentKind, document: unknown) {
    super(`the ${kind} document breaks the schema`);
    this.kind = kind;
    this.document = document;
  }

  /** The error in words. */
  explained(explain: Explain): UserError {
    return invalidDocument(this.kind, explain(this.kind, this.document));
  }
}

/** The `explain` of a Reader that leaves the explaining to whoever catches. */
export const explainLater = (): Explain => (kind, document) => {
  throw new SchemaBreach(kind, document);
};
