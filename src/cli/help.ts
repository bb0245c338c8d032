// --help, made from the command table and the manual.

import { host } from "#host";
import { commands, globalFlags } from "./commands.ts";
import type { Flag } from "./flags.ts";
import { manual } from "./manual.ts";
import { commandNamed } from "./request.ts";

/** Prints the help of one command, or the overview. */
export function printHelp(name: string | undefined): number {
  host.writeFd(1, name === undefined ? overview() : commandHelp(name));
  return 0;
}

function overview(): string {
  return [
    "tsrunc: an OCI runtime",
    "",
    "Usage: tsrunc [global flags] COMMAND [flags] [arguments]",
    "",
    "Commands:",
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    "",
    "Global flags:",
    ...flagLines(globalFlags),
    "",
    "tsrunc COMMAND --help tells more about a command.",
    "",
  ].join("\n");
}

function commandHelp(name: string): string {
  const command = commandNamed(name);
  const flags = flagLines(command.flags);
  const { text = [], examples = [] } = manual[name] ?? {};
  return [
    `tsrunc ${name}: ${command.summary}`,
    "",
    `Usage: tsrunc [global flags] ${name}${flags.length > 0 ? " [flags]" : ""} ${command.usage}`.trimEnd(),
    ...text.flatMap((paragraph) => ["", ...wrap(paragraph, screenWidth)]),
    ...(flags.length > 0 ? ["", "Flags:", ...flags] : []),
    ...(examples.length > 0 ? ["", "Examples:"] : []),
    ...examples.flatMap(([line, meaning]) => [`  ${line}`, `      ${meaning}`]),
    "",
  ].join("\n");
}

function flagLines(flags: readonly Flag[]): readonly string[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  return columns(
    shown.map(({ name, short, value, description }) => {
      const both = short === undefined ? `    --${name}` : `-${short}, --${name}`;
      return [value === undefined ? both : `${both} ${value}`, description];
    }),
  );
}

const screenWidth = 80;
const widestLeft = 32;

/** Two columns; the right one wrapped, and on a line of its own beside a left one that is too wide. */
function columns(rows: readonly (readonly [left: string, right: string])[]): readonly string[] {
  const width = Math.min(widestLeft, Math.max(0, ...rows.map(([left]) => left.length)));
  const margin = " ".repeat(width + 4);
  return rows.flatMap(([left, right]) => {
    const [first = "", ...rest] = wrap(right, screenWidth - margin.length);
    const more = rest.map((line) => `${margin}${line}`);
    if (left.length > width) return [`  ${left}`, `${margin}${first}`, ...more];
    return [`  ${left.padEnd(width)}  ${first}`, ...more];
  });
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
