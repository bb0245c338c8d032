/** What is measured: one entry for each row of the table. */
import { spawnSync } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, defaultConfig, podmanConfig } from "../harness/config.ts";
import { compile } from "../harness/paths.ts";
import { makeRootfs } from "../harness/rootfs.ts";
import { smallestLimit } from "../harness/smallest-limit.ts";
import type { Contestant } from "./contestants.ts";

/** One line of a spawnbench scenario: kind and fields (see spawnbench.c). */
export type Line = readonly string[];

export interface Row {
  readonly name: string;
  readonly rounds: number;
  /** The lines of a contestant. */
  lines(runtime: Contestant, lab: Lab): Line[];
  /** Prepares things that aren't measured. An exception means: this contestant can't; its text says why. */
  before?(runtime: Contestant, lab: Lab): void;
  /** Takes away what `before` made, also when that failed half way. */
  after?(runtime: Contestant, lab: Lab): void;
  /** What the time is divided by (many containers in one measurement). */
  readonly each?: number;
  /** Include the bare-C floor program. */
  readonly floor?: boolean;
  /** Not a spawnbench row: measures a number of its own (unit in `unit`). */
  measure?(runtime: Contestant, lab: Lab): number;
  readonly unit?: string;
}

/** The scratch place of a bench run: bundles, and a state root for each contestant. */
export class Lab {
  readonly directory: string;
  /** Cgroups by systemd. */
  readonly systemd: boolean;

  constructor(directory: string, systemd: boolean) {
    this.directory = directory;
    this.systemd = systemd;
  }

  root(runtime: Contestant): string {
    return join(this.directory, `root-${runtime.name}`);
  }

  /** The command line of a runtime's command with its private root. */
  command(runtime: Contestant, ...args: string[]): string[] {
    const driver = this.systemd ? ["--systemd-cgroup"] : [];
    return [...runtime.argv, "--root", this.root(runtime), ...driver, ...args];
  }

  /**
   * Runs a command that isn't measured.
   * Its stderr is a file: the container inherits it, and waiting for a pipe's end would be waiting for the container.
   * @throws with the last line of its stderr when it fails
   */
  call(runtime: Contestant, ...args: string[]): void {
    const [program = "", ...rest] = this.command(runtime, ...args);
    const errors = join(this.directory, "stderr");
    const fd = openSync(errors, "w");
    const { status } = spawnSync(program, rest, { stdio: ["ignore", "ignore", fd], timeout: 20_000 });
    closeSync(fd);
    if (status !== 0) throw new Error(readFileSync(errors, "utf8").trim().split("\n").at(-1) ?? `exit ${status}`);
  }

  /** The bundle of that name, made on first use; all contestants run the same one. */
  bundle(name: string, change: (config: Config) => void = () => undefined): string {
    const path = join(this.directory, name);
    if (existsSync(path)) return path;
    const config = defaultConfig(["/bin/true"]);
    change(config);
    makeRootfs(join(path, "rootfs"));
    mkdirSync(join(path, "rootfs/data"));
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    return path;
  }
}

const sleeper = (config: Config): void => {
  config.process.args = ["/bin/sleep", "100000"];
};

/** Ids carry the contestant's name: their cgroups would collide, and the runtimes refuse that. */
const id = (runtime: Contestant, row: string): string => `bench-${runtime.name}-${row}`;

/** Makes N created containers before, and deletes them afterwards. */
function population(count: number): Pick<Row, "before" | "after"> {
  return {
    before: (runtime, lab) => {
      for (let i = 0; i < count; i++)
        lab.call(runtime, "create", "--bundle", lab.bundle("sleeper", sleeper), id(runtime, `p${i}`));
    },
    after: (runtime, lab) => {
      for (let i = 0; i < count; i++) lab.call(runtime, "delete", "--force", id(runtime, `p${i}`));
    },
  };
}

/** One container that waits, for commands on a running container. */
const running: Pick<Row, "before" | "after"> = {
  before: (runtime, lab) => {
    lab.call(runtime, "create", "--bundle", lab.bundle("sleeper", sleeper), id(runtime, "running"));
    lab.call(runtime, "start", id(runtime, "running"));
  },
  after: (runtime, lab) => lab.call(runtime, "delete", "--force", id(runtime, "running")),
};

