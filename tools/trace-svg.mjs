// Draws a trace of `tsrunc --trace FILE` as a picture for the documentation:
//
//   node tools/trace-svg.mjs TRACE.json > docs/trace-run.svg
//
// Above, the runtime: a phase below the one that it is part of. Below, the operations of init, one after the other. Then
// the longest of both by name.

import { readFileSync } from "node:fs";

/** @typedef {{ name: string, ph: string, ts: number, dur: number, tid: number, args: Record<string, string> }} Span */

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node tools/trace-svg.mjs TRACE.json");
/** @type {readonly Span[]} */
const events = JSON.parse(readFileSync(path, "utf8")).traceEvents;
const spans = events.filter(({ ph }) => ph === "X");

const width = 960;
const left = 70;
const row = 22;
const whole = Math.max(...spans.map(({ ts, dur }) => ts + dur));
const colours = ["#4e79a7", "#f28e2b", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f"];

/** @param {number} microseconds */
const x = (microseconds) => left + (microseconds / whole) * (width - left - 10);

/** @type {string[]} */
const names = [];

/** The same name has the same colour. @param {string} name */
function colour(name) {
  if (!names.includes(name)) names.push(name);
  return colours[names.indexOf(name) % colours.length];
}

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** @param {number} microseconds */
const millis = (microseconds) => `${(microseconds / 1000).toFixed(2)} ms`;

/** A bar, with its name where there is room. @param {Span} span @param {number} y */
function bar({ name, ts, dur, args }, y) {
  const wide = Math.max(0.6, x(ts + dur) - x(ts));
  const label =
    wide > name.length * 6.4 + 6 ? `<text x="${(x(ts) + 4).toFixed(1)}" y="${y + 15}">${escaped(name)}</text>` : "";
  const fill = args["failure"] === undefined ? colour(name) : "#e15759";
  const title = escaped(`${name} ${args["at"] ?? ""} ${millis(dur)}`);
  return `<g><title>${title}</title><rect x="${x(ts).toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${row - 3}" fill="${fill}" rx="1.5"/>${label}</g>`;
}

/** How many phases each phase is within. @param {readonly Span[]} phases */
function depths(phases) {
  return phases.map((phase, index) => phases.slice(0, index).filter(({ ts, dur }) => ts + dur > phase.ts).length);
}

const runtime = spans.filter(({ tid }) => tid === 1);
const init = spans.filter(({ tid }) => tid === 2);
const levels = depths(runtime);
const top = 26;
const initTop = top + (Math.max(0, ...levels) + 1) * row + 14;
/** @param {readonly Span[]} some */
const longest = (some) => [...some].sort((one, other) => other.dur - one.dur).slice(0, 10);
const lists = [
  { title: "the longest phases of the runtime", items: longest(runtime.slice(1)), at: left },
  { title: `the longest of ${init.length} operations of init`, items: longest(init), at: left + 430 },
];
const listTop = initTop + row + 34;
const height = listTop + Math.max(...lists.map(({ items }) => items.length)) * 18 + 6;

/** @param {(typeof lists)[number]} list */
function legend({ title, items, at }) {
  const lines = items.map(({ name, dur, args }, index) => {
    const y = listTop + index * 18;
    const origin = `<tspan fill="#666">${escaped(args["at"] ?? "")}</tspan>`;
    return `<rect x="${at}" y="${y}" width="10" height="10" fill="${colour(name)}"/><text x="${at + 16}" y="${y + 10}">${millis(dur)}  ${escaped(name)}  ${origin}</text>`;
  });
  return `<text x="${at}" y="${listTop - 10}" class="small">${title}</text>\n${lines.join("\n")}`;
}

/** @param {number} at */
const mark = (at) =>
  `<path d="M${x(at).toFixed(1)} 18V${initTop + row}" stroke="#d0d0d0"/><text x="${x(at).toFixed(1)}" y="13" text-anchor="middle" class="small">${(at / 1000).toFixed(1)}</text>`;
const step = 10 ** Math.floor(Math.log10(whole / 4));
const marks = Array.from({ length: Math.floor(whole / step) + 1 }, (_, index) => index * step).filter(
  (_, index, all) => index % Math.ceil(all.length / 10) === 0,
);

console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>a trace of ${escaped(runtime[0]?.name ?? "tsrunc")}</title>
<style>text { fill: #1a1a1a } .small { font-size: 10px; fill: #666 }</style>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="6" y="13" class="small">ms</text>
${marks.map(mark).join("\n")}
<text x="6" y="${top + 15}">runtime</text>
${runtime.map((span, index) => bar(span, top + (levels[index] ?? 0) * row)).join("\n")}
<text x="6" y="${initTop + 15}">init</text>
${init.map((span) => bar(span, initTop)).join("\n")}
${lists.map(legend).join("\n")}
</svg>`);
