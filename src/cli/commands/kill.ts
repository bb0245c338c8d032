import { kill } from "../../container/kill.ts";
import { UserError } from "../../errors.ts";
import { signalNumber } from "../../spec/tables/signals.ts";
import { type Context, idArgument } from "../context.ts";
import { booleanFlag } from "../flags.ts";

export function run(context: Context): number {
  const text = context.args[1] ?? "TERM";
  const signal = signalNumber(text);
  if (signal === undefined) {
    throw new UserError(`unknown signal ${JSON.stringify(text)}`, {
      code: "usage",
      hint: "use a number or a name such as TERM",
    });
  }
  kill(context.store, idArgument(context), signal, booleanFlag(context.command, "all"));
  return 0;
}
