// Completion scripts, made from the command table: what can follow is looked up in it when the script is written, only
// the ids of containers are asked for when the user presses tab.

import type { CommandTable } from "./commands.ts";
import { bash } from "./completion/bash.ts";
import { fish } from "./completion/fish.ts";
import { zsh } from "./completion/zsh.ts";

const writers: Readonly<Record<string, (table: CommandTable) => string>> = { bash, zsh, fish };

export const shells: readonly string[] = Object.keys(writers);

/** The script for a shell; undefined for a shell that we don't know. */
export function completionScript(shell: string, table: CommandTable): string | undefined {
  return Object.hasOwn(writers, shell) ? writers[shell]?.(table) : undefined;
}
