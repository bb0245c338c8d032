// Puts the newest benchmark (build/bench.json, made by `npm run bench`) into the README: a table between its two bench
// markers, and docs/bench.svg, a picture of it. With "systemd" instead: the one with the systemd driver
// (build/bench-systemd.json, made in the lab) into docs/performance.md, which tells how it is made.
//
//   node tools/bench-readme.js [systemd]

import { readFileSync, writeFileSync } from "node:fs";

/** @typedef {{ wall: number[], peak: number[] }} Series */
/** @typedef {{ name: string, unit: string, series: Record<string, Series | undefined> }} Row */

const names = ["tsrunc", "crun", "runc"];
const colours = { tsrunc: "#2b6cb0", crun: "#a0aec0", runc: "#cbd5e0" };

/** @typedef {{ date: string, machine: string, contestants: { name: string, version: string }[], rows: Row[], notes: string[] }} Bench */

if (process.argv[2] === undefined) {
  const bench = read("build/bench.json");
  const shown = "![Time of each operation beside crun and runc](docs/bench.svg)";
  put("README.md", `${shown}\n\n${table(bench)}\n\n${others(bench)}\n\n${caption(bench)}\n`);
  writeFileSync("docs/bench.svg", picture(timed(bench)));
} else if (process.argv[2] === "systemd") {
  const bench = read("build/bench-systemd.json");
  put("docs/performance.md", `${table(bench)}\n\n${caption(bench)}\n`);
} else {
  throw new Error(`no such table: ${process.argv[2]}`);
}

/**
 * @param {string} path
 * @returns {Bench}
 */
function read(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * Puts text between the markers of a file.
 * @param {string} path
 * @param {string} content
 */
function put(path, content) {
  const text = readFileSync(path, "utf8");
  const markers = /(<!-- bench -->\n)[\s\S]*(<!-- \/bench -->)/;
  if (!markers.test(text)) throw new Error(`${path} has no bench markers`);
  writeFileSync(
    path,
    text.replace(markers, (_, begin, end) => begin + content + end),
  );
}

/** @param {Bench} bench */
function timed({ rows }) {
  return rows.filter((row) => row.unit === "ms" && row.series["tsrunc"] !== undefined);
}

/** @param {Bench} bench */
function caption({ date, machine, contestants }) {
  const versions = contestants.map(({ name, version }) => `${name} ${version.replace(/^.*version /, "")}`).join(", ");
  return `${date.slice(0, 10)}, ${machine}; ${versions}. Medians of paired runs.`;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/**
 * Median milliseconds, undefined where it wasn't measured.
 * @param {Row} row
 * @param {string} name
 */
function milliseconds(row, name) {
  const series = row.series[name];
  return series === undefined ? undefined : median(series.wall) / 1e6;
}

/**
 * Median of the ratios, pair by pair.
 * @param {Row} row
 * @param {string} peer
 */
function ratio(row, peer) {
  const ours = row.series["tsrunc"]?.wall ?? [];
  const theirs = row.series[peer]?.wall ?? [];
  if (theirs.length === 0) return "";
  return median(ours.map((value, index) => value / (theirs[index] ?? Number.NaN))).toFixed(2);
}

/** @param {Series | undefined} series */
function peak(series) {
  return series === undefined ? "" : (Math.max(...series.peak) / 1024).toFixed(1);
}

/**
 * Rows that aren't about the time of a command, a sentence each.
 * @param {Bench} bench
 */
function others(bench) {
  const said = bench.rows
    .filter(({ unit }) => unit !== "ms")
    .map(({ name, unit, series }) => {
      const values = names.flatMap((peer) => {
        const one = series[peer];
        return one === undefined ? [] : [`${peer} ${median(one.wall)} ${unit}`];
      });
      return `${name}: ${values.join(", ")}.`;
    });
  return [...said, ...bench.notes.map((note) => `${note}.`)].join("\\\n");
}

/** @param {Bench} bench */
function table(bench) {
  const head = [
    "",
    ...names.map((name) => `${name} ms`),
    "tsrunc / crun",
    "tsrunc / runc",
    "peak MB tsrunc",
    "crun",
    "runc",
  ];
  const body = timed(bench).map((row) => [
    row.name,
    ...names.map((name) => milliseconds(row, name)?.toFixed(2) ?? ""),
    ratio(row, "crun"),
    ratio(row, "runc"),
    ...names.map((name) => peak(row.series[name])),
  ]);
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...body.map(line)].join("\n");
}

/**
 * Horizontal bars, a group for each row, each group to its own scale.
 * @param {Row[]} rows
 */
function picture(rows) {
  const [label, width, bar, gap] = [260, 360, 13, 14];
  const group = names.length * bar + gap;
  const height = rows.length * group + 40;
  const parts = rows.flatMap((row, index) => {
    const top = 30 + index * group;
    const times = names.map((name) => milliseconds(row, name));
    const longest = Math.max(...times.map((time) => time ?? 0));
    const bars = names.flatMap((name, place) => {
      const time = times[place];
      if (time === undefined) return [];
      const y = top + place * bar;
      const length = Math.max(1, (time / longest) * width);
      return [
        `<rect x="${label}" y="${y}" width="${length.toFixed(1)}" height="${bar - 2}" fill="${colours[/** @type {keyof typeof colours} */ (name)]}"/>`,
        `<text x="${label + length + 5}" y="${y + bar - 4}" class="n">${name} ${time.toFixed(2)} ms</text>`,
      ];
    });
    return [`<text x="${label - 10}" y="${top + group / 2 - 4}" class="l">${forXml(row.name)}</text>`, ...bars];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${label + width + 130}" height="${height}" role="img">`,
    "<title>Time of each operation beside crun and runc</title>",
    "<style>text{font-family:sans-serif;fill:#2d3748}.l{font-size:12px;text-anchor:end}.n{font-size:10px}.t{font-size:13px}</style>",
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="10" y="18" class="t">Milliseconds, less is better</text>`,
    ...parts,
    "</svg>",
  ].join("\n")}\n`;
}

/** @param {string} text */
function forXml(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
