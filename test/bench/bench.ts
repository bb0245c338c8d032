/**
 * `npm run bench`: how fast and how small are we, against the newest crun and runc that Debian has?
 *
 * All contestants run in turn, round by round, in one process tree and one layout, so that what disturbs the machine
 * disturbs all of them; the ratios are taken pair by pair. Results: a table on stdout and build/bench.json.
 *
 *   --quick          a quarter of the rounds        --rows a,b     only rows whose name contains one of these
 *   --markdown       the table as Markdown          --node         bench `node dist/cli.js` too
 *   --json           on stdout what build/bench.json gets, and not there; for guests, whose files are gone afterwards
 *   --no-fetch       don't fetch later peers        --suite NAME   Debian suite of the peers (default sid)
 *   --systemd-cgroup with the systemd driver, where systemd runs: npm run lab -- --systemd npm run bench -- ...
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { podmanConfig } from "../harness/config.ts";
import { compile, repository } from "../harness/paths.ts";
import { hybridCgroups } from "../harness/runtimes.ts";
import { oracle } from "../unit/seccomp/libseccomp.ts";
import { type Contestant, findContestants } from "./contestants.ts";
import { type Bench, type RowResult, ratios, type Series, table } from "./report.ts";
import { floorLines, Lab, type Line, type Row, rows } from "./rows.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rows: { type: "string", default: "" },
    markdown: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    node: { type: "boolean", default: false },
    "no-fetch": { type: "boolean", default: false },
    suite: { type: "string", default: "sid" },
    "systemd-cgroup": { type: "boolean", default: false },
  },
});

if (process.env["TSRUNC_BENCH_INSIDE"] === undefined) enterNamespace();
else main();

function main(): void {
  const { contestants, notes } = findContestants({ fetch: false, suite: options.suite, node: options.node });
  const lab = new Lab(mkdtempSync(join(tmpdir(), "tsrunc-bench-")), options["systemd-cgroup"]);
  try {
    const wanted = options.rows.split(",");
    const results = rows
      .filter((row) => wanted.some((part) => row.name.includes(part)))
      .map((row) => measure(row, contestants, lab));
    if (results.some(({ name }) => name.includes("seccomp profile compiled"))) notes.push(libseccompTime());
    const bench: Bench = { date: new Date().toISOString(), machine: machine(), contestants, rows: results, notes };
    show(bench);
  } finally {
    spawnSync("umount", ["-l", join(lab.directory, "mounts")]); // of the last row, with all that is below
    rmSync(lab.directory, { recursive: true, force: true });
  }
}

/**
 * Runs the bench again in a mount namespace of its own. crun refuses hosts that have the v2 hierarchy beside v1 ones, so
 * that mount is taken away there, for all contestants alike.
 */
function enterNamespace(): void {
  const { notes } = findContestants({ fetch: !options["no-fetch"], suite: options.suite, node: options.node });
  for (const note of notes) process.stderr.write(`bench: ${note}\n`);
  compile("test/bench/spawnbench.c");
  const script = `${hybridCgroups() ? "umount /sys/fs/cgroup/unified; " : ""}exec "$@"`;
  const { status } = spawnSync(
    "unshare",
    ["-m", "--propagation", "private", "sh", "-c", script, "sh", ...process.argv],
    {
      stdio: "inherit",
      env: { ...process.env, TSRUNC_BENCH_INSIDE: "1" },
    },
  );
  process.exitCode = status ?? 1;
}

/** Measures one row with every contestant that can do it. */
function measure(row: Row, contestants: readonly Contestant[], lab: Lab): RowResult {
  const skipped: Record<string, string> = {};
  const able: Contestant[] = [];
  process.stderr.write(`bench: ${row.name}\n`);
  for (const contestant of contestants) {
    try {
      row.before?.(contestant, lab);
      able.push(contestant);
    } catch (error) {
      skipped[contestant.name] = error instanceof Error ? error.message : String(error);
      process.stderr.write(`bench:   ${contestant.name} can't: ${skipped[contestant.name]}\n`);
      row.after?.(contestant, lab);
    }
  }
  const series = row.measure === undefined ? paired(row, able, lab) : alone(row, able, lab);
  for (const contestant of able) row.after?.(contestant, lab);
  return { name: row.name, unit: row.unit ?? "ms", series, skipped };
}

function alone(row: Row, able: readonly Contestant[], lab: Lab): Record<string, Series> {
  return Object.fromEntries(
    able.map((contestant) => {
      const value = row.measure?.(contestant, lab) ?? Number.NaN;
      return [contestant.name, { wall: [value], peak: [0] }];
    }),
  );
}

/** Hands the scenario of all contestants to spawnbench and collects its lines. */
function paired(row: Row, able: readonly Contestant[], lab: Lab): Record<string, Series> {
  const rounds = Math.max(options.quick ? Math.ceil(row.rounds / 4) : row.rounds, 1);
  const parts: [string, Line[]][] = able.map((contestant) => [contestant.name, row.lines(contestant, lab)]);
  if (row.floor === true) parts.push(["floor", floorLines(row, lab)]);
  const scenario = [["R", String(rounds)], ...parts.flatMap(([name, lines]) => [["C", name], ...lines])];
  const input = scenario.map((line) => line.join("\t")).join("\n");
  const output = execFileSync(compile("test/bench/spawnbench.c"), {
    input: `${input}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  const series: Record<string, Series> = Object.fromEntries(parts.map(([name]) => [name, { wall: [], peak: [] }]));
  for (const line of output.trimEnd().split("\n")) {
    const [name = "", wall, peak] = line.split("\t");
    series[name]?.wall.push(Number(wall) / (row.each ?? 1));
    series[name]?.peak.push(Number(peak));
  }
  return series;
}

function show(bench: Bench): void {
  const json = `${JSON.stringify({ ...bench, ratios: ratios(bench) }, null, 1)}\n`;
  if (options.json) {
    process.stdout.write(json);
    return;
  }
  mkdirSync(join(repository, "build"), { recursive: true });
  writeFileSync(join(repository, "build/bench.json"), json);
  const sizes = bench.contestants.map(({ version, size }) => `${version}, ${(size / 2 ** 20).toFixed(1)} MB`);
  console.log(`${bench.date.slice(0, 10)}, ${bench.machine}`);
  for (const line of [...sizes, ...bench.notes]) console.log(line);
  console.log(`\n${table(bench, options.markdown)}`);
}

/** What crun and runc spend on the same profile, in the library that they share. */
function libseccompTime(): string {
  const profile = podmanConfig().linux.seccomp;
  const times = Array.from({ length: 9 }, () => {
    const began = performance.now();
    oracle(profile, "x86_64");
    return performance.now() - began;
  }).sort((a, b) => a - b);
  return `libseccomp makes podman's profile in ${Math.round((times[4] ?? Number.NaN) * 1000)} µs`;
}

function machine(): string {
  const memory = /MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? "0";
  const version = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "v2" : "v1";
  const layout = `cgroup ${version}${options["systemd-cgroup"] ? " by systemd" : ""}`;
  return `Linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${Math.round(Number(memory) / 2 ** 20)} GiB, ${layout}`;
}
