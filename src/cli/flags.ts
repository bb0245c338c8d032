// How a command line is described, and read: the way runc reads it, which is Go's way and engines rely on.
//
//   a long flag may have one dash or two; its value follows after "=" or as the next word
//   a boolean flag takes no word, but may be given as --flag=true or =false
//   flags may come after arguments, but for commands whose arguments are somebody else's words (exec, kill, ps)
//   a flag given twice counts as given last; a list collects
//   "--" ends the flags, "-" is an argument

import { UserError } from "../errors.ts";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly kind: "boolean" | "text" | "list";
  /** What the value is called in the help */
  readonly value?: string;
  /** All values there are, for help and completion */
  readonly choices?: readonly string[];
  readonly description: string;
  /** Accepted for other runtimes' sake, not shown */
  readonly hidden?: boolean;
}

export interface Parsed {
  readonly flags: ReadonlyMap<string, string | boolean | readonly string[]>;
  readonly positionals: readonly string[];
}

/**
 * Reads words against a list of flags.
 *
 * @param stop "first": everything from the first argument on is an argument
 * @param elsewhere flags that are known in another place of the command line, for a hint
 * @throws UserError (code "usage") naming the flag
 */
export function parseFlags(
  words: readonly string[],
  known: readonly Flag[],
  stop: "first" | "never",
  elsewhere: readonly Flag[] = [],
): Parsed {
  const flags = new Map<string, string | boolean | readonly string[]>();
  const positionals: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    if (word === "--") {
      positionals.push(...words.slice(index + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      if (stop === "never") continue;
      positionals.push(...words.slice(index + 1));
      break;
    }
    if (/^(---|--?=)/.test(word)) throw new UserError(`bad flag syntax: ${word}`, { code: "usage" });
    const equals = word.indexOf("=");
    const name = (equals < 0 ? word : word.slice(0, equals)).replace(/^--?/, "");
    const flag = known.find((candidate) => candidate.name === name || candidate.short === name);
    if (flag === undefined) throw unknownFlag(equals < 0 ? word : word.slice(0, equals), name, known, elsewhere);
    if (flag.kind === "boolean") {
      flags.set(flag.name, equals < 0 ? true : booleanValue(flag, word.slice(equals + 1)));
      continue;
    }
    const value = equals < 0 ? words[++index] : word.slice(equals + 1);
    if (value === undefined) throw new UserError(`flag needs an argument: --${flag.name}`, { code: "usage" });
    if (value.includes("\0")) throw new UserError(`the value of --${flag.name} holds a NUL`, { code: "usage" });
    const present = flags.get(flag.name);
    flags.set(flag.name, flag.kind === "text" ? value : [...(Array.isArray(present) ? present : []), value]);
  }
  return { flags, positionals };
}

function booleanValue(flag: Flag, text: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new UserError(`invalid boolean value ${JSON.stringify(text)} for --${flag.name}: must be true or false`, {
    code: "usage",
  });
}

function unknownFlag(word: string, name: string, known: readonly Flag[], elsewhere: readonly Flag[]): UserError {
  const near = nearest(
    name,
    known.filter(({ hidden }) => hidden !== true).map((flag) => flag.name),
  );
  const hint = elsewhere.some((flag) => flag.name === name)
    ? `--${name} is a global flag: it goes before the command`
    : near && `did you mean --${near}?`;
  return new UserError(`flag provided but not defined: ${word}`, { code: "usage", ...(hint ? { hint } : {}) });
}

/** The candidate that differs least from a mistyped word, if it differs little. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => [distance(word, candidate), candidate] as const)
    .sort(([a], [b]) => a - b);
  const [best] = ranked;
  return best !== undefined && best[0] <= Math.max(1, Math.floor(word.length / 3)) ? best[1] : undefined;
}

/** Edit distance, with two letters in the wrong order as one mistake (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      (rows[i] as number[])[j] = Math.min(change, at(i - 1, j) + 1, at(i, j - 1) + 1, swapped);
    }
  }
  return at(a.length, b.length);
}

/** Typed access to what was parsed. */
export function textFlag(parsed: Parsed, name: string): string | undefined {
  const value = parsed.flags.get(name);
  return typeof value === "string" ? value : undefined;
}

export function listFlag(parsed: Parsed, name: string): readonly string[] {
  const value = parsed.flags.get(name);
  return Array.isArray(value) ? value : [];
}

export function booleanFlag(parsed: Parsed, name: string): boolean {
  return parsed.flags.get(name) === true;
}

/** A whole number from 0 to `highest`; `otherwise` when the flag is absent. */
export function numberFlag(parsed: Parsed, name: string, otherwise: number, highest: number): number {
  const text = textFlag(parsed, name);
  if (text === undefined) return otherwise;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= highest)) {
    throw new UserError(
      `invalid value ${JSON.stringify(text)} for flag --${name}: must be a number from 0 to ${highest}`,
      {
        code: "usage",
      },
    );
  }
  return value;
}
