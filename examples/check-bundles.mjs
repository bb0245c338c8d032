// Checks bundles before they are deployed, without making anything: what is wrong, and how many steps a start would take.
//
//   node examples/check-bundles.mjs BUNDLE...

import { Runtime, UserError } from "tsrunc";

const runtime = new Runtime();

for (const bundle of process.argv.slice(2)) {
  try {
    const { valid, problems } = runtime.validate(bundle);
    for (const { severity, at, line, message, rule } of problems) {
      console.log(`${bundle}/config.json:${line}: ${severity}: ${at} ${message} [${rule}]`);
    }
    if (!valid) process.exitCode = 1;
    else {
      const { steps } = runtime.plan(bundle);
      const mounts = steps.filter(({ at }) => at.startsWith("/mounts/")).length;
      console.log(`${bundle}: valid, ${steps.length} steps, ${mounts} of them for mounts`);
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(`${bundle}: ${error.message}`);
    process.exitCode = 1;
  }
}
