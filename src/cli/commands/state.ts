import { host } from "#host";
import { stateOf } from "../../container/state.ts";
import { type Context, idArgument } from "../context.ts";

export function run(context: Context): number {
  host.writeFd(1, `${JSON.stringify(stateOf(context.store, idArgument(context)), null, 2)}\n`);
  return 0;
}
