// The flags that checkpoint and restore share, as values.

import type { CriuFlags } from "../container/checkpoint.ts";
import { cgroupModes, networkLocks } from "../container/criu-rpc.ts";
import { UserError } from "../errors.ts";
import { absolute, type Context, pathFlag } from "./context.ts";
import { booleanFlag, listFlag, textFlag } from "./flags.ts";

export function criuFlags(context: Context): CriuFlags {
  const { command } = context;
  const imagePath = pathFlag(context, "image-path") ?? absolute("checkpoint");
  return {
    imagePath,
    workPath: pathFlag(context, "work-path") ?? imagePath,
    tcpEstablished: booleanFlag(command, "tcp-established"),
    extUnixSk: booleanFlag(command, "ext-unix-sk"),
    shellJob: booleanFlag(command, "shell-job"),
    fileLocks: booleanFlag(command, "file-locks"),
    autoDedup: booleanFlag(command, "auto-dedup"),
    lazyPages: booleanFlag(command, "lazy-pages"),
    cgroupMode: oneOf(context, "manage-cgroups-mode", cgroupModes) ?? cgroupModes.soft,
    emptyNetwork: emptyNetwork(listFlag(command, "empty-ns")),
    networkLock: oneOf(context, "network-lock", networkLocks),
  };
}

function oneOf(context: Context, flag: string, values: Readonly<Record<string, number>>): number | undefined {
  const word = textFlag(context.command, flag);
  if (word === undefined) return undefined;
  const value = Object.hasOwn(values, word) ? values[word] : undefined;
  if (value !== undefined) return value;
  throw new UserError(`invalid value ${JSON.stringify(word)} for flag --${flag}`, {
    code: "usage",
    hint: `use ${Object.keys(values).join(", ")}`,
  });
}

function emptyNetwork(types: readonly string[]): boolean {
  const other = types.find((type) => type !== "network");
  if (other === undefined) return types.length > 0;
  throw new UserError(`namespace ${JSON.stringify(other)} is not supported`, {
    at: "--empty-ns",
    code: "usage",
    hint: "only network can be left empty",
  });
}
