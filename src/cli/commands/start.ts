import { savedConfig } from "../../container/saved.ts";
import { start } from "../../container/start.ts";
import { type Context, idArgument } from "../context.ts";

export function run(context: Context): number {
  const { store } = context;
  start(store, idArgument(context), (id) => savedConfig(store, id));
  return 0;
}
