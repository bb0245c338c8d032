/**
 * Bad input: one clear error, exit code 1, one record in the log, nothing left behind (issue "Bad input", B-cases).
 * Each case is a bundle with one thing wrong and what the message has to name.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly time: string;
}

const records = (path: string): LogRecord[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogRecord);

/** A change of the text of config.json, and what the error has to say. */
interface TextCase {
  readonly what: string;
  readonly change: (text: string) => string | Buffer;
  readonly says: RegExp;
}

const texts: TextCase[] = [
  { what: "empty", change: () => "", says: /1:1|line 1/ },
  { what: "truncated", change: (text) => text.slice(0, 100), says: /\d/ },
  { what: "null", change: () => "null", says: /object/ },
  { what: "an array", change: () => "[]", says: /object/ },
  { what: "a missing comma on line 3", change: (text) => `\n\n${text.replace(",", " ")}`, says: /\b3\b/ },
  {
    what: "a duplicate key",
    change: (text) => text.replace('"hostname"', '"hostname":"a","hostname"'),
    says: /hostname/,
  },
  {
    what: "a key that differs in case only",
    change: (text) => text.replace('"hostname"', '"HOSTNAME"'),
    says: /HOSTNAME/,
  },
  { what: "text after the object", change: (text) => `${text} x`, says: /\d/ },
  { what: "a byte order mark", change: (text) => `\ufeff${text}`, says: /\d/ },
  { what: "a comment", change: (text) => text.replace("{", "{ // no\n"), says: /\d/ },
  { what: "NaN", change: (text) => text.replace('"uid":0', '"uid":NaN'), says: /\d/ },
  { what: "a leading zero", change: (text) => text.replace('"uid":0', '"uid":01'), says: /\d/ },
  { what: "a raw newline in a string", change: (text) => text.replace("tsrunc-test", "a\nb"), says: /\d/ },
  {
    what: "invalid UTF-8",
    change: (text) =>
      Buffer.concat([Buffer.from(text.slice(0, 20)), Buffer.from([0xff, 0xfe]), Buffer.from(text.slice(20))]),
    says: /UTF-8|utf-8/,
  },
  { what: "a lone surrogate", change: (text) => text.replace("tsrunc-test", "\\ud800"), says: /surrogate|UTF|\d/ },
  { what: "NUL in hostname", change: (text) => text.replace("tsrunc-test", "a\\u0000b"), says: /NUL|\\u0000|hostname/ },
  {
    what: "NUL in args",
    change: (text) => text.replace('"/bin/true"', '"/bin/true\\u0000x"'),
    says: /NUL|\\u0000|args/,
  },
  {
    what: "depth of 200,000",
    change: (text) => text.replace('"hostname"', `"x":${"[".repeat(200_000)}${"]".repeat(200_000)},"hostname"`),
    says: /deep|depth|nest/,
  },
];

/** A change of the config as an object. */
interface ConfigCase {
  readonly what: string;
  readonly change: (config: Config) => void;
  /** The JSON pointer that the error has to carry. */
  readonly at: string;
}

/** Sets a value of any type at a key, past the types. */
const put = (object: object, key: string, value: unknown): void => {
  Object.assign(object, { [key]: value });
};

