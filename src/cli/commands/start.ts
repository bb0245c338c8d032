import { savedConfig } from "../../container/saved.ts";
import { start } from "../../container/start.ts";
import { type Context, idArgument } from "../context.ts";
import { notifierIfWanted } from "../load.ts";

export async function run(context: Context): Promise<number> {
  const { store } = context;
  start(store, idArgument(context), (id) => savedConfig(store, id), await notifierIfWanted());
  return 0;
}
