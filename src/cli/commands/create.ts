import { create } from "../../container/create.ts";
import { type Context, idArgument } from "../context.ts";
import { loadForCreate } from "../load.ts";
import { createOptions } from "../options.ts";

export async function run(context: Context): Promise<number> {
  const options = createOptions(context);
  const { bundle, tools } = await loadForCreate(context);
  create(context.store, idArgument(context), bundle, options, tools);
  return 0;
}
