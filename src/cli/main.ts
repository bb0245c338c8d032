// The command line: find the command, run it, tell what went wrong, leave with the right status. Nothing happens when this
// module is loaded: in the static binary that was done by the build (native/quickjs/memory.h).

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { SchemaBreach } from "../spec/breach.ts";
import { finishTrace, startTrace } from "../trace.ts";
import { type CommandModule, commands, globalFlags } from "./commands.ts";
import { absolute, type Context, makeContext } from "./context.ts";
import { booleanFlag, type Parsed, parseFlags, textFlag } from "./flags.ts";
import { openLog, reportError, sentence } from "./report.ts";
import { commandNamed, readArguments } from "./request.ts";

/** Before the command is known, messages start with our name alone. */
let frame = "tsrunc: ";
let ownFailure = 1;

async function main(words: readonly string[]): Promise<number> {
  const globals = parseGlobals(words);
  const [name, topic] = globals.positionals;
  if (booleanFlag(globals, "version")) return (await import("./version.ts")).printVersion();
  if (name === undefined || name === "help" || booleanFlag(globals, "help")) {
    return (await import("./help.ts")).printHelp(name === "help" ? topic : name);
  }
  const command = commandNamed(name);
  frame = `tsrunc ${name} failed: `;
  beginTrace(globals, name);
  const parsed = readArguments(command, globals.positionals.slice(1));
  if (parsed === "help") return (await import("./help.ts")).printHelp(name);
  const context = makeContext(globals, parsed);
  // from here on a failure of exec must differ from the status of a program: 255, as with runc
  if (name === "exec") ownFailure = 255;
  const { run } = await command.load();
  return await runExplained(run, context);
}

/** The log is opened first of all, so that even a mistyped flag is recorded where the engine looks. */
function parseGlobals(words: readonly string[]): Parsed {
  let globals: Parsed;
  try {
    globals = parseFlags(words, globalFlags, "first");
  } catch (error) {
    openLogAnyway(words);
    throw error;
  }
  const format = textFlag(globals, "log-format") ?? "text";
  const debug = booleanFlag(globals, "debug") || textFlag(globals, "log-level") === "debug";
  openLog(textFlag(globals, "log"), format === "json" ? "json" : "text", debug);
  if (format !== "text" && format !== "json") {
    throw new UserError(`invalid log-format: ${JSON.stringify(format)}`, { code: "usage", hint: "use text or json" });
  }
  return globals;
}

/** With flags that can't be parsed the log is looked for among the words. The mistake is told even if there is none. */
function openLogAnyway(words: readonly string[]): void {
  try {
    openLog(flagValue(words, "log"), flagValue(words, "log-format") === "json" ? "json" : "text", false);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

function flagValue(words: readonly string[], flag: string): string | undefined {
  const index = words.findIndex((word) => new RegExp(`^--?${flag}(=|$)`).test(word));
  const word = words[index];
  if (word === undefined) return undefined;
  return word.includes("=") ? word.slice(word.indexOf("=") + 1) : words[index + 1];
}

/** A config that breaks the schema is explained by code that is loaded only then. */
async function runExplained(run: CommandModule["run"], context: Context): Promise<number> {
  try {
    return await run(context, { commands, globalFlags });
  } catch (error) {
    if (!(error instanceof SchemaBreach)) throw error;
    const { explain } = await import("../spec/explain.ts");
    throw error.explained(explain);
  }
}

/** 128 + signal when a signal has ended us, as a shell would see it; else 1, or 255 for exec as with runc. */
function failureStatus(error: unknown): number {
  if (error instanceof UserError && error.code === "interrupted") return 128 + host.caughtSignal();
  return isErrno(error, Errno.EINTR) && host.caughtSignal() > 0 ? 128 + host.caughtSignal() : ownFailure;
}

const SIGPIPE = 13;

/** Whoever read our output has enough of it (`tsrunc list | head -1`), which is no failure to speak of. */
function isLostReader(error: unknown): boolean {
  return isErrno(error, Errno.EPIPE) && error.call === "write" && error.subject === "descriptor 1";
}

/** Runs the command line and leaves. */
export async function start(): Promise<void> {
  let status: number;
  let failure: string | undefined;
  try {
    status = await main(host.args());
  } catch (error) {
    failure = sentence(error);
    if (isLostReader(error)) status = 128 + SIGPIPE;
    else {
      reportError(error, frame);
      status = failureStatus(error);
    }
  }
  endTrace(failure);
  host.exit(status);
}

/** Where the trace goes and what it is called, if there is one. */
let traced: readonly [path: string, command: string] | undefined;

function beginTrace(globals: Parsed, command: string): void {
  const path = textFlag(globals, "trace");
  if (path === undefined) return;
  traced = [path === "-" ? path : absolute(path), `tsrunc ${command}`];
  startTrace();
}

/** A trace that can't be written is no failure of the command. */
function endTrace(failure: string | undefined): void {
  if (traced === undefined) return;
  try {
    finishTrace(...traced, failure);
  } catch (error) {
    reportError(error, "tsrunc: can't write the trace: ");
  }
}
