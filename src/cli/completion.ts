// Completion scripts, made from the command table: what can follow is looked up in it when the script is written, only
// the ids of containers are asked for when the user presses tab.

import type { Command, CommandTable } from "./commands.ts";
import type { Flag } from "./flags.ts";

const writers: Readonly<Record<string, (table: CommandTable) => string>> = { bash, zsh, fish };

export const shells: readonly string[] = Object.keys(writers);

/** The script for a shell; undefined for a shell that we don't know. */
export function completionScript(shell: string, table: CommandTable): string | undefined {
  return Object.hasOwn(writers, shell) ? writers[shell]?.(table) : undefined;
}

const help: Flag = { name: "help", short: "h", kind: "boolean", description: "show help" };

function shownFlags({ flags }: Pick<Command, "flags">): readonly Flag[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  return shown.some(({ name }) => name === "help") ? shown : [...shown, help];
}

/** What a value or an argument is completed with. */
type Kind = { readonly words: readonly string[] } | "directory" | "file" | "id" | "signal" | "none";

function valueKind({ choices, value = "" }: Flag): Kind {
  if (choices !== undefined) return { words: choices };
  if (value === "DIR") return "directory";
  return value === "FILE" || value === "SOCKET" ? "file" : "none";
}

/** By position, from the words of the usage: "ID [SIGNAL]"; or of "this ... | that ..." the first words. */
function argumentKinds({ usage }: Command): readonly Kind[] {
  const ways = usage.split(" | ");
  if (ways.length > 1) return [{ words: ways.map((way) => way.split(" ")[0] ?? "") }];
  return usage
    .replaceAll(/[[\]]/g, "")
    .split(" ")
    .map((word) => {
      if (word === "ID") return "id";
      if (word === "SIGNAL") return "signal";
      return word.includes("|") ? { words: word.split("|") } : "none";
    });
}

const signals = "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH";

/** Both spellings of each flag's both names, as engines may write them too. */
function spellings({ name, short }: Flag): readonly string[] {
  return [`--${name}`, `-${name}`, ...(short === undefined ? [] : [`-${short}`])];
}

function dashed({ name, short }: Flag): readonly string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
}

// ---- bash ------------------------------------------------------------------------------------------------------------

/** A `case` arm of the script for each command, the global flags with the empty name. */
function bash({ commands, globalFlags }: CommandTable): string {
  const scopes = [{ name: "", flags: globalFlags }, ...commands];
  const flagLines = scopes.map(
    (scope) => `    "${scope.name}") echo "${shownFlags(scope).flatMap(dashed).join(" ")}" ;;`,
  );
  const valueLines = scopes.flatMap(({ name, flags }) =>
    flags
      .filter(({ kind }) => kind !== "boolean")
      .map((flag) => {
        const names = spellings(flag).map((spelling) => `"${name} ${spelling}"`);
        return `    ${names.join(" | ")}) echo "${bashWords(valueKind(flag))}" ;;`;
      }),
  );
  const argumentLines = commands.flatMap((command) =>
    argumentKinds(command).flatMap((kind, index) =>
      kind === "none" ? [] : [`    "${command.name} ${index + 1}") echo "${bashWords(kind)}" ;;`],
    ),
  );
  return `# bash completion for tsrunc: put it into /usr/share/bash-completion/completions/tsrunc, or
#   source <(tsrunc completion bash)

# The flags of a command; of none: the global ones.
_tsrunc_flags() {
  case "$1" in
${flagLines.join("\n")}
  esac
}

# What the value of a flag is: "COMMAND FLAG". Prints nothing for a flag that takes none.
_tsrunc_value() {
  case "$1" in
${valueLines.join("\n")}
  esac
}

# What an argument is: "COMMAND NUMBER".
_tsrunc_argument() {
  case "$1" in
${argumentLines.join("\n")}
  esac
}

_tsrunc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command="" kind="" word flag expected="" arguments=0 i
  local -a root=()
  COMPREPLY=()
  # The shell splits at "=": --flag=value comes as three words.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == "=" ]]; then
      continue
    elif [[ -n $expected ]]; then
      [[ $flag == *root ]] && root=(--root "$word")
      expected=""
    elif [[ $word == -* ]]; then
      flag=$word
      expected=$(_tsrunc_value "$command $word")
    elif [[ -z $command ]]; then
      command=$word
    else
      arguments=$((arguments + 1))
    fi
  done
  [[ $cur == "=" ]] && cur=""
  if [[ -n $expected ]]; then
    kind=$expected
  elif [[ $cur == -* ]]; then
    kind="words $(_tsrunc_flags "$command")"
  elif [[ -z $command ]]; then
    kind="words ${commands.map(({ name }) => name).join(" ")} help"
  elif [[ $command == help ]]; then
    kind="words ${commands.map(({ name }) => name).join(" ")}"
  else
    kind=$(_tsrunc_argument "$command $((arguments + 1))")
  fi
  case "$kind" in
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    id) mapfile -t COMPREPLY < <(compgen -W "$(tsrunc "\${root[@]}" list -q 2>/dev/null)" -- "$cur") ;;
    words*) mapfile -t COMPREPLY < <(compgen -W "\${kind#words}" -- "$cur") ;;
  esac
}

complete -o filenames -F _tsrunc tsrunc
`;
}

function bashWords(kind: Kind): string {
  if (typeof kind === "object") return `words ${kind.words.join(" ")}`;
  return kind === "signal" ? `words ${signals}` : kind;
}

// ---- zsh -------------------------------------------------------------------------------------------------------------

function zsh({ commands, globalFlags }: CommandTable): string {
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

// ---- fish ------------------------------------------------------------------------------------------------------------

function fish({ commands, globalFlags }: CommandTable): string {
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
