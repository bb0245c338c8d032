/** Misuse of the command line: one line on standard error, one record in the log, runc's status, and nothing done. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { run } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";

interface Misuse {
  readonly args: readonly string[];
  readonly says: RegExp;
  /** Why a peer behaves otherwise */
  readonly differs?: { readonly runc?: string; readonly crun?: string };
  /** Default 1 */
  readonly code?: number;
}

const crun = "words it otherwise";
const cases: readonly Misuse[] = [
  { args: ["nosuch"], says: /unknown command "nosuch"/, differs: { runc: "has no help topic, status 3", crun } },
  { args: ["strat", "x"], says: /did you mean start\?/, differs: { runc: "has no help topic, status 3", crun } },
  { args: ["help", "nosuch"], says: /unknown command "nosuch"/, differs: { runc: "status 3", crun } },
  { args: ["create", "--nosuch", "x"], says: /flag provided but not defined: --?nosuch/, differs: { crun } },
  { args: ["exec", "--nosuch", "x", "ls"], says: /flag provided but not defined: --?nosuch/, differs: { crun } },
  { args: ["--nosuch", "list"], says: /flag provided but not defined: --?nosuch/, differs: { crun } },
  { args: ["create", "---bundle", "x"], says: /bad flag syntax: ---bundle/, differs: { crun } },
  {
    args: ["create", "x", "--bundle"],
    says: /flag needs an argument: --?bundle/,
    differs: { runc: "takes it for an argument", crun },
  },
  { args: ["delete", "--force=maybe", "x"], says: /invalid boolean value "maybe" for --?force/, differs: { crun } },
  { args: ["state"], says: /"state" requires exactly 1 argument\(s\)/, differs: { crun } },
  { args: ["state", "a", "b"], says: /"state" requires exactly 1 argument\(s\)/, differs: { crun } },
  { args: ["exec"], says: /"exec" requires a minimum of 1 argument\(s\)/, differs: { crun } },
  { args: ["list", "a"], says: /"list" requires exactly 0 argument\(s\)/, differs: { crun } },
  { args: ["list", "--format", "yaml"], says: /invalid format option/, differs: { crun } },
  { args: ["--log-format", "yaml", "list"], says: /invalid log-format: "?yaml"?/, differs: { crun } },
  {
    args: ["create", "--preserve-fds", "x", "id"],
    says: /invalid value "x" for flag --?preserve-fds/,
    differs: { crun },
  },
  { args: ["events", "--interval", "5x", "id"], says: /5x/, differs: { crun: "has no events" } },
  { args: ["state", "a/b"], says: /invalid container ID format/, differs: { runc: "does not exist", crun } },
  { args: ["state", ".."], says: /invalid container ID format/, differs: { runc: "does not exist", crun } },
  { args: ["state", ""], says: /container id cannot be empty/, differs: { crun } },
  { args: ["delete", "--force", "a b"], says: /invalid container ID format/, differs: { runc: "is content", crun } },
  {
    args: ["kill", "id", "NOSUCH"],
    says: /unknown signal "NOSUCH"/,
    differs: { runc: "looks for the id first", crun },
  },
  { args: ["kill", "id", "0x9"], says: /unknown signal "0x9"/, differs: { runc: "looks for the id first", crun } },
  { args: ["kill", "id", "65"], says: /unknown signal "65"/, differs: { runc: "looks for the id first", crun } },
  {
    args: ["completion", "tcsh"],
    says: /unknown shell "tcsh" \(.*bash.*zsh.*fish/,
    differs: { runc: "none", crun: "none" },
  },
  { args: ["create", "--root", "/x", "id"], says: /--root is a global flag/, differs: { runc: "doesn't say", crun } },
  {
    args: ["--rootless", "maybe", "list"],
    says: /invalid value "maybe" for flag --rootless/,
    differs: { runc: "doesn't ask", crun },
  },
  { args: ["--cgroup-manager", "x", "list"], says: /unknown cgroup manager/, differs: { runc: "has no such flag" } },
  // known well, but not there: told after the words are found good
  { args: ["state", "id"], says: /container does not exist/, differs: { crun } },
  { args: ["exec", "id", "ls"], says: /container does not exist/, differs: { crun }, code: 255 },
  {
    args: ["exec", "id"],
    says: /exec args cannot be empty/,
    differs: { runc: "looks for the id first", crun },
    code: 255,
  },
];

describeRuntimes("usage", ({ test, differs, runtime }) => {
  for (const { args, says, differs: reasons = {}, code = 1 } of cases) {
    differs(reasons)(args.map((word) => word || "''").join(" "), async ({ box }) => {
      const log = box.path("log");
      // runc's root need not exist for these
      const before = args[0] === "--log-format" ? [] : ["--log-format", "json"];
      const result = await run([...runtime.argv, "--root", box.root, "--log", log, ...before, ...args], {
        cwd: box.directory,
        env: box.environment,
      });
      expect(result.code, result.stderr).toBe(code);
      expect(result.stderr).toMatch(says);
      if (!runtime.ours) return;
      expect(existsSync(box.root)).toBe(false);
      expect(result.stdout).toBe("");
      expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
      const last = readFileSync(log, "utf8").trimEnd().split("\n").at(-1) ?? "";
      if (args[0] === "--log-format") {
        expect(last).toMatch(/^time="[^"]+" level=error msg=".*invalid log-format/);
        return;
      }
      const record = JSON.parse(last) as Record<string, unknown>;
      expect(record).toMatchObject({ level: "error", msg: result.stderr.trimEnd() });
      expect(String(record["code"])).toMatch(/^(usage|bad-id|not-found)$/);
    });
  }

  differs({ crun: "knows no single dash", runc: "opens no log then" })(
    "the log is found even when the global flags can't be read",
    async ({ box }) => {
      for (const [index, flags] of [
        ["-log", box.path("0"), "-log-format=json"],
        [`--log=${box.path("1")}`, "--log-format", "json"],
      ].entries()) {
        const { code, stderr } = await run([...runtime.argv, ...flags, "--nosuch", "list"], { env: box.environment });
        expect(code).toBe(1);
        const record = JSON.parse(readFileSync(box.path(String(index)), "utf8")) as { msg: string };
        expect(record.msg).toBe(stderr.trimEnd());
      }
    },
  );

  test("a log that can't be opened doesn't hide the mistake", async ({ box }) => {
    const log = box.path("nosuch/log");
    const { code, stderr } = await run([...runtime.argv, "--log", log, "--nosuch", "list"], { env: box.environment });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/nosuch/);
  });

  differs({ runc: "has none", crun: "has none" })("help of every command, alike by all ways to it", async ({ box }) => {
    const { stdout: overview } = await box.ok(["--help"]);
    const names = [...overview.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(15);
    expect((await box.ok([])).stdout).toBe(overview);
    expect((await box.ok(["help"])).stdout).toBe(overview);
    for (const name of names) {
      const { stdout } = await box.ok([name, "--help"]);
      expect(stdout).toContain(`Usage: tsrunc [global flags] ${name}`);
      expect(stdout).toContain("Examples:");
    }
    const { stdout } = await box.ok(["create", "--help"]);
    expect((await box.ok(["help", "create"])).stdout).toBe(stdout);
    expect((await box.ok(["--help", "create"])).stdout).toBe(stdout);
    expect((await box.ok(["create", "-h"])).stdout).toBe(stdout);
    expect((await box.ok(["create", "--bundle", "/nosuch", "-help", "x"])).stdout).toBe(stdout);
  });
});

