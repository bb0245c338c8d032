/** Who the program is and what it may: user, groups, capabilities, limits, environment, and what it must not inherit. */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { parseReport, probeArgs, type Question } from "../harness/probe.ts";

/** Capability numbers of the names that the tests use. */
const numbers: Record<string, number> = {
  CAP_CHOWN: 0,
  CAP_KILL: 5,
  CAP_SETUID: 7,
  CAP_NET_BIND_SERVICE: 10,
  CAP_SYS_PTRACE: 19,
  CAP_AUDIT_WRITE: 29,
};

/** A capability set as the probe writes it. */
function set(...names: string[]): string {
  const bits = names.reduce((sum, name) => sum | (1n << BigInt(numbers[name] ?? 0)), 0n);
  return bits.toString(16).padStart(16, "0");
}

describeRuntimes("process", ({ test, differs, red, runtime }) => {
  test("user, group, additional groups", async ({ box }) => {
    const { ids } = await box.probe(["ids"], {
      config: (config) => {
        config.process.user = { uid: 1000, gid: 1001, additionalGids: [2000, 3000] };
      },
    });
    expect(ids.uid).toEqual([1000, 1000, 1000]);
    expect(ids.gid).toEqual([1001, 1001, 1001]);
    expect(ids.groups.filter((group) => group !== 1001).sort()).toEqual([2000, 3000]);
  });

  test("no group of the caller stays", async ({ box }) => {
    const argv = [
      compile("test/harness/caller.c"),
      "--group",
      "77",
      "--",
      ...box.argv("run", "--bundle", box.bundle(probeArgs("ids")), box.newId()),
    ];
    expect(parseReport((await run(argv, { env: box.environment })).stdout).ids.groups).not.toContain(77);
  });

  for (const [given, expected] of [
    [undefined, 0o022],
    [0o077, 0o077],
    [0, 0],
  ] as const) {
    test(`umask ${given ?? "absent"}`, async ({ box }) => {
      const { umask } = await box.probe(["umask"], {
        config: (config) => {
          if (given !== undefined) config.process.user.umask = given;
        },
      });
      expect(umask).toBe(expected);
    });
  }

  test("HOME comes from the container's passwd unless given", async ({ box }) => {
    const home = async (change: (config: Config) => void): Promise<string | undefined> =>
      (await box.probe(["env"], { config: change })).env.find((entry) => entry.startsWith("HOME="));
    expect(await home(() => undefined)).toBe("HOME=/root");
    expect(
      await home((config) => {
        config.process.user = { uid: 1000, gid: 1000 };
      }),
    ).toBe("HOME=/home/user");
    expect(
      await home((config) => {
        config.process.user = { uid: 4321, gid: 1 };
      }),
    ).toBe("HOME=/");
    expect(
      await home((config) => {
        config.process.env.push("HOME=/given");
      }),
    ).toBe("HOME=/given");
  });

  test("the environment is the config's, nothing of the caller's", async ({ box }) => {
    const bundle = box.bundle(probeArgs("env"), {
      config: (config) => {
        config.process.env.push("A=1=2", "EMPTY=", "UMLAUT=ä");
      },
    });
    const env = {
      ...box.environment,
      NODE_OPTIONS: "",
      CALLER: "1",
      LISTEN_FDS: "3",
      LISTEN_PID: "1",
      _OCI_SYNCPIPE: "9",
    };
    const report = parseReport((await box.ok(["run", "--bundle", bundle, box.newId()], { env })).stdout);
    expect(report.env.filter((entry) => !/^(PATH|TERM|HOME|TSRUNC_TEST)=/.test(entry)).sort()).toEqual([
      "A=1=2",
      "EMPTY=",
      "UMLAUT=ä",
    ]);
  });

  differs({ crun: "hands on both" })("a variable given twice: the last one counts", async ({ box }) => {
    const { env } = await box.probe(["env"], {
      config: (config) => {
        config.process.env.push("A=1", "A=2");
      },
    });
    expect(env.filter((entry) => entry.startsWith("A="))).toEqual(["A=2"]);
  });

  test("cwd is made when missing, as root's", async ({ box }) => {
    const report = await box.probe(["cwd", ["stat", "/new/deep"]], {
      config: (config) => {
        config.process.cwd = "/new/deep";
      },
    });
    expect(report.cwd).toBe("/new/deep");
    expect(report.stat["/new/deep"]).toMatchObject({ type: "directory", uid: 0, gid: 0 });
  });

  test("a cwd that only the user may enter", async ({ box }) => {
    const report = await box.probe(["cwd"], {
      rootfs: (path) => {
        mkdirSync(join(path, "mine"), { mode: 0o700 });
      },
      config: (config) => {
        config.process.cwd = "/mine";
        config.process.user = { uid: 0, gid: 0 };
      },
    });
    expect(report.cwd).toBe("/mine");
  });

  test("rlimits are exactly those given", async ({ box }) => {
    const { limits } = await box.probe(["limits"], {
      config: (config) => {
        config.process.rlimits = [
          { type: "RLIMIT_NOFILE", soft: 512, hard: 1024 },
          { type: "RLIMIT_CORE", soft: 0, hard: 4096 },
          { type: "RLIMIT_FSIZE", soft: 1e9, hard: 2e9 },
          { type: "RLIMIT_STACK", soft: 4194304, hard: 8388608 },
        ];
      },
    });
    expect(limits).toMatchObject({
      NOFILE: { soft: "512", hard: "1024" },
      CORE: { soft: "0", hard: "4096" },
      FSIZE: { soft: "1000000000", hard: "2000000000" },
      STACK: { soft: "4194304", hard: "8388608" },
    });
  });

  test("RLIM_INFINITY as a 64-bit number stays exact", async ({ box }) => {
    const bundle = box.bundle(probeArgs("limits"), {
      config: (config) => {
        config.process.rlimits = [{ type: "RLIMIT_FSIZE", soft: 1, hard: 2 }];
      },
    });
    const { readFileSync } = await import("node:fs");
    const file = join(bundle, "config.json");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace(
        '"soft":1,"hard":2',
        '"soft":18446744073709551615,"hard":18446744073709551615',
      ),
    );
    const report = parseReport((await box.ok(["run", "--bundle", bundle, box.newId()])).stdout);
    expect(report.limits["FSIZE"]).toEqual({ soft: "18446744073709551615", hard: "18446744073709551615" });
  });

  differs({ runc: "fails inside the runtime", crun: "the same" })(
    "RLIMIT_NOFILE of 3 is enough for a static program",
    async ({ box }) => {
      const { limits } = await box.probe(["limits"], {
        config: (config) => {
          config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 3, hard: 3 }];
        },
      });
      expect(limits["NOFILE"]).toEqual({ soft: "3", hard: "3" });
    },
  );

  test("noNewPrivileges and oomScoreAdj", async ({ box }) => {
    const on = await box.probe(["process"], {
      config: (config) => {
        config.process.oomScoreAdj = 500;
      },
    });
    expect(on.process).toMatchObject({ noNewPrivs: 1, oomScoreAdj: "500" });
    const off = await box.probe(["process"], {
      config: (config) => {
        config.process.noNewPrivileges = false;
      },
    });
    expect(off.process).toMatchObject({ noNewPrivs: 0, oomScoreAdj: "0" });
  });

  // V13: each set is exactly the config's.
  const three = ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE"];
  const sets: [string, Config["process"]["capabilities"], number, Record<string, string>][] = [
    [
      "root keeps what is listed",
      { bounding: three, effective: three, permitted: three },
      0,
      {
        bounding: set(...three),
        effective: set(...three),
        permitted: set(...three),
        inheritable: set(),
        ambient: set(),
      },
    ],
    [
      "a user has none without ambient ones",
      { bounding: three, permitted: three },
      1000,
      { bounding: set(...three), effective: set(), inheritable: set(), ambient: set() },
    ],
    [
      "ambient ones reach a user",
      {
        bounding: three,
        effective: ["CAP_KILL"],
        permitted: ["CAP_KILL"],
        inheritable: ["CAP_KILL"],
        ambient: ["CAP_KILL"],
      },
      1000,
      {
        bounding: set(...three),
        effective: set("CAP_KILL"),
        permitted: set("CAP_KILL"),
        inheritable: set("CAP_KILL"),
        ambient: set("CAP_KILL"),
      },
    ],
    [
      "an empty object is no capability at all",
      {},
      0,
      { bounding: set(), effective: set(), permitted: set(), inheritable: set(), ambient: set() },
    ],
  ];
  for (const [name, capabilities, uid, expected] of sets) {
    test(`capabilities: ${name}`, async ({ box }) => {
      const { caps } = await box.probe(["caps"], {
        config: (config) => {
          config.process.user = { uid, gid: uid };
          if (capabilities !== undefined) config.process.capabilities = capabilities;
        },
      });
      expect(caps).toMatchObject(expected);
    });
  }

  differs({ runc: "keeps all capabilities" })("capabilities: absent means none", async ({ box }) => {
    const { caps } = await box.probe(["caps"], {
      config: (config) => {
        delete config.process.capabilities;
      },
    });
    expect(caps).toMatchObject({
      bounding: set(),
      effective: set(),
      permitted: set(),
      inheritable: set(),
      ambient: set(),
    });
  });

  test("capabilities: an unknown name is a warning", async ({ box }) => {
    const result = await box.run(probeArgs("caps"), {
      config: (config) => {
        config.process.capabilities = {
          bounding: ["CAP_NO_SUCH", "CAP_KILL"],
          effective: ["CAP_KILL"],
          permitted: ["CAP_KILL"],
        };
      },
    });
    expect(result.code).toBe(0);
    expect(parseReport(result.stdout).caps.effective).toBe(set("CAP_KILL"));
  });

  test("the program is pid 1 of its own session, not traceable to the runtime", async ({ box }) => {
    const { process } = await box.probe(["process"]);
    expect(process).toMatchObject({
      pid: 1,
      ppid: 0,
      sid: 1,
      exe: "/probe",
      parentDeathSignal: 0,
      subreaper: 0,
      keepCaps: 0,
      securebits: 0,
      dumpable: 1,
    });
  });

  // V03: what a process inherits without asking.
  const odd = [
    "--ignore",
    "13",
    "--ignore",
    "2",
    "--block",
    "10",
    "--block",
    "34",
    "--umask",
    "077",
    "--cpu",
    "1",
    "--slack",
    "123456",
    "--coredump",
    "0x7f",
    "--pdeathsig",
    "9",
    "--subreaper",
  ];

  async function careless(box: import("../harness/box.ts").Box, options: readonly string[], ...questions: Question[]) {
    const bundle = box.bundle(probeArgs(...questions));
    const argv = [
      compile("test/harness/caller.c"),
      ...options,
      "--",
      ...box.argv("run", "--bundle", bundle, box.newId()),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
    return parseReport(result.stdout);
  }

  differs({ runc: "blocked signals, timer slack, coredump filter leak", crun: "ignored signals leak" })(
    "signals, umask, affinity, timer slack, coredump filter are not the caller's (case 7)",
    async ({ box }) => {
      const report = await careless(box, odd, "signals", "umask", "process");
      expect(report.signals).toEqual({ blocked: [], ignored: [] });
      expect(report.umask).toBe(0o022);
      expect(report.process).toMatchObject({
        timerSlack: 50000,
        coredumpFilter: "00000033",
        parentDeathSignal: 0,
        subreaper: 0,
        personality: 0,
      });
      const { availableParallelism } = await import("node:os");
      expect(report.process.cpus).toBeGreaterThanOrEqual(availableParallelism());
    },
  );

  test("descriptors of the caller are closed (V03, case 7)", async ({ box }) => {
    const report = await careless(
      box,
      ["--open", "/", "9", "--open", "/etc/passwd", "10", "--open", "/", "57", "--open", "/", "400"],
      "fds",
    );
    expect(Object.keys(report.fds)).toEqual(["0", "1", "2"]);
  });

  test("closed 0, 1, 2 of the caller do no harm", async ({ box }) => {
    const bundle = box.bundle(["/bin/sh", "-c", "/probe fds > /tmp/answer"]);
    const argv = [
      compile("test/harness/caller.c"),
      "--close",
      "0",
      "--close",
      "1",
      "--close",
      "2",
      "--",
      ...box.argv("run", "--bundle", bundle, box.newId()),
    ];
    const result = await run(argv, { env: box.environment });
    if (runtime.ours) expect(result.code).toBe(0);
    const { existsSync, readFileSync } = await import("node:fs");
    const answer = join(bundle, "rootfs/tmp/answer");
    if (!runtime.ours && !existsSync(answer)) return; // crun crashes
    expect(Object.keys(parseReport(readFileSync(answer, "utf8")).fds)).toEqual(["0", "1", "2"]);
  });

  // CVE-2024-21626 and its relatives: no way out through a descriptor that the caller left open.
  const door = ["--open", "/", "9", "--open", "/", "57"];
  for (const cwd of ["/proc/self/fd/9", "/proc/self/fd/57", "/link"]) {
    red({ crun: "1.8.1 lists the host's root" })(`a cwd of ${cwd} isn't the host's root (V03)`, async ({ box }) => {
      const bundle = box.bundle(["/bin/busybox", "ls", "/proc/self/cwd/"], {
        config: (config) => {
          config.process.cwd = cwd;
        },
        rootfs: (path) => symlinkSync("/proc/self/fd/9", join(path, "link")),
      });
      const result = await run(
        [compile("test/harness/caller.c"), ...door, "--", ...box.argv("run", "--bundle", bundle, box.newId())],
        { env: box.environment },
      );
      expect(result.stdout).not.toContain("boot\n");
      if (runtime.ours) expect(result.code).not.toBe(0);
    });
  }

  red({ crun: "1.8.1 runs the host's program" })(
    "a program named through the caller's descriptor doesn't run (V03)",
    async ({ box }) => {
      const bundle = box.bundle(["/proc/self/fd/10", "ids"]);
      const probe = box.path("probe"); // a copy: it's opened for writing, too
      copyFileSync(compile("test/harness/probe.c"), probe);
      const result = await run(
        [
          compile("test/harness/caller.c"),
          "--open",
          probe,
          "10",
          "--",
          ...box.argv("run", "--bundle", bundle, box.newId()),
        ],
        { env: box.environment },
      );
      expect(result.stdout).toBe("");
      expect(result.code).not.toBe(0);
    },
  );

  test("programs are found in the container's PATH", async ({ box }) => {
    const result = await box.run(["true"], {
      config: (config) => {
        config.process.env = ["PATH=/nowhere:/bin"];
      },
    });
    expect(result.code).toBe(0);
  });

  const missing: [string, string[], string[], RegExp][] = [
    ["not in PATH", ["nosuchprogram"], ["PATH=/bin"], /executable file not found in \$PATH/],
    ["no PATH at all", ["true"], [], /executable file not found in \$PATH/],
    ["absent path", ["/no/such"], ["PATH=/bin"], /no such file or directory/],
    ["not executable", ["/etc/passwd"], ["PATH=/bin"], /permission denied/],
    ["a directory", ["/etc"], ["PATH=/bin"], /is a directory|permission denied|is not a regular file/],
  ];
  for (const [name, args, env, words] of missing) {
    test(`a program that can't run fails create: ${name} (case 4)`, async ({ box }) => {
      const bundle = box.bundle(args, {
        config: (config) => {
          config.process.env = [...env, `TSRUNC_TEST=${box.tag}`];
        },
      });
      await box.refuses(["create", "--bundle", bundle, "--pid-file", "pid", box.newId()], words);
      expect(box.leftovers()).toEqual([]);
    });
  }

  differs({ runc: "runs what the working directory holds", crun: "the same" })(
    "a relative or empty element of PATH isn't used",
    async ({ box }) => {
      for (const path of [".", "", ":/nowhere", "bin"]) {
        const bundle = box.bundle(["busybox", "true"], {
          config: (config) => {
            config.process.env = [`PATH=${path}`, `TSRUNC_TEST=${box.tag}`];
            config.process.cwd = "/";
          },
        });
        await box.refuses(["run", "--bundle", bundle, box.newId()], /executable file not found in \$PATH/);
      }
    },
  );
});
