// Man pages and docs/commands.md from the same table as --help. Not part of the program: tools/gen-documents.mjs runs
// it and writes the files.

import { type Command, commands, globalFlags } from "./commands.ts";
import type { Flag } from "./flags.ts";
import { manual } from "./manual.ts";

/** All generated files: path in the repository and text. */
export function documents(): readonly (readonly [path: string, text: string])[] {
  return [
    ["man/tsrunc.8", mainPage()],
    ...commands.map((command) => [`man/tsrunc-${command.name}.8`, commandPage(command)] as const),
    ["docs/commands.md", markdown()],
  ];
}

// ---- man pages (groff_man(7)) ------------------------------------------------------------------------------------------

const generated = '.\\" Made by tools/gen-documents.mjs from src/cli/commands.ts and src/cli/manual.ts';

function mainPage(): string {
  return page("tsrunc", "an OCI runtime", [
    section("SYNOPSIS", [".B tsrunc", "[\\fIglobal flags\\fR] \\fICOMMAND\\fR [\\fIflags\\fR] [\\fIarguments\\fR]"]),
    section("DESCRIPTION", [
      roff(
        "tsrunc starts containers as the OCI runtime specification describes them, and is called by container engines " +
          "such as Podman, Docker, containerd and CRI-O in the place of runc or crun.",
      ),
      ".PP",
      roff(
        "A container is described by a bundle: a directory with config.json and a root file system. Flags may be " +
          "written with one dash or two, their value after = or as the next word. A flag that is given twice counts " +
          "as given last. -- ends the flags.",
      ),
    ]),
    section(
      "COMMANDS",
      commands.flatMap(({ name, summary }) => [".TP", `.BR tsrunc\\-${roff(name)} (8)`, roff(summary)]),
    ),
    section("GLOBAL FLAGS", flagItems(globalFlags)),
    section("EXIT STATUS", [
      roff(
        "0 for success, 1 for any failure. run and exec in the foreground have the status of the program, or 128 and " +
          "the number of the signal that has killed it; exec has 255 when its process couldn't be run, and 124 when " +
          "--timeout has ended it.",
      ),
      ".PP",
      roff(
        "A failure is told in one line on standard error, and with --log in one record there, which with " +
          "--log-format json has a stable code and the place in config.json.",
      ),
    ]),
    section("FILES", [
      ".TP",
      ".I /run/tsrunc",
      "state of the containers of root",
      ".TP",
      ".I $XDG_RUNTIME_DIR/tsrunc",
      "state of the containers of another user, who may be root of a user namespace",
    ]),
    section("SEE ALSO", [commands.map(({ name }) => `.BR tsrunc\\-${roff(name)} (8)`).join(",\n")]),
  ]);
}

function commandPage(command: Command): string {
  const { name, summary, usage, flags } = command;
  const { text = [], examples = [] } = manual[name] ?? {};
  const shown = flags.filter(({ hidden }) => hidden !== true);
  return page(`tsrunc-${name}`, summary, [
    section(
      "SYNOPSIS",
      [`.B tsrunc ${roff(name)}`, `${shown.length > 0 ? "[\\fIflags\\fR] " : ""}${roff(usage)}`.trim()].filter(
        (line) => line !== "",
      ),
    ),
    section(
      "DESCRIPTION",
      text.flatMap((paragraph, index) => [...(index > 0 ? [".PP"] : []), roff(paragraph)]),
    ),
    ...(shown.length > 0 ? [section("FLAGS", flagItems(shown))] : []),
    ...(examples.length > 0
      ? [
          section(
            "EXAMPLES",
            examples.flatMap(([line, meaning]) => [".TP", `.B ${roff(line)}`, roff(meaning)]),
          ),
        ]
      : []),
    section("SEE ALSO", [".BR tsrunc (8)"]),
  ]);
}

function page(name: string, summary: string, sections: readonly string[]): string {
  return [
    generated,
    `.TH ${roff(name.toUpperCase())} 8`,
    section("NAME", [`${roff(name)} \\- ${roff(summary)}`]),
    ...sections,
    "",
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join("\n");
}

function flagItems(flags: readonly Flag[]): readonly string[] {
  return flags
    .filter(({ hidden }) => hidden !== true)
    .flatMap(({ name, short, value, description }) => {
      const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].map((word) => `\\fB${roff(word)}\\fR`);
      return [".TP", `${names.join(", ")}${value === undefined ? "" : ` \\fI${roff(value)}\\fR`}`, roff(description)];
    });
}

/** Text as roff wants it: a dash that can be copied, no line that looks like a request. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=['.])/, "\\&");
}

// ---- markdown ------------------------------------------------------------------------------------------------------------

function markdown(): string {
  return [
    "# Commands",
    "",
    "Made by `npm run generate` from `src/cli/commands.ts` and `src/cli/manual.ts`, as `tsrunc COMMAND --help` and the man",
    "pages are.",
    "",
    "`tsrunc [global flags] COMMAND [flags] [arguments]`",
    "",
    ...flagTable(globalFlags),
    ...commands.flatMap(commandChapter),
  ].join("\n");
}

function commandChapter({ name, summary, usage, flags }: Command): readonly string[] {
  const { text = [], examples = [] } = manual[name] ?? {};
  return [
    `## ${name}`,
    "",
    `\`${`tsrunc ${name} ${usage}`.trim()}\`: ${summary}`,
    "",
    ...text.flatMap((paragraph) => [paragraph, ""]),
    ...flagTable(flags),
    ...(examples.length === 0
      ? []
      : ["```sh", ...examples.map(([line, meaning]) => `${line}   # ${meaning}`), "```", ""]),
  ];
}

function flagTable(flags: readonly Flag[]): readonly string[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  if (shown.length === 0) return [];
  const rows = shown.map(({ name, short, value, description }) => {
    const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].join(", ");
    return `| \`${`${names} ${value ?? ""}`.trim().replaceAll("|", "\\|")}\` | ${description.replaceAll("|", "\\|")} |`;
  });
  return ["| flag | |", "|---|---|", ...rows, ""];
}
