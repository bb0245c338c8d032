// From words to a command with its flags and arguments. Pure: nothing is looked at but the words.

import { UserError } from "../errors.ts";
import { type Command, commands, globalFlags } from "./commands.ts";
import { booleanFlag, type Flag, nearest, type Parsed, parseFlags } from "./flags.ts";

/** The command of this name. UserError (code "usage") with what it may have been meant to be. */
export function commandNamed(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const near = nearest(
    name,
    commands.map((candidate) => candidate.name),
  );
  throw new UserError(`unknown command ${JSON.stringify(name)}`, {
    code: "usage",
    hint: near === undefined ? "see tsrunc --help" : `did you mean ${near}?`,
  });
}

/** Every command has it, so no table names it. */
const helpFlag: Flag = { name: "help", short: "h", kind: "boolean", description: "show help" };

/** The flags and arguments of a command, their number checked; "help" when that is all that is wanted. */
export function readArguments(command: Command, words: readonly string[]): Parsed | "help" {
  const parsed = parseFlags(words, [...command.flags, helpFlag], command.stop, globalFlags);
  if (booleanFlag(parsed, "help")) return "help";
  const count = parsed.positionals.length;
  const [least, most] = command.arguments;
  if (count >= least && count <= most) return parsed;
  const wanted = least === most ? `exactly ${least}` : count < least ? `a minimum of ${least}` : `a maximum of ${most}`;
  throw new UserError(`"${command.name}" requires ${wanted} argument(s), not ${count}`, {
    code: "usage",
    hint: `usage: tsrunc ${command.name} [flags] ${command.usage}`.trimEnd(),
  });
}
