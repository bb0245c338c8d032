// The command line: find the command, run it, tell what went wrong, leave with the right status. Nothing happens when this
// module is loaded: in the static binary that was done by the build (native/quickjs/memory.h).

import { host } from "#host";
import { Errno, isErrno, UserError } from "../errors.ts";
import { SchemaBreach } from "../spec/breach.ts";
import { finishTrace, startTrace } from "../trace.ts";
import { type Command, commands, globalFlags } from "./commands.ts";
import { absolute, type Context, makeContext } from "./context.ts";
import { booleanFlag, nearest, type Parsed, parseFlags, textFlag } from "./flags.ts";
import { openLog, reportError } from "./report.ts";

/** Before the command is known, messages start with our name alone. */
let frame = "tsrunc: ";
let ownFailure = 1;

async function main(words: readonly string[]): Promise<number> {
  const globals = parseGlobals(words);
  const [name, ...rest] = globals.positionals;
  if (booleanFlag(globals, "version")) return (await import("./version.ts")).printVersion();
  if (name === undefined || name === "help" || booleanFlag(globals, "help")) {
    return (await import("./help.ts")).printHelp(name === "help" ? rest[0] : name);
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw unknownCommand(name);
  frame = `tsrunc ${name} failed: `;
  beginTrace(globals, name);
  if (name === "exec") ownFailure = 255;
  if (asksForHelp(rest, command)) return (await import("./help.ts")).printHelp(name);
  const parsed = parseFlags(rest, command.flags, command.stop);
  checkCount(command, parsed);
  const context = makeContext(globals, parsed);
  const { run } = await command.load();
  return await runExplained(run, context);
}

/** The log is opened first of all, so that even a mistyped flag is recorded where the engine looks. */
function parseGlobals(words: readonly string[]): Parsed {
  let globals: Parsed;
  try {
    globals = parseFlags(words, globalFlags, "first");
  } catch (error) {
    const path = flagValue(words, "log");
    const json = flagValue(words, "log-format") === "json";
    openLog(path, json ? "json" : "text", false);
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

function flagValue(words: readonly string[], flag: string): string | undefined {
  const index = words.findIndex((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
  const word = words[index];
  if (word === undefined) return undefined;
  return word.includes("=") ? word.slice(word.indexOf("=") + 1) : words[index + 1];
}

function asksForHelp(words: readonly string[], command: Command): boolean {
  const end = command.stop === "first" ? words.findIndex((word) => !word.startsWith("-")) : -1;
  const own = end < 0 ? words : words.slice(0, end);
  return own.some((word) => word === "--help" || word === "-h" || word === "-help");
}

function unknownCommand(name: string): UserError {
  const near = nearest(
    name,
    commands.map((command) => command.name),
  );
  return new UserError(`unknown command ${JSON.stringify(name)}`, {
    code: "usage",
    hint: near === undefined ? "see tsrunc --help" : `did you mean ${near}?`,
  });
}

function checkCount(command: Command, { positionals }: Parsed): void {
  const [least, most] = command.arguments;
  if (positionals.length >= least && positionals.length <= most) return;
  const wanted = least === most ? `exactly ${least}` : `${least} to ${most}`;
  throw new UserError(`"${command.name}" requires ${wanted} argument(s), not ${positionals.length}`, {
    code: "usage",
    hint: `usage: tsrunc ${command.name} [flags] ${command.usage}`.trimEnd(),
  });
}

/** A config that breaks the schema is explained by code that is loaded only then. */
async function runExplained(run: (context: Context) => number | Promise<number>, context: Context): Promise<number> {
  try {
    return await run(context);
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

/** Runs the command line and leaves. */
export async function start(): Promise<void> {
  let status: number;
  try {
    status = await main(host.args());
  } catch (error) {
    reportError(error, frame);
    status = failureStatus(error);
  }
  endTrace();
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
function endTrace(): void {
  if (traced === undefined) return;
  try {
    finishTrace(...traced);
  } catch (error) {
    reportError(error, "tsrunc: can't write the trace: ");
  }
}
