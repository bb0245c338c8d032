// --trace: what took how long. Off, it costs one comparison. On, phases of the runtime and every operation of init are
// kept with their times and written at the end: as a file in Chrome's trace format, which trace viewers open, or with
// `--trace -` as a timeline on standard error.

import { host } from "#host";

interface Span {
  readonly name: string;
  /** Nanoseconds of the monotonic clock */
  readonly start: number;
  readonly end: number;
  readonly lane: "runtime" | "init";
  /** JSON pointer, where a span comes from one */
  readonly at?: string;
  /** Why it failed, if it did */
  readonly failure?: string;
}

let spans: Span[] | undefined;
let began = 0;

/** From now on spans are kept. */
export function startTrace(): void {
  spans = [];
  began = host.monotonic();
}

export function isTracing(): boolean {
  return spans !== undefined;
}

/** Does the work, and notes how long it took; when it fails, that too. */
export function measure<T>(name: string, work: () => T): T {
  if (spans === undefined) return work();
  const start = host.monotonic();
  const note = (failure: object): void => {
    spans?.push({ name, start, end: host.monotonic(), lane: "runtime", ...failure });
  };
  try {
    const result = work();
    note({});
    return result;
  } catch (error) {
    note({ failure: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/**
 * Notes operations of init.
 *
 * @param operations names and pointers, from the first that the times are about
 * @param times as init sends them: when the first began, then how long each took, in nanoseconds
 */
export function noteOperations(
  operations: readonly { readonly name: string; readonly at: string }[],
  times: string,
): void {
  const [first, ...durations] = times.split(" ").map(Number);
  let start = first ?? 0;
  durations.forEach((duration, index) => {
    const operation = operations[index];
    if (operation !== undefined) spans?.push({ ...operation, start, end: start + duration, lane: "init" });
    start += duration;
  });
}

/** The last of the operations that were noted has failed. */
export function noteFailure(failure: string): void {
  const last = spans?.findLast(({ lane }) => lane === "init");
  if (last !== undefined) spans = spans?.map((span) => (span === last ? { ...span, failure } : span));
}

/**
 * Writes what was kept.
 *
 * @param path "-" is standard error
 * @param failure why the command failed, if it did
 */
export function finishTrace(path: string, command: string, failure?: string): void {
  if (spans === undefined) return;
  const whole: Span = { name: command, start: began, end: host.monotonic(), lane: "runtime" };
  const all: Span[] = [...spans, failure === undefined ? whole : { ...whole, failure }];
  spans = undefined;
  // a span that holds others comes before them
  all.sort((a, b) => a.start - b.start || b.end - a.end);
  if (path === "-") host.writeFd(2, timeline(all));
  else host.writeAtomic(path, chromeTrace(all), 0o644, false);
}

function chromeTrace(all: readonly Span[]): string {
  const lanes = { runtime: 1, init: 2 } as const;
  const names = Object.entries(lanes).map(([name, tid]) => ({
    name: "thread_name",
    ph: "M",
    pid: 1,
    tid,
    args: { name },
  }));
  const events = all.map(({ name, start, end, lane, at, failure }) => ({
    name,
    ph: "X",
    ts: (start - began) / 1000,
    dur: (end - start) / 1000,
    pid: 1,
    tid: lanes[lane],
    args: { ...(at ? { at } : {}), ...(failure === undefined ? {} : { failure }) },
  }));
  const parent = traceParent();
  const otherData = parent === undefined ? {} : { otherData: { traceparent: parent } };
  return `${JSON.stringify({ traceEvents: [...names, ...events], displayTimeUnit: "ms", ...otherData })}\n`;
}

const barWidth = 32;

/** One line a span: when it began, how long it took, a bar, its name. */
function timeline(all: readonly Span[]): string {
  const whole = Math.max(1, ...all.map(({ end }) => end - began));
  const lines = all.map(({ name, start, end, lane, at, failure }) => {
    const from = Math.min(barWidth - 1, Math.floor(((start - began) / whole) * barWidth));
    const length = Math.max(1, Math.min(barWidth - from, Math.round(((end - start) / whole) * barWidth)));
    const bar = `${" ".repeat(from)}${"#".repeat(length)}`.padEnd(barWidth);
    const origin = at ? `  ${at}` : "";
    const label = `${lane === "init" ? "  " : ""}${name}${origin}${failure === undefined ? "" : "  failed"}`;
    return `${millis(start - began)} ${millis(end - start)}  |${bar}| ${label}`;
  });
  return `   at ms  took ms\n${lines.join("\n")}\n`;
}

function millis(nanoseconds: number): string {
  return (nanoseconds / 1e6).toFixed(3).padStart(8);
}

/** What hooks get of it. */
export function traceEnvironment(): readonly string[] {
  const parent = traceParent();
  return parent === undefined ? [] : [`TRACEPARENT=${parent}`];
}

/** The caller's W3C trace context, if it has one: noted in the trace and handed on to hooks. */
export function traceParent(): string | undefined {
  const value = host.env("TRACEPARENT");
  return value !== undefined && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(value) ? value : undefined;
}
