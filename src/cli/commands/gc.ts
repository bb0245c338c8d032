import { host } from "#host";
import { collectGarbage, type Leftover } from "../../container/gc.ts";
import { savedConfigIfAny } from "../../container/saved.ts";
import { listIds } from "../../container/store.ts";
import type { Context } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { loadDriverOf } from "../load.ts";
import { sentence } from "../report.ts";

export async function run({ command, store, rootGiven }: Context): Promise<number> {
  const dryRun = booleanFlag(command, "dry-run");
  let status = 0;
  const tell = ({ name, why }: Leftover, failure: unknown): void => {
    if (failure === undefined) host.writeFd(1, `${dryRun ? "would remove" : "removed"} ${name}: ${why}\n`);
    else {
      status = 1;
      host.writeFd(2, `tsrunc gc: can't remove ${name} (${why}): ${sentence(failure)}\n`);
    }
  };
  for (const id of listIds(store, rootGiven)) await loadDriverOf(store, id);
  collectGarbage(store, { dryRun, rootGiven, tell, readConfig: (id) => savedConfigIfAny(store, id) });
  return status;
}
