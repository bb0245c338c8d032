// Where in a JSON text the value of a pointer stands: for messages that show the line.

import { escapePointer } from "./json.ts";

/** Lines and columns count from 1; a column is a UTF-16 unit. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * The places of pointers in a text that is known to be JSON: of a member its key, of an element its value, and of what is
 * not there the nearest thing around it.
 */
export function locate(text: string, pointers: readonly string[]): (pointer: string) => Place {
  const offsets = offsetsOf(text, new Set(pointers.flatMap(withParents)));
  return (pointer) => {
    const known = withParents(pointer).find((candidate) => offsets.has(candidate)) ?? "";
    return placeAt(text, offsets.get(known) ?? 0);
  };
}

/** A pointer and those of everything around it, innermost first. */
function withParents(pointer: string): readonly string[] {
  const all: string[] = [];
  for (let rest = pointer; rest !== ""; rest = rest.slice(0, rest.lastIndexOf("/"))) all.push(rest);
  return [...all, ""];
}

/** An object or array that is open: its pointer, and the member or index whose value comes next. */
interface Open {
  readonly pointer: string;
  readonly array: boolean;
  next: string | number;
  expectsKey: boolean;
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

function offsetsOf(text: string, wanted: ReadonlySet<string>): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const open: Open[] = [];
  let keyOffset = 0;
  for (const match of text.matchAll(token)) {
    const [word] = match;
    const around = open.at(-1);
    if (word === "}" || word === "]") {
      open.pop();
    } else if (word === ",") {
      if (around?.array) around.next = Number(around.next) + 1;
      else if (around !== undefined) around.expectsKey = true;
    } else if (word === ":") {
      if (around !== undefined) around.expectsKey = false;
    } else if (around?.expectsKey) {
      around.next = escapePointer(JSON.parse(word) as string);
      keyOffset = match.index;
    } else {
      const pointer = around === undefined ? "" : `${around.pointer}/${around.next}`;
      if (wanted.has(pointer)) found.set(pointer, around === undefined || around.array ? match.index : keyOffset);
      if (word === "{" || word === "[") {
        open.push({ pointer, array: word === "[", next: 0, expectsKey: word === "{" });
      }
    }
  }
  return found;
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}
