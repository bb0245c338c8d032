import { host } from "#host";
import { containerPids, processTable } from "../../container/ps.ts";
import { UserError } from "../../errors.ts";
import { type Context, idArgument } from "../context.ts";
import { textFlag } from "../flags.ts";

export function run(context: Context): number {
  const format = textFlag(context.command, "format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UserError(`invalid format option: ${JSON.stringify(format)}`, {
      code: "usage",
      hint: "use table or json",
    });
  }
  const pids = containerPids(context.store, idArgument(context));
  host.writeFd(1, format === "json" ? `${JSON.stringify(pids)}\n` : processTable(pids, context.args.slice(1)));
  return 0;
}
