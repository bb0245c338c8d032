import { checkpoint } from "../../container/checkpoint.ts";
import { savedConfig } from "../../container/saved.ts";
import { UserError } from "../../errors.ts";
import { type Context, idArgument } from "../context.ts";
import { criuFlags } from "../criu-flags.ts";
import { booleanFlag, numberFlag, textFlag } from "../flags.ts";
import { loadDriverOf } from "../load.ts";
import { mostDescriptors } from "../options.ts";

export async function run(context: Context): Promise<number> {
  const { command, store } = context;
  const id = idArgument(context);
  const config = savedConfig(store, id);
  const statusFd = numberFlag(command, "status-fd", -1, mostDescriptors);
  const options = {
    ...criuFlags(context),
    parentPath: textFlag(command, "parent-path"),
    leaveRunning: booleanFlag(command, "leave-running"),
    preDump: booleanFlag(command, "pre-dump"),
    tcpSkipInFlight: booleanFlag(command, "tcp-skip-in-flight"),
    linkRemap: booleanFlag(command, "link-remap"),
    statusFd: statusFd < 0 ? undefined : statusFd,
    pageServer: pageServer(textFlag(command, "page-server")),
  };
  await loadDriverOf(store, id);
  checkpoint(store, id, config, options);
  return 0;
}

/** ADDRESS:PORT */
function pageServer(text: string | undefined) {
  if (text === undefined) return undefined;
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? 0);
  if (match?.[1] === undefined || port < 1 || port > 65_535) {
    throw new UserError(`invalid page server ${JSON.stringify(text)}`, {
      at: "--page-server",
      code: "usage",
      hint: "use ADDRESS:PORT",
    });
  }
  return { address: match[1], port };
}