const configs: ConfigCase[] = [
  { what: "no ociVersion", change: (config) => put(config, "ociVersion", undefined), at: "ociVersion" },
  { what: "an ociVersion that is none", change: (config) => put(config, "ociVersion", "abc"), at: "/ociVersion" },
  { what: "ociVersion 9.9.9", change: (config) => put(config, "ociVersion", "9.9.9"), at: "/ociVersion" },
  {
    what: "a uid that is a string",
    change: (config) => put(config.process.user, "uid", "1000"),
    at: "/process/user/uid",
  },
  { what: "a uid with a fraction", change: (config) => put(config.process.user, "uid", 0.5), at: "/process/user/uid" },
  { what: "uid 4294967295", change: (config) => put(config.process.user, "uid", 4294967295), at: "/process/user/uid" },
  { what: "gid 4294967296", change: (config) => put(config.process.user, "gid", 4294967296), at: "/process/user/gid" },
  { what: "a negative uid", change: (config) => put(config.process.user, "uid", -1), at: "/process/user/uid" },
  {
    what: "additional gid 4294967295",
    change: (config) => put(config.process.user, "additionalGids", [1, 4294967295]),
    at: "/process/user/additionalGids/1",
  },
  { what: "umask 01777", change: (config) => put(config.process.user, "umask", 0o1777), at: "/process/user/umask" },
  { what: "no args", change: (config) => put(config.process, "args", []), at: "/process/args" },
  { what: "an empty program name", change: (config) => put(config.process, "args", [""]), at: "/process/args" },
  { what: "no cwd", change: (config) => put(config.process, "cwd", undefined), at: "/process" },
  { what: "a relative cwd", change: (config) => put(config.process, "cwd", "tmp"), at: "/process/cwd" },
  {
    what: "env without =",
    change: (config) => {
      config.process.env.push("NOVALUE");
    },
    at: "/process/env/",
  },
  {
    what: "env with an empty name",
    change: (config) => {
      config.process.env.push("=x");
    },
    at: "/process/env/",
  },
  { what: "terminal as text", change: (config) => put(config.process, "terminal", "false"), at: "/process/terminal" },
  {
    what: "an unknown rlimit",
    change: (config) => put(config.process, "rlimits", [{ type: "RLIMIT_NOSUCH", soft: 1, hard: 1 }]),
    at: "/process/rlimits/0",
  },
  {
    what: "soft above hard",
    change: (config) => put(config.process, "rlimits", [{ type: "RLIMIT_NOFILE", soft: 2, hard: 1 }]),
    at: "/process/rlimits/0",
  },
  {
    what: "an rlimit twice",
    change: (config) =>
      put(config.process, "rlimits", [
        { type: "RLIMIT_CORE", soft: 0, hard: 1 },
        { type: "RLIMIT_CORE", soft: 0, hard: 1 },
      ]),
    at: "/process/rlimits/1",
  },
  {
    what: "oomScoreAdj 1001",
    change: (config) => put(config.process, "oomScoreAdj", 1001),
    at: "/process/oomScoreAdj",
  },
  { what: "an empty root path", change: (config) => put(config.root, "path", ""), at: "/root/path" },
  { what: "a missing rootfs", change: (config) => put(config.root, "path", "nosuch"), at: "/root/path" },
  { what: "a rootfs that is a file", change: (config) => put(config.root, "path", "config.json"), at: "/root/path" },
  { what: "the rootfs /", change: (config) => put(config.root, "path", "/"), at: "/root/path" },
  {
    what: "an empty mount destination",
    change: (config) => {
      config.mounts.push({ destination: "", type: "tmpfs" });
    },
    at: "/mounts/7/destination",
  },
  {
    what: "a mount on /",
    change: (config) => {
      config.mounts.push({ destination: "/", type: "tmpfs", source: "tmpfs" });
    },
    at: "/mounts/7",
  },
  {
    what: "an unknown bind option",
    change: (config) => {
      config.mounts.push({ destination: "/x", type: "bind", source: "/tmp", options: ["bind", "nosuch"] });
    },
    at: "/mounts/7",
  },
  {
    what: "a namespace twice",
    change: (config) => {
      config.linux.namespaces.push({ type: "pid" });
    },
    at: "/linux/namespaces",
  },
  {
    what: "an unknown namespace",
    change: (config) => {
      config.linux.namespaces.push({ type: "nosuch" });
    },
    at: "/linux/namespaces",
  },
  {
    what: "no mount namespace",
    change: (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "mount");
    },
    at: "/linux/namespaces",
  },
  {
    what: "a user namespace without mappings",
    change: (config) => {
      config.linux.namespaces.push({ type: "user" });
    },
    at: "/linux",
  },
  {
    what: "mappings without a user namespace",
    change: (config) => {
      config.linux.uidMappings = [{ containerID: 0, hostID: 1, size: 1 }];
    },
    at: "/linux/uidMappings",
  },
  {
    what: "overlapping mappings",
    change: (config) => {
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [
        { containerID: 0, hostID: 100, size: 10 },
        { containerID: 5, hostID: 500, size: 10 },
      ];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100, size: 10 }];
    },
    at: "/linux/uidMappings",
  },
  {
    what: "a hostname of 65 bytes",
    change: (config) => {
      config.hostname = "h".repeat(65);
    },
    at: "/hostname",
  },
  {
    what: "a hostname without a uts namespace",
    change: (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "uts");
    },
    at: "hostname",
  },
  {
    what: "an unknown propagation",
    change: (config) => {
      config.linux.rootfsPropagation = "nosuch";
    },
    at: "/linux/rootfsPropagation",
  },
  {
    what: "a relative masked path",
    change: (config) => {
      config.linux.maskedPaths?.push("relative");
    },
    at: "/linux/maskedPaths/",
  },
  {
    what: "an annotation that is a number",
    change: (config) => put(config, "annotations", { a: 1 }),
    at: "/annotations/a",
  },
  {
    what: "an unknown capability set",
    change: (config) => put(config.process, "capabilities", { bounding: "CAP_KILL" }),
    at: "/process/capabilities",
  },
  {
    what: "two things wrong at once",
    change: (config) => {
      put(config.process.user, "uid", "x");
      put(config.process, "cwd", 5);
    },
    at: "/process/cwd",
  },
];

