/** Everything that is made of the command table: help, man pages, completion scripts. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { commands, globalFlags } from "../../../src/cli/commands.ts";
import { completionScript, shells } from "../../../src/cli/completion.ts";
import { documents } from "../../../src/cli/documents.ts";
import { manual } from "../../../src/cli/manual.ts";
import { repository } from "../../harness/paths.ts";

const table = { commands, globalFlags };
const scratch = mkdtempSync(join(tmpdir(), "tsrunc-table-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("the command table", () => {
  test.each(commands.map(({ name }) => name))("%s: sound flags, and a page in the manual", (name) => {
    const command = commands.find((candidate) => candidate.name === name);
    const flags = command?.flags ?? [];
    const names = flags.flatMap((flag) => [flag.name, ...(flag.short === undefined ? [] : [flag.short])]);
    expect(new Set(names).size).toBe(names.length);
    expect(names).not.toContain("h");
    for (const { kind, value, hidden, description } of flags) {
      expect(value === undefined).toBe(kind === "boolean");
      if (hidden !== true) expect(description).not.toBe("");
    }
    expect(manual[name]?.text.length).toBeGreaterThan(0);
    expect(manual[name]?.examples.length).toBeGreaterThan(0);
  });

  test("the manual has no page of a command that is gone", () => {
    const names = commands.map(({ name }) => name);
    expect(Object.keys(manual).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe("documents", () => {
  test("what is in the repository is up to date (npm run generate)", () => {
    for (const [path, text] of documents()) expect(readFileSync(join(repository, path), "utf8"), path).toBe(text);
    const pages = documents().map(([path]) => path);
    expect(readdirSync(join(repository, "man")).filter((name) => !pages.includes(`man/${name}`))).toEqual([]);
  });

  test("each visible flag is in the page of its command", () => {
    const pages = new Map(documents());
    for (const { name, flags } of commands)
      for (const flag of flags)
        expect(pages.get(`man/tsrunc-${name}.8`)?.includes(`\\fB\\-\\-${flag.name.replaceAll("-", "\\-")}\\fR`)).toBe(
          flag.hidden !== true,
        );
  });

  const groff = has("groff");
  test.skipIf(!groff)(`man pages are what groff understands${groff ? "" : " [groff is not installed]"}`, () => {
    for (const [path, text] of documents().filter(([name]) => name.endsWith(".8"))) {
      const output = execFileSync("groff", ["-man", "-Tascii", "-ww", "-z"], { input: text, stdio: "pipe" });
      expect(output.toString(), path).toBe("");
    }
  });
});

function has(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => {
    try {
      return readdirSync(folder).includes(program);
    } catch {
      return false;
    }
  });
}

describe("completion", () => {
  test("an unknown shell has no script", () => {
    expect(completionScript("tcsh", table)).toBeUndefined();
    expect(completionScript("toString", table)).toBeUndefined();
  });

  test.each(shells)("%s: every visible flag and command is in the script", (shell) => {
    const script = completionScript(shell, table) ?? "";
    for (const { name, flags } of commands) {
      expect(script).toContain(name);
      for (const flag of flags) if (flag.hidden !== true) expect(script).toMatch(new RegExp(`(-l |--)${flag.name}\\b`));
    }
    expect(script).not.toContain("undefined");
  });

  for (const shell of shells) {
    const found = has(shell);
    test.skipIf(!found)(`${shell} can read it${found ? "" : " [not installed]"}`, () => {
      const path = join(scratch, `script.${shell}`);
      writeFileSync(path, completionScript(shell, table) ?? "");
      execFileSync(shell, ["-n", path], { stdio: "pipe" });
    });
  }

  /** What bash offers at the end of the words; a fake tsrunc lists two containers. */
  function offered(...words: string[]): string[] {
    const script = `
      tsrunc() { if [[ "$*" == "--root /other list -q" ]]; then echo far; else printf '%s\\n' web1 web2; fi; }
      source /dev/stdin <<< "$SCRIPT"
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tsrunc; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const output = execFileSync("bash", ["--norc", "-c", script, "bash", "tsrunc", ...words], {
      env: { PATH: process.env["PATH"] ?? "", SCRIPT: completionScript("bash", table) ?? "" },
      cwd: scratch,
      encoding: "utf8",
    });
    return output.split("\n").filter((line) => line !== "");
  }

  test("bash: commands", () => {
    expect(offered("st")).toEqual(["start", "state"]);
    expect(offered("")).toEqual([...commands.map(({ name }) => name), "help"]);
    expect(offered("help", "cr")).toEqual(["create"]);
    expect(offered("--root", "/x", "--debug", "pau")).toEqual(["pause"]);
  });

  test("bash: flags, of the command or global", () => {
    expect(offered("--sys")).toEqual(["--systemd-cgroup"]);
    expect(offered("create", "--no-")).toEqual(["--no-pivot", "--no-new-keyring"]);
    expect(offered("create", "--sys")).toEqual([]);
  });

  test("bash: ids, of the root that is named", () => {
    expect(offered("start", "")).toEqual(["web1", "web2"]);
    expect(offered("kill", "--all", "web2")).toEqual(["web2"]);
    expect(offered("--root", "/other", "start", "")).toEqual(["far"]);
    expect(offered("--root", "=", "/other", "start", "")).toEqual(["far"]);
    expect(offered("start", "web1", "")).toEqual([]);
  });

  test("bash: values", () => {
    expect(offered("list", "--format", "")).toEqual(["table", "json"]);
    expect(offered("list", "--format", "=")).toEqual(["table", "json"]);
    expect(offered("list", "--format", "=", "j")).toEqual(["json"]);
    expect(offered("kill", "web1", "US")).toEqual(["USR1", "USR2"]);
    expect(offered("completion", "")).toEqual([...shells]);
    expect(offered("seccomp", "")).toEqual(["explain", "trace"]);
    execFileSync("mkdir", ["-p", join(scratch, "dir1")]);
    writeFileSync(join(scratch, "file1"), "");
    expect(offered("create", "--bundle", "")).toEqual(["dir1"]);
    expect(offered("create", "--pid-file", "f")).toEqual(["file1"]);
  });
});
