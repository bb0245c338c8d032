// The command table: what parsing, help and "did you mean" go by. Each command's code is a file of commands/, loaded
// only when it is called.

import type { Context } from "./context.ts";
import type { Flag } from "./flags.ts";

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Arguments as the help shows them */
  readonly usage: string;
  readonly flags: readonly Flag[];
  /** Least and most number of arguments */
  readonly arguments: readonly [least: number, most: number];
  /** "first": what follows the first argument belongs to somebody else */
  readonly stop: "first" | "never";
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  /** Does it, and returns the exit status. */
  readonly run: (context: Context, table: CommandTable) => number | Promise<number>;
}

/** All there is, for commands about commands. */
export interface CommandTable {
  readonly commands: readonly Command[];
  readonly globalFlags: readonly Flag[];
}

const boolean = (name: string, description: string, short?: string): Flag => ({
  name,
  kind: "boolean",
  description,
  ...(short === undefined ? {} : { short }),
});

const list = (name: string, value: string, description: string, short?: string): Flag => ({
  ...text(name, value, description, short),
  kind: "list",
});

const text = (name: string, value: string, description: string, short?: string): Flag => ({
  name,
  kind: "text",
  value,
  description,
  ...(short === undefined ? {} : { short }),
});

const choice = (name: string, choices: readonly string[], description: string, short?: string): Flag => ({
  ...text(name, choices.join("|"), description, short),
  choices,
});

const hidden = (flag: Flag): Flag => ({ ...flag, hidden: true });

export const globalFlags: readonly Flag[] = [
  text("root", "DIR", "directory of the containers' state"),
  text("log", "FILE", "file to append errors, warnings and debug messages to"),
  choice("log-format", ["text", "json"], "how messages are written (default text)"),
  boolean("debug", "write debug messages"),
  boolean("systemd-cgroup", "let systemd manage cgroups; cgroupsPath is then slice:prefix:name"),
  choice("cgroup-manager", ["cgroupfs", "systemd", "disabled"], "who makes cgroups (default cgroupfs)"),
  choice(
    "rootless",
    ["true", "false", "auto"],
    "cgroups as an ordinary user has them: refused ones are let pass, systemd is the user's (default auto)",
  ),
  text("trace", "FILE", "write what took how long, in Chrome's trace format; - for a timeline on standard error"),
  hidden(choice("log-level", ["error", "warning", "debug"], "which messages are written")),
  hidden(text("criu", "PATH", "ignored: criu is looked up in PATH")),
  boolean("help", "show help", "h"),
  boolean("version", "show the version", "v"),
];

const bundle = text("bundle", "DIR", "the bundle (default: the current directory)", "b");

const createFlags: readonly Flag[] = [
  bundle,
  text("pid-file", "FILE", "file to write the process id to"),
  text("console-socket", "SOCKET", "unix socket that gets the terminal's master descriptor"),
  text("pidfd-socket", "SOCKET", "unix socket that gets a pidfd of the container's init"),
  text("preserve-fds", "N", "pass N descriptors from 3 on to the container"),
  boolean("no-pivot", "change the root by MS_MOVE and chroot, for a rootfs on a ramdisk"),
  boolean("no-new-keyring", "keep the caller's session keyring"),
  hidden(boolean("no-subreaper", "don't become the reaper of the container's orphans")),
];

/** What checkpoint and restore both tell CRIU. */
const criuFlags: readonly Flag[] = [
  text("image-path", "DIR", "directory of the image files (default: ./checkpoint)"),
  text("work-path", "DIR", "directory of CRIU's log and work files (default: that of the images)"),
  text("parent-path", "DIR", "directory of an earlier checkpoint, relative to that of the images"),
  boolean("tcp-established", "with open TCP connections"),
  boolean("ext-unix-sk", "with unix sockets whose other end is outside of the container"),
  boolean("shell-job", "with a terminal of the caller's"),
  boolean("file-locks", "with file locks"),
  boolean("lazy-pages", "move memory on demand, by userfaultfd"),
  boolean("auto-dedup", "drop from the parent's images what is in the new ones"),
  text("manage-cgroups-mode", "MODE", "soft, full, strict or ignore (default soft)"),
  text("network-lock", "METHOD", "iptables, nftables or skip: how the network is held meanwhile"),
  list("empty-ns", "TYPE", "leave a namespace empty (network)"),
];