const run =
  (bundle: (lab: Lab) => string, name: string) =>
  (runtime: Contestant, lab: Lab): Line[] => [
    ["T", ...lab.command(runtime, "run", "--bundle", bundle(lab), id(runtime, `${name}-%i`))],
  ];

/** How long a phase takes by our own trace, which the others don't have. */
function inside(name: string, phase: string): Row {
  const duration = (runtime: Contestant, lab: Lab): number => {
    const file = join(lab.directory, "trace.json");
    lab.call(runtime, "--trace", file, "plan", "--bundle", join(lab.directory, "podman"));
    const { traceEvents } = JSON.parse(readFileSync(file, "utf8")) as { traceEvents: { name: string; dur?: number }[] };
    return traceEvents.find((event) => event.name === phase)?.dur ?? Number.NaN;
  };
  return {
    name,
    rounds: 1,
    unit: "µs",
    before: (runtime, lab) => {
      if (runtime.name === "crun" || runtime.name === "runc") throw new Error("it doesn't tell");
      lab.bundle("podman", (config) => {
        Object.assign(config, podmanConfig(), { root: { path: "rootfs" } });
      });
    },
    lines: () => [],
    measure: (runtime, lab) => {
      const durations = Array.from({ length: 41 }, () => duration(runtime, lab)).sort((a, b) => a - b);
      return Math.round(durations[20] ?? Number.NaN);
    },
  };
}

