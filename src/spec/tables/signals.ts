// Signals by name without SIG, with the numbers of x86_64 and aarch64, and what `kill` accepts for one.

export const signals: { readonly [name: string]: number } = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};

/** The first real-time signal as programs see it: 32 and 33 belong to the C library. */
const rtmin = 34;
const rtmax = 64;

/**
 * The number of a signal given as a decimal number 0 to 64 (0 only tests for existence), a name with or without SIG in
 * any case, or RTMIN, RTMIN+n, RTMAX, RTMAX-n.
 *
 * @returns undefined when it is none of these
 */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return inRange(Number(text), 0);
  const name = text.toUpperCase().replace(/^SIG/, "");
  if (Object.hasOwn(signals, name)) return signals[name];
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime === null) return undefined;
  const [, end, sign, distance = "0"] = realtime;
  if (sign === (end === "MIN" ? "-" : "+")) return undefined;
  return inRange(end === "MIN" ? rtmin + Number(distance) : rtmax - Number(distance), rtmin);
}

function inRange(number: number, lowest: number): number | undefined {
  return number >= lowest && number <= rtmax ? number : undefined;
}