export const commands: readonly Command[] = [
  {
    name: "create",
    summary: "create a container, whose program waits for start",
    usage: "ID",
    // go-runc may say what create does anyway
    flags: [...createFlags, hidden(boolean("detach", "ignored"))],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/create.ts"),
  },
  {
    name: "start",
    summary: "start the program of a created container",
    usage: "ID",
    flags: [],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/start.ts"),
  },
  {
    name: "run",
    summary: "create and start a container, and wait for its end",
    usage: "ID",
    flags: [
      ...createFlags.filter(({ name }) => name !== "no-subreaper"),
      boolean("detach", "return when the program is started", "d"),
      boolean("keep", "don't delete the container when it has ended"),
      boolean("no-subreaper", "don't become the reaper of the container's orphans"),
    ],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/run.ts"),
  },
  {
    name: "exec",
    summary: "run another process in a container",
    usage: "ID [COMMAND [ARGUMENT...]]",
    flags: [
      text("process", "FILE", "the process as JSON, in place of a command", "p"),
      text("cwd", "DIR", "working directory in the container"),
      list("env", "NAME=VALUE", "an environment variable, may be repeated", "e"),
      boolean("tty", "with a terminal", "t"),
      text("user", "UID[:GID]", "user and group in the container", "u"),
      list("additional-gids", "GID", "a further group, may be repeated", "g"),
      boolean("detach", "return when the process runs", "d"),
      text("pid-file", "FILE", "file to write the process id to"),
      text("console-socket", "SOCKET", "unix socket that gets the terminal's master descriptor"),
      text("pidfd-socket", "SOCKET", "unix socket that gets a pidfd of the process"),
      text("process-label", "LABEL", "SELinux label of the process"),
      text("apparmor", "PROFILE", "AppArmor profile of the process"),
      boolean("no-new-privs", "the process can't gain privileges"),
      list("cap", "CAPABILITY", "a further capability, may be repeated", "c"),
      text("preserve-fds", "N", "pass N descriptors from 3 on to the process"),
      list("cgroup", "[CONTROLLER,...:]PATH", "a sub-cgroup of the container's that exists, may be repeated"),
      boolean("ignore-paused", "join a paused container, and wait until it is resumed"),
      text("timeout", "DURATION", "kill the process when it takes longer; exit status 124"),
      hidden(boolean("no-subreaper", "")),
    ],
    arguments: [1, Number.MAX_SAFE_INTEGER],
    stop: "first",
    load: () => import("./commands/exec.ts"),
  },
  {
    name: "checkpoint",
    summary: "write a running container to files, with CRIU",
    usage: "ID",
    flags: [
      ...criuFlags,
      boolean("leave-running", "let the container go on afterwards"),
      boolean("pre-dump", "only its memory, while it goes on"),
      boolean("tcp-skip-in-flight", "leave out TCP connections that are not yet established"),
      boolean("link-remap", "give files without a name one"),
      text("status-fd", "N", "descriptor that gets a NUL when the page server is ready"),
      text("page-server", "ADDRESS:PORT", "send memory there"),
    ],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/checkpoint.ts"),
  },
  {
    name: "restore",
    summary: "make a container of the files of a checkpoint, and wait for its end",
    usage: "ID",
    flags: [
      bundle,
      ...criuFlags,
      boolean("detach", "return when it runs", "d"),
      text("pid-file", "FILE", "file to write the process id to"),
      text("console-socket", "SOCKET", "unix socket that gets the terminal's master descriptor"),
      boolean("tcp-close", "restore TCP connections as closed ones"),
      text("lsm-profile", "TYPE:NAME", "AppArmor profile or SELinux label of the restored processes"),
      text("lsm-mount-context", "CONTEXT", "SELinux context of restored mounts"),
      boolean("keep", "don't delete the container when it has ended"),
      boolean("no-subreaper", "don't become the reaper of the container's orphans"),
      hidden(boolean("no-pivot", "")),
      hidden(boolean("no-new-keyring", "")),
      hidden(text("preserve-fds", "N", "")),
    ],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/restore.ts"),
  },
  {
    name: "state",
    summary: "show a container's state as JSON",
    usage: "ID",
    flags: [],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/state.ts"),
  },
  {
    name: "kill",
    summary: "send a signal (default TERM) to a container",
    usage: "ID [SIGNAL]",
    flags: [boolean("all", "to all its processes, even if its init has ended", "a")],
    arguments: [1, 2],
    stop: "first",
    load: () => import("./commands/kill.ts"),
  },
  {
    name: "delete",
    summary: "delete a stopped container and all it has",
    usage: "ID",
    flags: [boolean("force", "kill it first; an unknown id is no error", "f")],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/delete.ts"),
  },
  {
    name: "list",
    summary: "list containers",
    usage: "",
    flags: [
      choice("format", ["table", "json"], "how it is shown (default table)", "f"),
      boolean("quiet", "only ids", "q"),
    ],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/list.ts"),
  },
  {
    name: "pause",
    summary: "freeze all processes of a container",
    usage: "ID",
    flags: [],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/pause.ts"),
  },
  {
    name: "resume",
    summary: "let the processes of a paused container go on",
    usage: "ID",
    flags: [],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/resume.ts"),
  },
  {
    name: "ps",
    summary: "show the processes of a container",
    usage: "ID [PS OPTION...]",
    flags: [choice("format", ["table", "json"], "how it is shown (default table)", "f")],
    arguments: [1, Number.MAX_SAFE_INTEGER],
    stop: "first",
    load: () => import("./commands/ps.ts"),
  },
  {
    name: "events",
    summary: "show statistics and out-of-memory kills of a container as they come, as JSON",
    usage: "ID",
    flags: [
      boolean("stats", "one statistics record, and end"),
      text("interval", "DURATION", "time between statistics (default 5s)"),
    ],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/events.ts"),
  },
  {
    name: "update",
    summary: "change the limits of a container",
    usage: "ID",
    flags: [
      text(
        "resources",
        "FILE",
        "a linux.resources object as JSON (- reads standard input); other flags don't count",
        "r",
      ),
      text("blkio-weight", "N", "block I/O weight, 10 to 1000"),
      text("cpu-period", "US", "CPU period in microseconds"),
      text("cpu-quota", "US", "CPU time in a period, -1 for no limit"),
      text("cpu-burst", "US", "unused CPU time that may be saved up"),
      text("cpu-share", "N", "CPU shares, 2 to 262144"),
      text("cpu-rt-period", "US", "real-time period (cgroup v1)"),
      text("cpu-rt-runtime", "US", "real-time budget in a period (cgroup v1)"),
      text("cpu-idle", "0|1", "whether to run only when the CPU is idle"),
      text("cpuset-cpus", "LIST", "CPUs, such as 0-3,7"),
      text("cpuset-mems", "LIST", "memory nodes"),
      text("memory", "BYTES", "memory limit; suffixes k, m, g; -1 for no limit"),
      text("memory-reservation", "BYTES", "memory that is not reclaimed if it can be avoided"),
      text("memory-swap", "BYTES", "limit of memory and swap together, -1 for no limit"),
      text("pids-limit", "N", "number of processes and threads, -1 for no limit"),
      hidden(text("kernel-memory", "BYTES", "ignored")),
      hidden(text("kernel-memory-tcp", "BYTES", "ignored")),
      text("l3-cache-schema", "SCHEMA", "shares of the L3 cache, such as L3:0=ff"),
      text("mem-bw-schema", "SCHEMA", "shares of memory bandwidth, such as MB:0=50"),
    ],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/update.ts"),
  },
  {
    name: "mounts",
    summary: "add mounts to a container that exists, or remove them",
    usage: "add|remove ID FILE",
    flags: [],
    arguments: [3, 3],
    stop: "never",
    load: () => import("./commands/mounts.ts"),
  },
  {
    name: "spec",
    summary: "write a default config.json",
    usage: "",
    flags: [
      text("bundle", "DIR", "where to write it (default: the current directory)", "b"),
      boolean("rootless", "for a container of an ordinary user"),
    ],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/spec.ts"),
  },
  {
    name: "plan",
    summary: "show what create would do, step by step, without doing it",
    usage: "",
    flags: [
      bundle,
      boolean("json", "as JSON"),
      boolean("no-pivot", "as with create --no-pivot"),
      boolean("no-new-keyring", "as with create --no-new-keyring"),
    ],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/plan.ts"),
  },
  {
    name: "validate",
    summary: "check a bundle and tell everything that is wrong with it",
    usage: "",
    flags: [bundle, boolean("json", "as JSON"), boolean("host", "also what this machine can't do")],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/validate.ts"),
  },
  {
    name: "features",
    summary: "show what this runtime can do, as JSON",
    usage: "",
    flags: [],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/features.ts"),
  },
  {
    name: "doctor",
    summary: "show what this host offers and lacks for containers, with what to do about it",
    usage: "",
    flags: [boolean("json", "as JSON")],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "gc",
    summary: "remove what crashed commands and earlier boots have left",
    usage: "",
    flags: [boolean("dry-run", "only show what would be removed")],
    arguments: [0, 0],
    stop: "never",
    load: () => import("./commands/gc.ts"),
  },
  {
    name: "completion",
    summary: "write a completion script for a shell",
    usage: "bash|zsh|fish",
    flags: [],
    arguments: [1, 1],
    stop: "never",
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "seccomp",
    summary: "explain a seccomp profile, or run a container and tell what it would have denied",
    usage: "explain [FILE] | trace ID",
    flags: [
      ...createFlags,
      text("syscall", "NAME[,ARG...]", "explain: what the profile does with this call"),
      boolean("dump", "explain: show the BPF program"),
    ],
    arguments: [1, 2],
    stop: "never",
    load: () => import("./commands/seccomp.ts"),
  },
];
