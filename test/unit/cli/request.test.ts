/** Command lines: what engines write is understood, what is wrong is told in the words they know. */
import { describe, expect, test } from "vitest";
import { commands, globalFlags } from "../../../src/cli/commands.ts";
import { parseDuration } from "../../../src/cli/duration.ts";
import {
  booleanFlag,
  listFlag,
  nearest,
  numberFlag,
  type Parsed,
  parseFlags,
  textFlag,
} from "../../../src/cli/flags.ts";
import { commandNamed, readArguments } from "../../../src/cli/request.ts";
import { UserError } from "../../../src/errors.ts";

/** As the command line does it: global flags, a command, the command's own flags. */
function read(line: string): Parsed | "help" {
  const globals = parseFlags(words(line), globalFlags, "first");
  const [name = "", ...rest] = globals.positionals;
  return readArguments(commandNamed(name), rest);
}

/** Words of a line; '' is an empty one. */
function words(line: string): string[] {
  return line.split(" ").map((word) => (word === "''" ? "" : word));
}

function understood(line: string): Parsed {
  const parsed = read(line);
  if (parsed === "help") throw new Error("a wish for help");
  return parsed;
}

function refused(line: string): string {
  try {
    read(line);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.code).toBe("usage");
    return `${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  }
  throw new Error(`accepted: ${line}`);
}

/** What containerd's shim, other users of go-runc, BuildKit, Podman, CRI-O, conmon-rs and Buildah write. */
const engineLines = [
  // global flags
  "--root /r state ID",
  "--root=/r state ID",
  "--root=/r --systemd-cgroup --root=/r --systemd-cgroup create ID",
  "--log /l state ID",
  "--log /l --log-format json state ID",
  "--log-format=json --log /l state ID",
  "--debug state ID",
  "--systemd-cgroup create ID",
  "--rootless=true state ID",
  "--rootless=false state ID",
  "--cgroup-manager disabled create ID",
  "--log=journald:ID --log-level=debug state ID",
  // create
  "create --bundle /b ID",
  "create --bundle /b --pid-file /p ID",
  "create --bundle /b --console-socket /s ID",
  "create --bundle /b --console-socket=/s ID",
  "create --no-pivot ID",
  "create --no-new-keyring ID",
  "create --preserve-fds 2 ID",
  "create --detach ID",
  "create --pidfd-socket /s ID",
  // run
  "run --bundle /b --keep --no-pivot ID",
  "run --pid-file /p --console-socket /s --detach --no-new-keyring --preserve-fds 1 --pidfd-socket /s ID",
  "run --no-subreaper ID",
  // start
  "start ID",
  // exec
  "exec --process /f ID",
  "exec --detach --process /f ID",
  "exec -d --process /f ID",
  "exec --process /f --pid-file /p ID",
  "exec --process /f --pid-file=/p ID",
  "exec --console-socket /s --detach --process /f ID",
  "exec --tty --process /f ID",
  "exec --preserve-fds 1 ID true",
  "exec --pidfd-socket /s ID true",
  "exec ID true",
  "exec --cwd / --env A=1 --env B=2 --user 0:0 --additional-gids 1 --cap CAP_KILL ID true",
  "exec --apparmor p --process-label l --no-new-privs --cgroup /x --ignore-paused ID true",
  // kill
  "kill ID 9",
  "kill ID KILL",
  "kill ID SIGKILL",
  "kill ID",
  "kill --all ID 9",
  "kill -a ID 9",
  // delete
  "delete ID",
  "delete --force ID",
  "delete -f ID",
  "state ID",
  // list
  "list --format=json",
  "list -f json",
  "list -q",
  "list",
  // ps
  "ps --format json ID",
  "ps --format table ID -o pid,comm",
  // events
  "events --stats ID",
  "events --interval=5s ID",
  // pause, resume
  "pause ID",
  "resume ID",
  // update
  "update --resources=- ID",
  "update --resources - ID",
  "update --resources=/f ID",
  "update --memory 1m --memory-reservation 1m --memory-swap -1 --pids-limit 5 --blkio-weight 10 ID",
  "update --cpu-period 1 --cpu-quota -1 --cpu-burst 1 --cpu-share 2 --cpu-idle 1 --cpuset-cpus 0 --cpuset-mems 0 ID",
  // checkpoint
  "checkpoint --image-path /i --work-path /w ID",
  "checkpoint --leave-running --leave-running ID",
  "checkpoint --tcp-established ID",
  "checkpoint --ext-unix-sk --shell-job --empty-ns network ID",
  "checkpoint --file-locks ID",
  "checkpoint --parent-path /p ID",
  "checkpoint --pre-dump ID",
  "checkpoint --page-server h:1 --manage-cgroups-mode soft --lazy-pages --status-fd 3 ID",
  // restore
  "restore --bundle /b --pid-file /p --detach --image-path /i --work-path /w ID",
  "restore -no-subreaper ID",
  "restore --no-pivot ID",
  "restore --no-new-keyring ID",
  "restore --console-socket /s ID",
  "restore --parent-path /p ID",
  "restore --tcp-established --file-locks ID",
  "restore --tcp-close ID",
  "restore --lsm-profile=X --lsm-mount-context=X ID",
  "restore --preserve-fds 1 ID",
  // what looks at the runtime itself
  "features",
  "spec",
];

describe("what engines write", () => {
  for (const line of engineLines) {
    lineTest(line, () => {
      expect(understood(line).flags).toBeInstanceOf(Map);
    });
  }

  for (const line of ["checkpoint --help", "create -h", "exec --help", "create -help", "state --help a b c"]) {
    lineTest(line, () => {
      expect(read(line)).toBe("help");
    });
  }

  // podman asks whether restore knows the flag
  const question = "restore --lsm-mount-context";
  lineTest(question, () => {
    expect(refused(question)).toBe("flag needs an argument: --lsm-mount-context");
  });

  /** A release without CRIU has neither of its commands. */
  function lineTest(line: string, body: () => void): void {
    const [criu] = /\b(checkpoint|restore)\b/.exec(line) ?? [];
    const without = criu !== undefined && commands.every(({ name }) => name !== criu);
    test.skipIf(without)(`${line}${without ? ` [there is no ${criu}]` : ""}`, body);
  }
});

describe("values", () => {
  test("one dash or two, = or a space, the last one counts", () => {
    for (const line of [
      "--bundle /x",
      "-bundle /x",
      "--bundle=/x",
      "-bundle=/x",
      "-b /x",
      "-b=/x",
      "--bundle /y -b /x",
    ])
      expect(textFlag(understood(`create ${line} ID`), "bundle")).toBe("/x");
  });

  test("flags may follow arguments, but not those of exec, kill and ps", () => {
    expect(booleanFlag(understood("delete ID --force"), "force")).toBe(true);
    expect(understood("exec -d ID ls --color -d").positionals).toEqual(["ID", "ls", "--color", "-d"]);
    expect(understood("kill ID -9").positionals).toEqual(["ID", "-9"]);
    expect(understood("ps ID -ef").positionals).toEqual(["ID", "-ef"]);
  });

  test("help that is somebody else's word or value is none of ours", () => {
    expect(understood("exec ID ls --help").positionals).toEqual(["ID", "ls", "--help"]);
    expect(understood("exec --cwd / ID sh -h").positionals).toEqual(["ID", "sh", "-h"]);
    expect(textFlag(understood("create --bundle --help ID"), "bundle")).toBe("--help");
  });

  test("-- ends the flags, - is an argument", () => {
    expect(understood("state -- -x").positionals).toEqual(["-x"]);
    expect(understood("exec -- ID -- ls").positionals).toEqual(["ID", "--", "ls"]);
    expect(understood("state -").positionals).toEqual(["-"]);
  });

  test("an empty value is a value", () => {
    expect(textFlag(understood("create --pid-file= ID"), "pid-file")).toBe("");
    expect(textFlag(understood("create --pid-file '' ID"), "pid-file")).toBe("");
  });

  test("lists collect, and are not split at commas", () => {
    expect(listFlag(understood("exec -e A=1,2 --env B=3 ID x"), "env")).toEqual(["A=1,2", "B=3"]);
  });

  test.each(["1", "t", "T", "true", "TRUE", "True"])("--force=%s", (value) => {
    expect(booleanFlag(understood(`delete --force=${value} ID`), "force")).toBe(true);
  });

  test.each(["0", "f", "F", "false", "FALSE", "False"])("--force=%s", (value) => {
    expect(booleanFlag(understood(`delete --force=${value} ID`), "force")).toBe(false);
  });

  test("numbers have bounds", () => {
    const parsed = understood("create --preserve-fds 5 ID");
    expect(numberFlag(parsed, "preserve-fds", 0, 10)).toBe(5);
    expect(() => numberFlag(parsed, "preserve-fds", 0, 4)).toThrow("must be a number from 0 to 4");
    for (const text of ["-1", "1.5", "x", "", "0x1", "99999999999"])
      expect(() => numberFlag(understood(`create --preserve-fds=${text} ID`), "preserve-fds", 0, 1e6)).toThrow(
        `invalid value "${text}" for flag --preserve-fds`,
      );
  });

  test("durations", () => {
    expect(["1ms", "5s", "1m30s", "2h", "1.5s"].map((text) => parseDuration(text, "--x"))).toEqual([
      1, 5000, 90_000, 7_200_000, 1500,
    ]);
    for (const text of ["", "5", "s", "5x", "-5s", "0s", "1s ", "9999999h"])
      expect(() => parseDuration(text, "--interval")).toThrow(/duration .* for --interval/);
  });
});

describe("misuse", () => {
  const cases: readonly (readonly [line: string, message: string])[] = [
    ["nosuch", 'unknown command "nosuch" (see tsrunc --help)'],
    ["craete ID", 'unknown command "craete" (did you mean create?)'],
    ["strat ID", 'unknown command "strat" (did you mean start?)'],
    ["stat ID", 'unknown command "stat" (did you mean start?)'],
    ["--nosuch list", "flag provided but not defined: --nosuch"],
    ["--logformat json list", "flag provided but not defined: --logformat (did you mean --log-format?)"],
    ["create --bundel /b ID", "flag provided but not defined: --bundel (did you mean --bundle?)"],
    ["create -bundel=/secret ID", "flag provided but not defined: -bundel (did you mean --bundle?)"],
    ["create -x ID", "flag provided but not defined: -x"],
    [
      "create --root /r ID",
      "flag provided but not defined: --root (--root is a global flag: it goes before the command)",
    ],
    ["create ---bundle /b ID", "bad flag syntax: ---bundle"],
    ["create --=x ID", "bad flag syntax: --=x"],
    ["create -=x ID", "bad flag syntax: -=x"],
    ["create ID --bundle", "flag needs an argument: --bundle"],
    ["create ID -b", "flag needs an argument: --bundle"],
    ["--root", "flag needs an argument: --root"],
    ["delete --force=maybe ID", 'invalid boolean value "maybe" for --force: must be true or false'],
    ["delete --force= ID", 'invalid boolean value "" for --force: must be true or false'],
    ["state", '"state" requires exactly 1 argument(s), not 0 (usage: tsrunc state [flags] ID)'],
    ["state a b", '"state" requires exactly 1 argument(s), not 2 (usage: tsrunc state [flags] ID)'],
    ["list a", '"list" requires exactly 0 argument(s), not 1 (usage: tsrunc list [flags])'],
    ["kill", '"kill" requires a minimum of 1 argument(s), not 0 (usage: tsrunc kill [flags] ID [SIGNAL])'],
    ["kill a 9 b", '"kill" requires a maximum of 2 argument(s), not 3 (usage: tsrunc kill [flags] ID [SIGNAL])'],
    [
      "exec --tty",
      '"exec" requires a minimum of 1 argument(s), not 0 (usage: tsrunc exec [flags] ID [COMMAND [ARGUMENT...]])',
    ],
  ];
  test.each(cases)("%s", (line, message) => {
    expect(refused(line)).toBe(message);
  });

  test("no message has words that engines take for another failure", () => {
    for (const [line] of cases)
      expect(refused(line)).not.toMatch(/not found|no such file|permission denied|does not exist/i);
  });

  test("a value with a NUL", () => {
    expect(() => readArguments(commandNamed("create"), ["--bundle", "a\0b", "ID"])).toThrow("holds a NUL");
  });

  test("what is far from everything has no suggestion", () => {
    expect(nearest("qwertz", ["create", "start"])).toBeUndefined();
    expect(nearest("", ["create"])).toBeUndefined();
  });
});
