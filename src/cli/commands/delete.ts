import { remove } from "../../container/delete.ts";
import { savedConfigIfAny } from "../../container/saved.ts";
import { type Context, idArgument } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { loadDriverOf } from "../load.ts";

export async function run(context: Context): Promise<number> {
  const { store } = context;
  await loadDriverOf(store, idArgument(context));
  remove(store, idArgument(context), booleanFlag(context.command, "force"), (id) => savedConfigIfAny(store, id));
  return 0;
}
