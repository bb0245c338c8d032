import { resume } from "../../container/pause.ts";
import { type Context, idArgument } from "../context.ts";

export function run(context: Context): number {
  resume(context.store, idArgument(context));
  return 0;
}
