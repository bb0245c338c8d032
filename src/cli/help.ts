// --help, made from the command table.

import { host } from "#host";
import { UserError } from "../errors.ts";
import { commands, globalFlags } from "./commands.ts";
import type { Flag } from "./flags.ts";

/** Prints the help of one command, or the overview. */
export function printHelp(name: string | undefined): number {
  host.writeFd(1, name === undefined ? overview() : commandHelp(name));
  return 0;
}

function overview(): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    "tsrunc: an OCI runtime",
    "",
    "Usage: tsrunc [global flags] COMMAND [flags] [arguments]",
    "",
    "Commands:",
    ...lines,
    "",
    "Global flags:",
    ...flagLines(globalFlags),
    "",
    "tsrunc COMMAND --help tells more about a command.",
    "",
  ].join("\n");
}

function commandHelp(name: string): string {
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UserError(`unknown command ${JSON.stringify(name)}`, { code: "usage" });
  const flags = flagLines(command.flags);
  return [
    `tsrunc ${name}: ${command.summary}`,
    "",
    `Usage: tsrunc [global flags] ${name}${flags.length > 0 ? " [flags]" : ""} ${command.usage}`.trimEnd(),
    ...(flags.length > 0 ? ["", "Flags:", ...flags] : []),
    "",
  ].join("\n");
}

function flagLines(flags: readonly Flag[]): readonly string[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  const names = shown.map(({ name, short, value }) => {
    const both = short === undefined ? `    --${name}` : `-${short}, --${name}`;
    return value === undefined ? both : `${both} ${value}`;
  });
  const width = Math.max(0, ...names.map((text) => text.length));
  return shown.map(({ description }, index) => `  ${(names[index] ?? "").padEnd(width)}  ${description}`);
}