export const rows: readonly Row[] = [
  {
    name: "engine start-up: --version",
    rounds: 60,
    floor: true,
    lines: (runtime) => [["T", ...runtime.argv, "--version"]],
  },
  {
    name: "run, default bundle, /bin/true",
    rounds: 60,
    floor: true,
    lines: run((lab) => lab.bundle("default"), "run"),
  },
  {
    name: "create + start + kill + delete",
    rounds: 40,
    lines: (runtime, lab) => {
      const pid = join(lab.directory, `pid-${runtime.name}-%i`);
      return [
        [
          "T",
          ...lab.command(
            runtime,
            "create",
            "--bundle",
            lab.bundle("sleeper", sleeper),
            "--pid-file",
            pid,
            id(runtime, "life-%i"),
          ),
        ],
        ["T", ...lab.command(runtime, "start", id(runtime, "life-%i"))],
        ["T", ...lab.command(runtime, "kill", id(runtime, "life-%i"), "9")],
        ["P", pid],
        ["T", ...lab.command(runtime, "delete", id(runtime, "life-%i"))],
      ];
    },
  },
  {
    name: "create",
    rounds: 40,
    lines: (runtime, lab) => [
      ["T", ...lab.command(runtime, "create", "--bundle", lab.bundle("sleeper", sleeper), id(runtime, "create-%i"))],
      ["U", ...lab.command(runtime, "delete", "--force", id(runtime, "create-%i"))],
    ],
  },
  {
    name: "state",
    rounds: 60,
    ...running,
    lines: (runtime, lab) => [["T", ...lab.command(runtime, "state", id(runtime, "running"))]],
  },
  {
    name: "exec /bin/true",
    rounds: 60,
    ...running,
    before: (runtime, lab) => {
      running.before?.(runtime, lab);
      lab.call(runtime, "exec", id(runtime, "running"), "/bin/true");
    },
    lines: (runtime, lab) => [["T", ...lab.command(runtime, "exec", id(runtime, "running"), "/bin/true")]],
  },
  {
    name: "run with limits",
    rounds: 40,
    lines: run(
      (lab) =>
        lab.bundle("limits", (config) => {
          const memory = { limit: 256 << 20, reservation: 128 << 20, swap: 256 << 20 };
          const cpu = { shares: 512, quota: 100000, period: 100000, cpus: "0" };
          config.linux.resources = { ...config.linux.resources, memory, cpu, pids: { limit: 100 } };
        }),
      "limits",
    ),
  },
  {
    name: "ps --format json",
    rounds: 40,
    ...running,
    lines: (runtime, lab) => [["T", ...lab.command(runtime, "ps", "--format", "json", id(runtime, "running"))]],
  },
  {
    name: "events --stats",
    rounds: 40,
    ...running,
    before: (runtime, lab) => {
      running.before?.(runtime, lab);
      lab.call(runtime, "events", "--stats", id(runtime, "running"));
    },
    lines: (runtime, lab) => [["T", ...lab.command(runtime, "events", "--stats", id(runtime, "running"))]],
  },
  {
    name: "update of three limits",
    rounds: 40,
    ...running,
    lines: (runtime, lab) => {
      const flags = ["--memory", String(256 << 20), "--pids-limit", "100", "--cpu-share", "512"];
      return [["T", ...lab.command(runtime, "update", ...flags, id(runtime, "running"))]];
    },
  },
  {
    name: "pause + resume",
    rounds: 40,
    ...running,
    lines: (runtime, lab) => [
      ["T", ...lab.command(runtime, "pause", id(runtime, "running"))],
      ["T", ...lab.command(runtime, "resume", id(runtime, "running"))],
    ],
  },
  {
    name: "list of 100",
    rounds: 20,
    ...population(100),
    lines: (runtime, lab) => [["T", ...lab.command(runtime, "list")]],
  },
  // Together they show whether the time grows with the number of mounts alone, or faster.
  ...[250, 1000].map(
    (count): Row => ({
      name: `run of a config with ${count} mounts`,
      rounds: 10,
      lines: run(
        (lab) =>
          lab.bundle(`config-mounts-${count}`, (config) => {
            const bind = {
              type: "bind",
              source: "/etc",
              options: ["bind", "ro", "nosuid", "nodev", "rprivate"],
            };
            for (let i = 0; i < count; i++) config.mounts.push({ ...bind, destination: `/tmp/m/${i}` });
          }),
        `config-mounts-${count}`,
      ),
    }),
  ),
  {
    name: "run with podman's default seccomp profile",
    rounds: 30,
    before: (runtime, lab) => {
      lab.bundle("seccomp", (config) => {
        config.linux["seccomp"] = podmanConfig().linux.seccomp;
      });
      lab.call(runtime, "run", "--bundle", join(lab.directory, "seccomp"), id(runtime, "seccomp"));
    },
    lines: run((lab) => join(lab.directory, "seccomp"), "seccomp"),
  },
  inside("podman's config.json parsed and held against the schema, inside the process", "read config.json"),
  inside("podman's config.json checked by the rules, inside the process", "check config.json"),
  inside("podman's seccomp profile compiled, inside the process", "compile the seccomp profile"),
  {
    name: "200 containers, 8 at a time (per container)",
    rounds: 3,
    each: 200,
    lines: (runtime, lab) => [
      ["X", "200", "8", ...lab.command(runtime, "run", "--bundle", lab.bundle("default"), id(runtime, "many-%i"))],
    ],
  },
  ...(["run", "create"] as const).map(
    (way): Row => ({
      name: `smallest memory limit that starts${way === "run" ? "" : ", start apart"}`,
      rounds: 1,
      unit: "KiB",
      lines: () => [],
      measure: (runtime, lab) =>
        smallestLimit({
          command: (...args) => lab.command(runtime, ...args),
          bundle: lab.bundle("memory"),
          id: id(runtime, "memory"),
          way,
          highest: 16 * 1024,
          step: 8,
          tries: 7,
        }),
    }),
  ),
  {
    // The last one: its mounts stay until the bench's private mount namespace ends.
    name: "run with 2,000 mounts on the host",
    rounds: 20,
    before: (_runtime, lab) => mountMany(join(lab.directory, "mounts"), 2000),
    lines: run((lab) => lab.bundle("default"), "mounts"),
  },
];

/** Many small mounts in the bench's own mount namespace; a second call finds them there. */
function mountMany(directory: string, count: number): void {
  if (existsSync(directory)) return;
  mkdirSync(directory, { recursive: true });
  const script = `busybox mount -t tmpfs none .; cd "$PWD"; i=0; while [ $i -lt ${count} ]; do busybox mkdir $i; busybox mount -t tmpfs -o size=4k none $i; i=$((i+1)); done`;
  const { status, stderr } = spawnSync("busybox", ["sh", "-c", script], { cwd: directory, encoding: "utf8" });
  if (status !== 0) throw new Error(`can't make ${count} mounts: ${stderr}`);
}

/** The floor's lines for a row: the bare-C container, or a program that does nothing. */
export function floorLines(row: Row, lab: Lab): Line[] {
  const program = compile("test/bench/floor.c");
  if (!row.name.startsWith("run")) return [["T", program]];
  const own = join(lab.directory, "floor-rootfs");
  if (!existsSync(own)) cpSync(join(lab.bundle("default"), "rootfs"), own, { recursive: true, verbatimSymlinks: true });
  return [["T", program, own, "/bin/true"]];
}
