/**
 * The program that runs in a guest: `node inside.mjs SUITE [PART OF A CASE'S NAME]`. Every case gets a box, and has to leave the guest as it was.
 * One line of JSON for each case goes to standard output, whatever else happens.
 */
import { Box } from "../harness/box.ts";
import { chosenRuntimes } from "../harness/runtimes.ts";
import type { CaseResult, LabCase } from "./cases.ts";
import { suites } from "./suites.ts";

const CASE_DEADLINE_MS = 30_000;

const [name = "", only = ""] = process.argv.slice(2);
const suite = suites[name as keyof typeof suites];
const [runtime] = chosenRuntimes();
if (suite === undefined || runtime === undefined) throw new Error(`no suite "${name}", or no runtime`);
for (const labCase of suite.cases) {
  if (!labCase.name.includes(only)) continue;
  const began = performance.now();
  const outcome = await outcomeOf(labCase);
  const milliseconds = Math.round(performance.now() - began);
  const result: CaseResult = { name: labCase.name, milliseconds, ...outcome };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
// a case that hangs must not keep us
process.exit(0);

async function outcomeOf({
  run,
  deadlineMs = CASE_DEADLINE_MS,
}: LabCase): Promise<Pick<CaseResult, "failure" | "skipped">> {
  let deadline: NodeJS.Timeout | undefined;
  try {
    const box = new Box(runtime as NonNullable<typeof runtime>);
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error(`no end after ${deadlineMs} ms`)), deadlineMs);
    });
    try {
      const skipped = await Promise.race([run(box), late]);
      return typeof skipped === "string" ? { skipped } : {};
    } finally {
      await box.close();
    }
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  } finally {
    clearTimeout(deadline);
  }
}
