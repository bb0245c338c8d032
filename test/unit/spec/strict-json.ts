// A strict JSON scanner in TypeScript, doing what native/host/json.c does: tests of spec/ need no native code, and the
// two can be held against each other.

import { KernelError } from "../../../src/errors.ts";
import { escapePointer } from "../../../src/spec/json.ts";

const maxDepth = 64;
const EINVAL = 22;

/** As `host.checkJson`: the numbers JSON.parse would change or forget the form of, by JSON pointer. */
export function checkJson(text: string): readonly (readonly [pointer: string, digits: string])[] {
  const found: (readonly [string, string])[] = [];
  let at = 0;

  const fail = (what: string, where = at): never => {
    const before = text.slice(0, where).split("\n");
    const subject = `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: ${what}`;
    throw new KernelError("json", EINVAL, subject);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const result = pattern.exec(text)?.[0];
    if (result !== undefined) at += result.length;
    return result;
  };
  const space = (): void => void match(/[ \t\r\n]*/y);

  function value(pointer: string, depth: number): void {
    if (depth > maxDepth) fail(`more than ${maxDepth} levels`);
    const start = at;
    if (text[at] === "{") object(pointer, depth);
    else if (text[at] === "[") array(pointer, depth);
    else if (text[at] === '"') string();
    else if (match(/true|false|null/y) === undefined) {
      const number = match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
      if (number === undefined) fail("value expected", start);
      else if (!/^(?:0|-?[1-9]\d*)$/.test(number) || !Number.isSafeInteger(Number(number)))
        found.push([pointer, number]);
    }
  }

  function object(pointer: string, depth: number): void {
    const keys = new Set<string>();
    at++;
    space();
    if (text[at] === "}") return void at++;
    for (;;) {
      const start = at;
      const key = string();
      if (keys.has(key)) fail(`duplicate key ${JSON.stringify(key)}`, start);
      keys.add(key);
      space();
      if (text[at++] !== ":") fail('":" expected', at - 1);
      space();
      value(`${pointer}/${escapePointer(key)}`, depth + 1);
      space();
      const next = text[at++];
      if (next === "}") return;
      if (next !== ",") fail('"," or "}" expected', at - 1);
      space();
    }
  }

  function array(pointer: string, depth: number): void {
    at++;
    space();
    if (text[at] === "]") return void at++;
    for (let index = 0; ; index++) {
      value(`${pointer}/${index}`, depth + 1);
      space();
      const next = text[at++];
      if (next === "]") return;
      if (next !== ",") fail('"," or "]" expected', at - 1);
      space();
    }
  }

  function string(): string {
    const start = at;
    const literal = match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y) ?? fail("string expected");
    const decoded: string = JSON.parse(literal);
    if (decoded.includes("\0")) fail("U+0000 in a string", start);
    if (!/^[^\ud800-\udfff]*$/u.test(decoded)) fail("lone surrogate in a string", start);
    return decoded;
  }

  if (text.charCodeAt(0) === 0xfeff) fail("byte order mark");
  space();
  if (text[at] !== "{" && text[at] !== "[") fail("object or array expected");
  value("", 1);
  space();
  if (at < text.length) fail("text after the value");
  return found;
}
