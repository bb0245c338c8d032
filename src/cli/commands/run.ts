import { run as runContainer } from "../../container/run.ts";
import { type Context, idArgument } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { loadForCreate } from "../load.ts";
import { createOptions } from "../options.ts";

export async function run(context: Context): Promise<number> {
  const { command, store } = context;
  const options = {
    ...createOptions(context),
    detach: booleanFlag(command, "detach"),
    keep: booleanFlag(command, "keep"),
    noSubreaper: booleanFlag(command, "no-subreaper"),
  };
  const { bundle, tools } = await loadForCreate(context);
  return runContainer(store, idArgument(context), bundle, options, tools);
}
