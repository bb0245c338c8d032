/** Why a program can't be executed: execve(2) has few words for many reasons, engines and people need the right one. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { describeRuntimes } from "../harness/describe.ts";
import { probeProgram } from "../harness/probe.ts";

const executable =
  (content: string | Uint8Array, mode = 0o755) =>
  (path: string): void => {
    writeFileSync(path, content);
    chmodSync(path, mode);
  };

/** The probe with the machine of its ELF header changed: EM_AARCH64 on x86_64, else EM_X86_64. */
function foreignProgram(): Uint8Array {
  const bytes = Uint8Array.from(readFileSync(probeProgram()));
  bytes.set(process.arch === "x64" ? [183, 0] : [62, 0], 18);
  return bytes;
}

/** A program that names a loader which no root file system has: one PT_INTERP header, and nothing else. */
function programWithLoader(loader: string): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true); // ET_DYN
  view.setUint16(18, process.arch === "x64" ? 62 : 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(32, 64n, true); // program headers come next
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 3, true); // PT_INTERP
  view.setBigUint64(72, 512n, true);
  view.setBigUint64(96, BigInt(loader.length + 1), true);
  bytes.set(new TextEncoder().encode(loader), 512);
  return bytes;
}

type Case = readonly [name: string, make: ((path: string) => void) | undefined, words: RegExp, code: RegExp];

/** What Docker and Podman make exit status 126 and 127 of. */
const notFound = /no such file or directory|executable file not found in \$PATH/;
const notRunnable = /permission denied|exec format error|is a directory/;

const atCreate: readonly Case[] = [
  ["missing", undefined, /"\/prog".*no such file or directory/, notFound],
  ["not executable", executable("#!/bin/sh\n", 0o644), /"\/prog".*permission denied/, notRunnable],
  ["a directory", (path) => mkdirSync(path), /"\/prog".*is a directory/, notRunnable],
  ["a dangling link", (path) => symlinkSync("/nowhere", path), /"\/prog".*no such file or directory/, notFound],
];

const atStart: readonly Case[] = [
  [
    "of another architecture",
    executable(foreignProgram()),
    /"\/prog": made for (aarch64|x86_64), this machine is (x86_64|aarch64).*exec format error/,
    notRunnable,
  ],
  [
    "a script whose interpreter is missing",
    executable("#!/no/such/sh -e\n"),
    /"\/prog": its interpreter "\/no\/such\/sh".*no such file or directory/,
    notFound,
  ],
  [
    "a script whose interpreter is not executable",
    executable("#! /etc/passwd\n"),
    /"\/prog": it or its interpreter "\/etc\/passwd".*permission denied/,
    notRunnable,
  ],
  [
    "a script with CR LF line ends",
    executable("#!/bin/sh\r\necho\r\n"),
    /"\/prog": its first line ends with a carriage return \(CR LF line ends\).*no such file or directory/,
    notFound,
  ],
  [
    "without its loader",
    executable(programWithLoader("/lib/ld-nowhere.so.1")),
    /"\/prog": its loader "\/lib\/ld-nowhere\.so\.1".*no such file or directory/,
    notFound,
  ],
  ["empty", executable(""), /"\/prog": the file is empty.*exec format error/, notRunnable],
  [
    "a text without #!",
    executable("echo hello\n"),
    /"\/prog": neither a program nor a script that begins with #!.*exec format error/,
    notRunnable,
  ],
];

describeRuntimes("fields: programs that can't be executed", ({ test }) => {
  for (const [name, make, words, code] of [...atCreate, ...atStart]) {
    test(`run tells of a program that is ${name}`, async ({ box }) => {
      const bundle = box.bundle(["/prog"], { rootfs: (path) => make?.(join(path, "prog")) });
      const stderr = await box.fails(["run", "--bundle", bundle, box.newId()]);
      expect(stderr).toMatch(words);
      expect(stderr).toMatch(code);
      expect(stderr.trimEnd()).not.toContain("\n");
      expect(box.leftovers()).toEqual([]);
    });

    test(`exec tells of a program that is ${name}`, async ({ box }) => {
      const container = await box.start(["/bin/sleep", "1000"], { rootfs: (path) => make?.(join(path, "prog")) });
      const stderr = await box.fails(["exec", container.id, "/prog"], { code: 255 });
      expect(stderr).toMatch(words);
      expect(stderr).toMatch(code);
    });
  }

  for (const [name, make, words] of atCreate) {
    test(`create refuses a program that is ${name}`, async ({ box }) => {
      const bundle = box.bundle(["/prog"], { rootfs: (path) => make?.(join(path, "prog")) });
      expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(words);
      expect(box.leftovers()).toEqual([]);
    });
  }

  for (const [name, make, words] of atStart) {
    test(`start tells of a program that is ${name}`, async ({ box }) => {
      const container = await box.create(["/prog"], { rootfs: (path) => make?.(join(path, "prog")) });
      expect(await box.fails(["start", container.id])).toMatch(words);
      await container.until("stopped");
    });
  }

  test("a name is looked for in PATH, and what can't be executed there is passed over", async ({ box }) => {
    const result = await box.run(["prog", "cwd"], {
      rootfs: (path) => {
        mkdirSync(join(path, "first/prog"), { recursive: true });
        mkdirSync(join(path, "second"));
        writeFileSync(join(path, "second/prog"), "");
        mkdirSync(join(path, "third"));
        copyFileSync(probeProgram(), join(path, "third/prog"));
      },
      config: (config) => {
        config.process.env.push("PATH=/first:/second:/third");
      },
    });
    expect(result.code, result.stderr).toBe(0);
    expect(JSON.parse(result.stdout)).toEqual({ cwd: "/" });
  });
});
