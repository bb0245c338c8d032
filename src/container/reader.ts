// What reading a document (spec/load.ts) needs of the outside.

import { host } from "#host";
import { explainLater } from "../spec/breach.ts";
import type { Facts } from "../spec/facts.ts";
import type { Reader } from "../spec/load.ts";
import { measure } from "../trace.ts";

/** A reader whose breaches of the schema are put into words by whoever catches them. */
export function readerFor(facts: Facts): Reader {
  return { check: host.checkJson, explain: explainLater, facts, measure };
}