const ids: string[] = ["", ".", "..", "../x", "a/b", "a b", "a\nb", "%s", "a:b", "a@b", "ä", "-x", "a".repeat(256)];

describeRuntimes("bad input", ({ test, differs, runtime }) => {
  /** create and run fail with one sentence on stderr and one record in the log; nothing is left. */
  async function refused(box: Box, bundle: string, says: RegExp, id = box.newId()): Promise<void> {
    const log = box.path("log.json");
    for (const command of ["create", "run"]) {
      rmSync(log, { force: true });
      const result = await box.call([
        "--log",
        log,
        "--log-format",
        "json",
        command,
        "--bundle",
        bundle,
        "--pid-file",
        box.path("pid"),
        id,
      ]);
      expect(result.code, result.stderr).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(says);
      expect(Buffer.byteLength(result.stderr)).toBeLessThan(8191);
      const written = records(log);
      expect(written.filter(({ level }) => level === "error")).toHaveLength(1);
      expect(written.at(-1)).toMatchObject({ level: "error" });
      expect(written.at(-1)?.msg).toMatch(says);
      expect(Date.parse(written.at(-1)?.time ?? "")).toBeGreaterThan(0);
      expect(existsSync(box.path("pid"))).toBe(false);
      expect(box.leftovers()).toEqual([]);
    }
  }

  const ours = { runc: "takes it, or words it otherwise", crun: "takes it, or words it otherwise" };

  for (const { what, change, says } of texts) {
    differs(ours)(`config.json: ${what}`, async ({ box }) => {
      const bundle = box.bundle(["/bin/true"]);
      const file = join(bundle, "config.json");
      writeFileSync(file, change(readFileSync(file, "utf8")));
      await refused(box, bundle, says);
    });
  }

  for (const { what, change, at } of configs) {
    differs(ours)(`config: ${what}`, async ({ box }) => {
      await refused(box, box.bundle(["/bin/true"], { config: change }), new RegExp(at.replaceAll("/", "\\/")));
    });
  }

  differs(ours)("every schema error is told, not only the first", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        put(config.process.user, "uid", "x");
        put(config.process, "cwd", 5);
        put(config, "hostname", 7);
      },
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    for (const at of ["/process/user/uid", "/process/cwd", "/hostname"]) expect(stderr).toContain(at);
  });

  const files: [string, (file: string) => void, RegExp][] = [
    ["missing", (file) => rmSync(file), /config\.json.*no such file/],
    [
      "a directory",
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
      /config\.json/,
    ],
    [
      "a FIFO",
      (file) => {
        rmSync(file);
        execFileSync("mkfifo", [file]);
      },
      /config\.json/,
    ],
    [
      "a device",
      (file) => {
        rmSync(file);
        symlinkSync("/dev/zero", file);
      },
      /config\.json/,
    ],
    ["larger than 16 MiB", (file) => writeFileSync(file, " ".repeat(17 << 20)), /config\.json|16|large/],
  ];
  for (const [what, change, says] of files) {
    differs(
      what === "missing" || what === "a directory" ? {} : { runc: "hangs or reads it", crun: "hangs or reads it" },
    )(`config.json is ${what}`, async ({ box }) => {
      const bundle = box.bundle(["/bin/true"]);
      change(join(bundle, "config.json"));
      if (runtime.ours) await refused(box, bundle, says);
      else await box.fails(["create", "--bundle", bundle, box.newId()]);
    });
  }

  test("config.json may be a link", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    execFileSync("mv", [join(bundle, "config.json"), box.path("real.json")]);
    symlinkSync(box.path("real.json"), join(bundle, "config.json"));
    await box.ok(["run", "--bundle", bundle, box.newId()]);
  });

  test("no bundle there", async ({ box }) => {
    await box.refuses(["create", "--bundle", box.path("nosuch"), box.newId()], /no such file|does not exist/);
    expect(box.leftovers()).toEqual([]);
  });

  differs({ crun: "follows it" })("a rootfs that is a link is refused", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.root.path = "link";
      },
    });
    symlinkSync("rootfs", join(bundle, "link"));
    await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(box.leftovers()).toEqual([]);
  });

  test("null means absent, unknown keys mean nothing", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        for (const key of ["annotations", "hooks", "domainname"]) put(config, key, null);
        put(config.linux, "devices", null);
        put(config.process, "rlimits", null);
        put(config, "vendor", { any: [1, "thing"] });
      },
    });
    await box.ok(["run", "--bundle", bundle, box.newId()]);
  });

  test("keys like __proto__ are plain data (B2.4)", async ({ box }) => {
    const bundle = box.bundle(["/bin/sleep", "100"]);
    const file = join(bundle, "config.json");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("{", '{"annotations":{"__proto__":"p","constructor":"c","toString":"t"},'),
    );
    const id = box.newId();
    await box.ok(["create", "--bundle", bundle, id]);
    const state = await box.state(id);
    expect(Object.entries(state?.annotations ?? {}).sort()).toEqual([
      ["__proto__", "p"],
      ["constructor", "c"],
      ["toString", "t"],
    ]);
  });

  for (const id of ids) {
    differs({ crun: "1.8 accepts most" })(`id ${JSON.stringify(id.slice(0, 20))} is refused`, async ({ box }) => {
      const bundle = box.bundle(["/bin/true"]);
      await box.fails(["create", "--bundle", bundle, id]);
      expect(existsSync(box.root) ? readFileSync("/dev/null", "utf8") : "").toBe("");
      expect(box.leftovers()).toEqual([]);
    });
  }

  for (const id of ["a", "A.b_c+d-e", "...", ".hid", "a".repeat(100)]) {
    differs(
      id.startsWith(".")
        ? { crun: "refuses a leading dot", tsrunc: "reserves names with a dot", node: "reserves names with a dot" }
        : {},
    )(`id ${JSON.stringify(id.slice(0, 20))} is accepted`, async ({ box }) => {
      const bundle = box.bundle(["/bin/true"], {
        config: (config) => {
          config.linux.cgroupsPath = `/tsrunc-tests/${box.tag}`;
        },
      });
      await box.ok(["run", "--bundle", bundle, id]);
    });
  }

  const usage: [string, string[], RegExp][] = [
    ["an unknown flag", ["create", "--invalidflag", "x"], /invalidflag/],
    ["an unknown command", ["nosuchcommand"], /nosuchcommand|command/],
    ["no id", ["state"], /./],
    ["two ids", ["state", "a", "b"], /./],
    ["an unknown log format", ["--log-format", "nosuch", "list"], /format/],
  ];
  for (const [what, args, says] of usage) {
    differs(what === "an unknown command" ? { runc: "shows its help", crun: "words it otherwise" } : {})(
      `usage: ${what}`,
      async ({ box }) => {
        await box.refuses(args, says);
      },
    );
  }

  test("flags in all spellings and twice (case 14)", async ({ box }) => {
    if (runtime.name === "crun") return; // knows no single dash
    const bundle = box.bundle(["/bin/true"]);
    const argv = [
      ...runtime.argv,
      `--root=${box.root}`,
      "-root",
      box.root,
      "--log-format=text",
      "create",
      `-bundle=${bundle}`,
      "--pid-file",
      box.path("pid"),
      box.newId(),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
  });

  differs({ runc: "counts it as usage", crun: "words it otherwise" })(
    "a flag without its value says so (case 11)",
    async ({ box }) => {
      expect(await box.fails(["create", "--bundle"])).toMatch(/flag needs an argument/);
    },
  );

  test("the log is shared: one error record per failure, the last is the last failure's (case 19)", async ({ box }) => {
    const log = box.path("log.json");
    const names = Array.from({ length: 10 }, (_, i) => `nosuch${i}`);
    for (const name of names) await box.fails(["--log", log, "--log-format", "json", "start", name]);
    const errors = records(log).filter(({ level }) => level === "error");
    expect(errors.length).toBe(runtime.name === "crun" ? errors.length : 10);
    if (runtime.ours) for (const { msg } of errors) expect(msg).toContain("does not exist");
  });

  test("usage errors are in the log, too", async ({ box }) => {
    if (!runtime.ours) return;
    const log = box.path("log.json");
    await box.fails(["--log", log, "--log-format", "json", "create", "--nosuch", "x"]);
    expect(records(log)).toHaveLength(1);
    expect(records(log)[0]?.msg).toContain("nosuch");
  });

  test("a success writes nothing into the log", async ({ box }) => {
    const log = box.path("log.json");
    await box.ok(["--log", log, "--log-format", "json", "run", "--bundle", box.bundle(["/bin/true"]), box.newId()]);
    expect(existsSync(log) ? readFileSync(log, "utf8") : "").toBe("");
  });

  test("a log that can't be opened doesn't hide the error", async ({ box }) => {
    await box.refuses(["--log", box.path("no/such/log"), "start", "nosuch"], /does not exist|no such file/);
  });

  test("a log that is a FIFO nobody reads doesn't block", async ({ box }) => {
    if (!runtime.ours) return; // they wait for a reader
    execFileSync("mkfifo", [box.path("fifo")]);
    await box.fails(["--log", box.path("fifo"), "start", "nosuch"]);
  });

  // ---- the machine around us (B6) ----

  test("a state root that is a file", async ({ box }) => {
    writeFileSync(box.root, "");
    const bundle = box.bundle(["/bin/true"]);
    await box.fails(["create", "--bundle", bundle, box.newId()]);
    rmSync(box.root);
    expect(box.leftovers()).toEqual([]);
  });

  test("a state root without space leaves nothing (L5)", async ({ box }) => {
    mkdirSync(box.root);
    const bundle = box.bundle(["/bin/true"]);
    for (const options of ["size=4k,nr_inodes=2", "size=4k", "size=4k,nr_inodes=4"]) {
      execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", box.root]);
      try {
        const id = box.newId();
        const { code } = await box.call(["create", "--bundle", bundle, id]);
        if (code !== 0 && runtime.ours)
          expect(
            box.leftovers().filter((line) => !line.startsWith("mount")),
            options,
          ).toEqual([]);
        await box.call(["delete", "--force", id]);
      } finally {
        execFileSync("umount", [box.root]);
      }
    }
  });

  test("a file size limit of 0 is an error with clean-up", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    const argv = [
      compile("test/harness/caller.c"),
      "--fsize",
      "0",
      "--",
      ...box.argv("create", "--bundle", bundle, box.newId()),
    ];
    const result = await run(argv, { env: box.environment });
    if (!runtime.ours) return; // crun dies of SIGXFSZ
    expect(result.code).toBe(1);
    expect(box.leftovers()).toEqual([]);
  });

  test("a create that fails takes the state directories back that it made, and no others", async ({ box }) => {
    if (!runtime.ours) return;
    const there = box.path("there");
    const create = ["--root", join(there, "a/b"), "create", "--bundle", box.bundle(["/bin/missing"])];
    mkdirSync(there);
    await box.fails([...create, box.newId()]);
    expect(readdirSync(there)).toEqual([]);
    mkdirSync(join(there, "a"));
    await box.fails([...create, box.newId()]);
    expect(readdirSync(join(there, "a"))).toEqual([]);
  });

  test("state below a group-writable umask is for us alone (V23)", async ({ box }) => {
    const bundle = box.bundle(["/bin/sleep", "100"]);
    const argv = [
      compile("test/harness/caller.c"),
      "--umask",
      "000",
      "--",
      ...box.argv("create", "--bundle", bundle, box.newId()),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
    if (!runtime.ours) return;
    const open = execFileSync("find", [box.root, "-perm", "/077", "-not", "-type", "l"], { encoding: "utf8" });
    expect(open).toBe("");
  });

  test("a working directory that is gone doesn't matter to commands with absolute paths", async ({ box }) => {
    const gone = box.path("gone");
    mkdirSync(gone);
    const container = await box.create(["/bin/sleep", "100"]);
    const argv = [
      compile("test/harness/caller.c"),
      "--cd",
      gone,
      "--rmdir",
      gone,
      "--",
      ...box.argv("state", container.id),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
  });

  test("without privileges: one clear error", async ({ box }) => {
    chmodSync(box.directory, 0o777);
    const bundle = box.bundle(["/bin/true"]);
    const argv = [
      "setpriv",
      "--reuid",
      "12345",
      "--regid",
      "12345",
      "--clear-groups",
      ...runtime.argv,
      "--root",
      box.path("user-state"),
      "create",
      "--bundle",
      bundle,
      box.newId(),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code).not.toBe(0);
    if (runtime.ours) expect(result.stderr).toMatch(/not permitted|permission denied|root|user namespace/);
    expect(box.leftovers()).toEqual([]);
  });

  for (const [what, args] of [
    ["--version", ["--version"]],
    ["--help", ["--help"]],
    ["create --help", ["create", "--help"]],
  ] as const) {
    test(`${what} works with nothing: no environment, closed stdin, as anyone`, async ({ box }) => {
      if (what === "create --help" && runtime.name === "runc") return; // wants root
      const argv = [
        "setpriv",
        "--reuid",
        "12345",
        "--regid",
        "12345",
        "--clear-groups",
        compile("test/harness/caller.c"),
        "--clearenv",
        "--close",
        "0",
        "--",
        ...runtime.argv,
        ...args,
      ];
      const result = await run(argv);
      expect(result.code, result.stderr).toBe(0);
      expect(result.stderr).toBe("");
      if (what === "--version") {
        const lines = result.stdout.split("\n");
        if (runtime.ours) expect(lines[0]).toMatch(/^tsrunc version \d+\.\d+\.\d+/);
        if (runtime.ours) expect(lines.filter((line) => line.includes("version"))).toHaveLength(1);
      }
      expect(box.leftovers()).toEqual([]);
    });
  }
});
