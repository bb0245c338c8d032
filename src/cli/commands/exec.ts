import { host } from "#host";
import { DriverNeeded } from "../../cgroup/driver.ts";
import { exec } from "../../container/exec.ts";
import { readerFor } from "../../container/reader.ts";
import { savedConfig } from "../../container/saved.ts";
import { UserError } from "../../errors.ts";
import { execProcess, type ProcessChanges } from "../../plan/exec-process.ts";
import type { Process } from "../../spec/config.ts";
import { parseProcess } from "../../spec/load.ts";
import { type Context, idArgument, pathFlag } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { booleanFlag, listFlag, numberFlag, textFlag } from "../flags.ts";
import { loadSystemd, seccompFor } from "../load.ts";
import { mostDescriptors } from "../options.ts";

const maxProcessBytes = 16 << 20;

export async function run(context: Context): Promise<number> {
  const { command, store } = context;
  const id = idArgument(context);
  const words = context.args.slice(1);
  const file = pathFlag(context, "process");
  if (file === undefined && words.length === 0) {
    throw new UserError("exec args cannot be empty", { code: "usage", hint: "give a command, or --process FILE" });
  }
  // read at once: the caller removes it when we return, or before
  const document = file === undefined ? undefined : readProcess(file, context);
  const config = savedConfig(store, id);
  const process = withTerminal(
    document ?? execProcess(config, words, changes(context)),
    context,
    document !== undefined,
  );
  if (process.apparmorProfile || process.selinuxLabel) {
    (await import("../../container/labels.ts")).checkLabels(process, undefined);
  }
  const options = {
    detach: booleanFlag(command, "detach"),
    pidFile: pathFlag(context, "pid-file"),
    consoleSocket: pathFlag(context, "console-socket"),
    pidfdSocket: pathFlag(context, "pidfd-socket"),
    preserveFds: numberFlag(command, "preserve-fds", 0, mostDescriptors),
    ignorePaused: booleanFlag(command, "ignore-paused"),
    subCgroups: listFlag(command, "cgroup"),
    timeoutMs: parseDuration(textFlag(command, "timeout"), "--timeout"),
  };
  const seccomp = await seccompFor(config);
  const attempt = (): number => exec(store, id, config, process, options, { seccomp });
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof DriverNeeded)) throw error;
    await loadSystemd();
    return attempt();
  }
}

function readProcess(file: string, { facts }: Context): Process {
  const text = host.readText(file, maxProcessBytes);
  return parseProcess(text, readerFor(facts)).process;
}

/** --tty, where it is given, overrules the document. */
function withTerminal(process: Process, { command }: Context, isDocument: boolean): Process {
  const tty = command.flags.get("tty");
  if (isDocument && tty === undefined) return process;
  return { ...process, terminal: tty === true };
}

function changes({ command }: Context): ProcessChanges {
  return {
    cwd: textFlag(command, "cwd"),
    env: listFlag(command, "env"),
    user: textFlag(command, "user"),
    additionalGids: listFlag(command, "additional-gids"),
    capabilities: listFlag(command, "cap"),
    apparmor: textFlag(command, "apparmor"),
    label: textFlag(command, "process-label"),
    noNewPrivileges: booleanFlag(command, "no-new-privs"),
  };
}