interface WrongState {
  readonly state: "created" | "running" | "paused" | "stopped";
  readonly args: readonly [command: string, ...rest: string[]];
  readonly says: RegExp;
  readonly code?: number;
}

/** What can't be done in a state, in the words that engines know. The id goes after the command. */
const wrongStates: readonly WrongState[] = [
  { state: "running", args: ["start"], says: /cannot start an already running container/ },
  { state: "stopped", args: ["start"], says: /cannot start a container that has stopped/ },
  { state: "running", args: ["delete"], says: /cannot delete container \S+ that is not stopped: running/ },
  { state: "paused", args: ["delete"], says: /cannot delete container \S+ that is not stopped: paused/ },
  { state: "stopped", args: ["kill", "TERM"], says: /container not running/ },
  { state: "stopped", args: ["pause"], says: /container not running/ },
  { state: "running", args: ["resume"], says: /container not paused/ },
  { state: "stopped", args: ["resume"], says: /container not paused/ },
  { state: "stopped", args: ["exec", "true"], says: /cannot exec in a stopped container/, code: 255 },
  {
    state: "paused",
    args: ["exec", "true"],
    says: /cannot exec in a paused container \(use --ignore-paused to override\)/,
    code: 255,
  },
  { state: "stopped", args: ["events"], says: /container with id \S+ is not running/ },
  { state: "stopped", args: ["update", "--pids-limit=5"], says: /container not running/ },
  { state: "created", args: ["create"], says: /container with given ID already exists/ },
  { state: "stopped", args: ["run"], says: /container with given ID already exists/ },
];

describeRuntimes("wrong state", ({ differs, runtime }) => {
  for (const { state, args, says, code = 1 } of wrongStates) {
    const [command, ...rest] = args;
    const name = `${command} ${rest.join(" ")}`.trim();
    differs({ crun })(`${name} of a ${state} container`, async ({ box }) => {
      const container = await box.create(["/bin/sleep", "1000"]);
      if (state === "running" || state === "paused") await container.start();
      if (state === "paused") await box.ok(["pause", container.id]);
      if (state === "stopped") {
        await container.kill("KILL");
        await container.until("stopped");
      }
      const flags = rest.filter((word) => word.startsWith("-"));
      const words = rest.filter((word) => !word.startsWith("-"));
      const bundle = command === "create" || command === "run" ? ["--bundle", container.bundle] : [];
      const log = ["--log", box.path("log"), "--log-format", "json"];
      const stderr = await box.fails([...log, command, ...bundle, ...flags, container.id, ...words], { code });
      expect(stderr).toMatch(says);
      expect(await container.status()).toBe(state);
      if (!runtime.ours) return;
      const record = JSON.parse(readFileSync(box.path("log"), "utf8")) as Record<string, unknown>;
      expect(record).toMatchObject({ level: "error", msg: stderr.trimEnd() });
      expect(String(record["code"])).toMatch(/^(state|exists)$/);
    });
  }
});
