/** The bench's table, as text or Markdown. */
import type { Contestant } from "./contestants.ts";
import { pairedRatio, type Spread, spread } from "./stats.ts";

/** The raw numbers of one contestant in one row, round by round. */
export interface Series {
  readonly wall: number[];
  readonly peak: number[];
}

export interface RowResult {
  readonly name: string;
  readonly unit: string;
  readonly series: Readonly<Record<string, Series>>;
  /** Why a contestant has no numbers in this row. */
  readonly skipped: Readonly<Record<string, string>>;
}

/** Everything build/bench.json holds. */
export interface Bench {
  readonly date: string;
  readonly machine: string;
  readonly contestants: readonly Contestant[];
  readonly rows: readonly RowResult[];
  readonly notes: readonly string[];
}

/** Per row and peer: our value divided by theirs, round by round. */
export function ratios(bench: Bench): { row: string; ours: string; peer: string; ratio: Spread; peak: number }[] {
  return bench.rows.flatMap((row) =>
    ["tsrunc", "node"].flatMap((ours) =>
      ["crun", "runc", "floor"].flatMap((peer) => {
        const mine = row.series[ours];
        const theirs = row.series[peer];
        if (mine === undefined || theirs === undefined) return [];
        const peak = Math.max(...mine.peak) / Math.max(...theirs.peak);
        return [{ row: row.name, ours, peer, ratio: pairedRatio(mine.wall, theirs.wall), peak }];
      }),
    ),
  );
}

/** One line per row: median time and peak memory of each contestant, then the paired ratios with their quartiles. */
export function table(bench: Bench, markdown: boolean): string {
  const names = [...bench.contestants.map((contestant) => contestant.name), "floor"];
  const ours = names.find((name) => name === "tsrunc");
  const against = ours === undefined ? [] : ["crun", "runc"].filter((name) => names.includes(name));
  const head = [
    "",
    ...names.map((name) => `${name} ms`),
    ...against.map((name) => `tsrunc/${name}`),
    ...bench.contestants.map((contestant) => `${contestant.name} MB`),
  ];
  const body = bench.rows.map((row) => [
    row.unit === "ms" ? row.name : `${row.name} (${row.unit})`,
    ...names.map((name) => cell(row, name)),
    ...against.map((name) => ratioCell(row, name)),
    ...bench.contestants.map(({ name }) => {
      const peak = row.series[name]?.peak ?? [];
      return peak.length === 0 || row.unit !== "ms" ? "" : (Math.max(...peak) / 1024).toFixed(1);
    }),
  ]);
  return markdown ? markdownTable([head, ...body]) : textTable([head, ...body]);
}

function cell(row: RowResult, name: string): string {
  const series = row.series[name];
  if (series === undefined) return row.skipped[name] === undefined ? "" : "-";
  const value = spread(series.wall).median;
  return row.unit === "ms" ? (value / 1e6).toFixed(2) : String(value);
}

function ratioCell(row: RowResult, peer: string): string {
  const ours = row.series["tsrunc"];
  const theirs = row.series[peer];
  if (ours === undefined || theirs === undefined) return "";
  const { median, low, high } = pairedRatio(ours.wall, theirs.wall);
  return row.unit === "ms" ? `${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})` : median.toFixed(2);
}

function markdownTable([head = [], ...body]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...body.map(line)].join("\n");
}

function textTable(lines: string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join("  "),
    )
    .join("\n");
}
