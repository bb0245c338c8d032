// The flags of create and run as values.

import type { CreateOptions } from "../container/create.ts";
import { type Context, pathFlag } from "./context.ts";
import { booleanFlag, numberFlag } from "./flags.ts";

/** More could never be open. */
export const mostDescriptors = 1 << 20;

export function createOptions(context: Context): CreateOptions {
  const { command, cgroupManager, rootless } = context;
  return {
    pidFile: pathFlag(context, "pid-file"),
    consoleSocket: pathFlag(context, "console-socket"),
    pidfdSocket: pathFlag(context, "pidfd-socket"),
    noPivot: booleanFlag(command, "no-pivot"),
    noNewKeyring: booleanFlag(command, "no-new-keyring"),
    preserveFds: numberFlag(command, "preserve-fds", 0, mostDescriptors),
    cgroupManager,
    rootless,
  };
}
