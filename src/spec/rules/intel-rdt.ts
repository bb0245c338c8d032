// linux.intelRdt: the group's name is one directory, and each schema is a line of a file with a line-based syntax.

import type { Config } from "../config.ts";
import { quote, type Report } from "../problem.ts";

const section = "config-linux.md#intelrdt";

export function checkIntelRdt({ linux }: Config, { error }: Report): void {
  const { closID, l3CacheSchema = "", memBwSchema = "", schemata = [] } = linux?.intelRdt ?? {};
  const report = (member: string, message: string): void =>
    error({ at: `/linux/intelRdt/${member}`, message, rule: "intel-rdt", section });
  // "/" is the root group, which the spec allows to name.
  if (closID !== undefined && closID !== "/" && (/^\.{0,2}$/.test(closID) || /[/\n]/.test(closID))) {
    report("closID", `is ${quote(closID)}, must be the name of one directory, or "/" for the root group`);
  }
  if (l3CacheSchema.includes("\n")) report("l3CacheSchema", "must be one line");
  if (memBwSchema !== "" && !/^MB:[^\n]*$/.test(memBwSchema)) {
    report("memBwSchema", `is ${quote(memBwSchema)}, must be one line that begins with MB:`);
  }
  schemata.forEach((line, index) => {
    if (line === "" || line.includes("\n")) report(`schemata/${index}`, "must be one line, and not an empty one");
  });
}
