// What can stand in each place of a command line, read from the command table. The same for every shell.

import type { Command } from "../commands.ts";
import type { Flag } from "../flags.ts";

const help: Flag = { name: "help", short: "h", kind: "boolean", description: "show help" };

/** The flags that are offered: those of the help, and help itself. */
export function shownFlags({ flags }: Pick<Command, "flags">): readonly Flag[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  return shown.some(({ name }) => name === "help") ? shown : [...shown, help];
}

/** What a value or an argument is completed with. */
export type Kind = { readonly words: readonly string[] } | "directory" | "file" | "id" | "signal" | "none";

export function valueKind({ choices, value = "" }: Flag): Kind {
  if (choices !== undefined) return { words: choices };
  if (value === "DIR") return "directory";
  return value === "FILE" || value === "SOCKET" ? "file" : "none";
}

/** By position, from the words of the usage: "ID [SIGNAL]"; or of "this ... | that ..." the first words. */
export function argumentKinds({ usage }: Command): readonly Kind[] {
  const ways = usage.split(" | ");
  if (ways.length > 1) return [{ words: ways.map((way) => way.split(" ")[0] ?? "") }];
  return usage
    .replaceAll(/[[\]]/g, "")
    .split(" ")
    .map((word) => {
      if (word === "ID") return "id";
      if (word === "SIGNAL") return "signal";
      if (word === "FILE") return "file";
      return word.includes("|") ? { words: word.split("|") } : "none";
    });
}

export const signals = "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH";

/** The names of a flag as they are offered. */
export function dashed({ name, short }: Flag): readonly string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
}
