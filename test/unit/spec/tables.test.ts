// The tables' numbers against this machine's kernel headers, by a C program that prints what it is asked for.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { capabilities, capabilityMask, capabilityNumber } from "../../../src/spec/tables/capabilities.ts";
import * as flags from "../../../src/spec/tables/mount-flags.ts";
import { mountOption, mountOptionWords } from "../../../src/spec/tables/mount-options.ts";
import { namespaces } from "../../../src/spec/tables/namespaces.ts";
import { rlimitNumber, rlimits, unlimited } from "../../../src/spec/tables/rlimits.ts";
import { signalNumber, signals } from "../../../src/spec/tables/signals.ts";

const compiler = spawnSync("cc", ["--version"]).status === 0 ? "" : " (skipped: no C compiler)";

/** The values of C constants on this machine; undefined for those its headers don't have. */
function constants(names: readonly string[]): Record<string, bigint | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "tables-"));
  try {
    const headers = ["signal", "sched", "sys/resource", "linux/capability", "linux/mount"];
    const source = [
      "#define _GNU_SOURCE",
      ...headers.map((name) => `#include <${name}.h>`),
      "#include <stdio.h>",
      "int main(void) {",
      ...names.map((name) => `#ifdef ${name}\n\tprintf("${name} %llu\\n", (unsigned long long)(${name}));\n#endif`),
      "\treturn 0;",
      "}",
    ];
    writeFileSync(join(folder, "print.c"), source.join("\n"));
    execFileSync("cc", ["-o", join(folder, "print"), join(folder, "print.c")]);
    const lines = execFileSync(join(folder, "print"), { encoding: "utf8" }).trim().split("\n");
    return Object.fromEntries(
      lines.map((line) => line.split(" ")).map(([name = "", value = "0"]) => [name, BigInt(value)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(compiler !== "")(`numbers of this machine's headers${compiler}`, () => {
  /** Compares a table; names that older headers lack are listed, so that a typing error can't hide among them. */
  function compare(table: Readonly<Record<string, number>>, mayLack: readonly string[]): void {
    const real = constants(Object.keys(table));
    const missing = Object.keys(table).filter((name) => real[name] === undefined);
    expect(missing.filter((name) => !mayLack.includes(name))).toEqual([]);
    const present = Object.entries(table).filter(([name]) => real[name] !== undefined);
    expect(present.map(([name, value]) => [name, BigInt(value)])).toEqual(present.map(([name]) => [name, real[name]]));
  }

  test("capabilities", () => {
    compare(capabilities, ["CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"]);
    expect(constants(["CAP_LAST_CAP"])["CAP_LAST_CAP"]).toBeLessThanOrEqual(
      BigInt(Object.keys(capabilities).length - 1),
    );
  });
  test("resource limits", () => {
    compare(rlimits, []);
    expect(constants(["RLIM_INFINITY"])["RLIM_INFINITY"]).toBe(unlimited);
  });
  test("signals", () => {
    compare(Object.fromEntries(Object.entries(signals).map(([name, number]) => [`SIG${name}`, number])), []);
  });
  test("mount flags", () => compare(flags, ["MS_NOSYMFOLLOW", "MOUNT_ATTR_NOSYMFOLLOW"]));
  test("namespaces", () => {
    const prefix = {
      mount: "NS",
      network: "NET",
      cgroup: "CGROUP",
      ipc: "IPC",
      pid: "PID",
      time: "TIME",
      user: "USER",
      uts: "UTS",
    };
    const table = Object.entries(namespaces).map(([type, { flag }]) => [
      `CLONE_NEW${prefix[type as keyof typeof prefix]}`,
      flag,
    ]);
    compare(Object.fromEntries(table), ["CLONE_NEWTIME"]);
  });
});

describe("capabilities", () => {
  test("are the 41 of Linux 5.9 and later, numbered without a gap", () => {
    expect(Object.values(capabilities)).toEqual(Array.from({ length: 41 }, (_, number) => number));
  });
  test("make a mask", () => {
    expect(capabilityMask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE", "CAP_NONE", "toString"])).toBe((1n << 40n) | 1n);
    expect(capabilityNumber("constructor")).toBeUndefined();
  });
});

test("names of every object are no resource limits", () => {
  expect(rlimitNumber("RLIMIT_NOFILE")).toBe(7);
  expect(rlimitNumber("toString")).toBeUndefined();
});

describe("signals", () => {
  const accepted: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["9", 9],
    ["64", 64],
    ["KILL", 9],
    ["SIGKILL", 9],
    ["sigterm", 15],
    ["usr1", 10],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["RTMIN+30", 64],
    ["RTMAX", 64],
    ["rtmax-30", 34],
  ];
  test.each(accepted)("%s is %d", (text, number) => expect(signalNumber(text)).toBe(number));
  test.each([
    "",
    "65",
    "-9",
    "SIGFOO",
    "SIG",
    "TERM ",
    "15abc",
    "RTMIN-1",
    "RTMAX+1",
    "RTMIN+31",
    "RTMIN+",
    "+9",
    "0x9",
    "toString",
  ])("%j is none", (text) => expect(signalNumber(text)).toBeUndefined());
});

describe("mount options", () => {
  const words = mountOptionWords();

  test("are those of the spec and of runc, and crun's for links", () => {
    const both = (names: string): string[] => names.split(" ").flatMap((name) => [name, `r${name}`]);
    const expected = [
      "defaults sync async dirsync lazytime nolazytime mand nomand iversion noiversion silent loud".split(" "),
      "remount tmpcopyup copy-symlink src-nofollow dest-nofollow".split(" "),
      both("bind idmap private shared slave unbindable"),
      both("ro rw nosuid suid nodev dev noexec exec nosymfollow symfollow noatime atime nodiratime diratime"),
      both("relatime norelatime strictatime nostrictatime"),
    ].flat();
    expect([...words].sort()).toEqual([...expected].sort());
  });

  test("idmap may have a value", () => {
    expect(mountOption("idmap=a;b")).toEqual({ kind: "idmap", recursive: false, mappings: "a;b" });
    expect(mountOption("ridmap=")).toEqual({ kind: "idmap", recursive: true, mappings: "" });
    expect(mountOption("idmapped=1")).toBeUndefined();
  });

  test.each(words)("%s has an r-form that differs in nothing else, if any", (word) => {
    const option = mountOption(word);
    const recursive = mountOption(`r${word}`);
    if (recursive === undefined || option === undefined) return expect(option).toBeDefined();
    expect({ ...recursive, recursive: false }).toEqual(option);
    expect(recursive).toHaveProperty("recursive", true);
  });

  test("opposites undo each other", () => {
    for (const [on, off] of [
      ["ro", "rw"],
      ["nosuid", "suid"],
      ["noexec", "exec"],
      ["nosymfollow", "symfollow"],
    ] as const) {
      const [set, clear] = [mountOption(on), mountOption(off)];
      if (set?.kind !== "attribute" || clear?.kind !== "attribute")
        throw new Error(`${on} or ${off} sets no attribute`);
      expect([set.set, set.clear, set.ms]).toEqual([
        clear.clear,
        clear.set,
        { set: clear.ms.clear, clear: clear.ms.set },
      ]);
    }
  });

  test("every change of access times clears the field first", () => {
    for (const word of words.filter((name) => /(?<!dir)atime$|relatime$/.test(name))) {
      expect([word, mountOption(word)]).toEqual([word, expect.objectContaining({ clear: flags.MOUNT_ATTR__ATIME })]);
    }
    expect(mountOption("rnoatime")).toMatchObject({ set: flags.MOUNT_ATTR_NOATIME, recursive: true });
    expect(mountOption("strictatime")).toMatchObject({
      set: flags.MOUNT_ATTR_STRICTATIME,
      ms: { set: flags.MS_STRICTATIME },
    });
    expect(mountOption("norelatime")).toMatchObject({ set: 0, ms: { set: 0, clear: flags.MS_RELATIME } });
  });

  test("anything else is the file system's", () => {
    for (const word of ["size=64k", "mode=755", "acl", "z", "RO", "toString", "__proto__", ""]) {
      expect(mountOption(word)).toBeUndefined();
    }
  });
});
