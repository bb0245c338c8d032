import { remove } from "../../container/delete.ts";
import { savedConfigIfAny } from "../../container/saved.ts";
import { type Context, idArgument } from "../context.ts";
import { booleanFlag } from "../flags.ts";

export function run(context: Context): number {
  const { store } = context;
  remove(store, idArgument(context), booleanFlag(context.command, "force"), (id) => savedConfigIfAny(store, id));
  return 0;
}
