// Completion for fish: one `complete` command for each flag, command and argument.

import type { CommandTable } from "../commands.ts";
import type { Flag } from "../flags.ts";
import { argumentKinds, type Kind, shownFlags, signals, valueKind } from "./kinds.ts";

export function fish({ commands, globalFlags }: CommandTable): string {
  const none = `not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(" ")}`;
  const lines = [
    ...shownFlags({ flags: globalFlags }).map((flag) => fishFlag(flag, none)),
    ...commands.map(
      ({ name, summary }) => `complete -c tsrunc -n ${quotedFish(none)} -a ${name} -d ${quotedFish(summary)}`,
    ),
    ...commands.flatMap((command) => {
      const seen = `__fish_seen_subcommand_from ${command.name}`;
      const words = argumentKinds(command).flatMap((kind) => fishWords(kind) ?? []);
      return [
        ...shownFlags(command).map((flag) => fishFlag(flag, seen)),
        ...words.map((list) => `complete -c tsrunc -n ${quotedFish(seen)} -a ${quotedFish(list)}`),
      ];
    }),
  ];
  return `# fish completion for tsrunc: put it into ~/.config/fish/completions/tsrunc.fish, or
#   tsrunc completion fish | source

complete -c tsrunc -f
${lines.join("\n")}
`;
}

function fishFlag(flag: Flag, condition: string): string {
  const { name, short, kind, description } = flag;
  const letter = short === undefined ? "" : ` -s ${short}`;
  const action = kind === "boolean" ? "" : fishValue(valueKind(flag));
  return `complete -c tsrunc -n ${quotedFish(condition)} -l ${name}${letter}${action} -d ${quotedFish(description)}`;
}

function fishValue(kind: Kind): string {
  if (kind === "directory") return " -x -a '(__fish_complete_directories)'";
  if (kind === "file") return " -r -F";
  const words = fishWords(kind);
  return words === undefined ? " -x" : ` -x -a ${quotedFish(words)}`;
}

function fishWords(kind: Kind): string | undefined {
  if (typeof kind === "object") return kind.words.join(" ");
  if (kind === "id") return "(tsrunc list -q 2>/dev/null)";
  return kind === "signal" ? signals : undefined;
}

function quotedFish(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
