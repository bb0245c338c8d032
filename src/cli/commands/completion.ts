import { host } from "#host";
import { UserError } from "../../errors.ts";
import type { CommandTable } from "../commands.ts";
import { completionScript, shells } from "../completion.ts";
import type { Context } from "../context.ts";
import { nearest } from "../flags.ts";

export function run({ args }: Context, table: CommandTable): number {
  const [shell = ""] = args;
  const script = completionScript(shell, table);
  if (script === undefined) {
    const near = nearest(shell, shells);
    throw new UserError(`unknown shell ${JSON.stringify(shell)}`, {
      code: "usage",
      hint: near === undefined ? `use one of ${shells.join(", ")}` : `did you mean ${near}?`,
    });
  }
  host.writeFd(1, script);
  return 0;
}
