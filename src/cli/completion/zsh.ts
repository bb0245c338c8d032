// Completion for zsh: specifications for _arguments.

import type { Command, CommandTable } from "../commands.ts";
import type { Flag } from "../flags.ts";
import { argumentKinds, dashed, type Kind, shownFlags, signals, valueKind } from "./kinds.ts";

export function zsh({ commands, globalFlags }: CommandTable): string {
  const names = commands.map(({ name, summary }) => `    ${quoted(`${zshEscape(name)}:${summary}`)}`);
  const cases = commands.map((command) => {
    const lines = [...shownFlags(command).flatMap(zshFlag), ...zshArguments(command)];
    return `    ${command.name})\n      _arguments -s ${lines.map(quoted).join(" \\\n        ")}\n      ;;`;
  });
  return `#compdef tsrunc
# zsh completion for tsrunc: put it into a directory of $fpath as _tsrunc, or
#   source <(tsrunc completion zsh)

_tsrunc_ids() {
  local -a ids root
  [[ -n \${opt_args[--root]:-} ]] && root=(--root "\${opt_args[--root]}")
  ids=(\${(f)"$(tsrunc $root list -q 2>/dev/null)"})
  compadd -a ids
}

_tsrunc_commands() {
  local -a names=(
${names.join("\n")}
  )
  _describe command names
}

_tsrunc() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C ${shownFlags({ flags: globalFlags }).flatMap(zshFlag).map(quoted).join(" \\\n    ")} \\
    '1:command:_tsrunc_commands' \\
    '*::argument:->argument'
  [[ $state == argument ]] || return 0
  case $line[1] in
${cases.join("\n")}
  esac
}

if [[ $funcstack[1] == _tsrunc ]]; then
  _tsrunc "$@"
else
  compdef _tsrunc tsrunc
fi
`;
}

function zshFlag(flag: Flag): readonly string[] {
  const { description, kind, value = "" } = flag;
  const argument = kind === "boolean" ? "" : `:${zshEscape(value)}:${zshAction(valueKind(flag))}`;
  const repeated = kind === "list" ? "*" : "";
  return dashed(flag).map((name) => `${repeated}${name}[${zshEscape(description)}]${argument}`);
}

function zshArguments(command: Command): readonly string[] {
  return argumentKinds(command).flatMap((kind, index) =>
    kind === "none" ? [] : [`${index + 1}:argument:${zshAction(kind)}`],
  );
}

function zshAction(kind: Kind): string {
  if (typeof kind === "object") return `(${kind.words.join(" ")})`;
  return { directory: "_files -/", file: "_files", id: "_tsrunc_ids", signal: `(${signals})`, none: " " }[kind];
}

function zshEscape(text: string): string {
  return text.replaceAll(/[:[\]\\]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
