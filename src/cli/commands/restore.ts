import { restore } from "../../container/restore.ts";
import { type Context, idArgument, pathFlag } from "../context.ts";
import { criuFlags } from "../criu-flags.ts";
import { booleanFlag, textFlag } from "../flags.ts";
import { loadForCreate } from "../load.ts";

export async function run(context: Context): Promise<number> {
  const { command, store, cgroupManager, rootless } = context;
  const options = {
    ...criuFlags(context),
    cgroupManager,
    rootless,
    pidFile: pathFlag(context, "pid-file"),
    consoleSocket: pathFlag(context, "console-socket"),
    detach: booleanFlag(command, "detach"),
    keep: booleanFlag(command, "keep"),
    noSubreaper: booleanFlag(command, "no-subreaper"),
    tcpClose: booleanFlag(command, "tcp-close"),
    lsmProfile: textFlag(command, "lsm-profile"),
    lsmMountContext: textFlag(command, "lsm-mount-context"),
  };
  const { bundle, tools } = await loadForCreate(context);
  return restore(store, idArgument(context), bundle, options, tools);
}
