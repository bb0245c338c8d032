// The primitives of the generated validators (tools/build-validators.mjs): what a JSON value is.
// They run on the path of every command that reads a config, so they are plain loops.

const two63 = 2 ** 63;
const two64 = 2 ** 64;

/**
 * An integer from `low` to `high`, both exact in a double. -0 is none: Go refuses it, and it prints as another number
 * than it was read from.
 */
export function int(value: unknown, low: number, high: number): boolean {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high && !Object.is(value, -0);
}

/** A 64-bit signed integer; src/spec/json.ts has made a BigInt of it where a double would not do. */
export function int64(value: unknown): boolean {
  if (typeof value === "bigint") return BigInt.asIntN(64, value) === value;
  return int(value, -two63, two63) && value !== two63;
}

/** A 64-bit unsigned integer, likewise. */
export function uint64(value: unknown): boolean {
  if (typeof value === "bigint") return BigInt.asUintN(64, value) === value;
  return int(value, 0, two64) && value !== two64;
}

export function object(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function strings(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== "string") return false;
  return true;
}

export function list(value: unknown, fits: (item: unknown) => boolean): boolean {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (!fits(value[i])) return false;
  return true;
}

/** An object with free keys. Keys are only read, so "__proto__" is one like any other (see json.ts). */
export function map(value: unknown, fits: (member: unknown) => boolean): boolean {
  if (!object(value)) return false;
  for (const key of Object.keys(value)) if (!fits(value[key])) return false;
  return true;
}

/**
 * Whether no member of the object has the name of a known one but for upper and lower case.
 *
 * @param known how many known members the object has; with as many keys there is no other
 * @param names the known names, each between spaces
 */
export function spelt(value: Record<string, unknown>, known: number, names: string): boolean {
  const keys = Object.keys(value);
  return keys.length === known || keys.every((key) => misspelt(key, names) === undefined);
}

/**
 * The known name that a JSON reader which ignores case would take `key` for. Go's does, so runc reads "PROCESS" as
 * process: whoever filters configs before us and compares exactly would see another config than we do.
 */
export function misspelt(key: string, names: string): string | undefined {
  if (names.includes(` ${key} `)) return undefined;
  const folded = foldedNames.get(names) ?? fold(names);
  foldedNames.set(names, folded);
  const at = folded.indexOf(` ${fold(key)} `);
  return at < 0 ? undefined : names.slice(at + 1, names.indexOf(" ", at + 1));
}

const foldedNames = new Map<string, string>();

// Upper case first: it also maps the long s and the Kelvin sign to the letters Go takes them for.
function fold(text: string): string {
  return text.toUpperCase().toLowerCase();
}
