// Completion for bash: the table as `case` statements, and one function that finds out where in the line we are.

import type { CommandTable } from "../commands.ts";
import type { Flag } from "../flags.ts";
import { argumentKinds, dashed, type Kind, shownFlags, signals, valueKind } from "./kinds.ts";

/** A `case` arm of the script for each command, the global flags with the empty name. */
export function bash({ commands, globalFlags }: CommandTable): string {
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

/** Both spellings of each flag's both names, as engines may write them too. */
function spellings({ name, short }: Flag): readonly string[] {
  return [`--${name}`, `-${name}`, ...(short === undefined ? [] : [`-${short}`])];
}
