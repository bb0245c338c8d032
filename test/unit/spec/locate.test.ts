// Places in a JSON text, against a search by eye: each value is written where only it can be found.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapePointer } from "../../../src/spec/json.ts";
import { locate } from "../../../src/spec/locate.ts";

const text = `{
  "a": { "b": [10, {"c": "\\"x\\": {"}, []] },
  "": 1, "sl/ash~": {
    "d" : null
  }
}`;

describe("places", () => {
  test.each([
    ["", 1, 1],
    ["/a", 2, 3],
    ["/a/b", 2, 10],
    ["/a/b/0", 2, 16],
    ["/a/b/1", 2, 20],
    ["/a/b/1/c", 2, 21],
    ["/a/b/2", 2, 39],
    ["/", 3, 3],
    ["/sl~1ash~0", 3, 10],
    ["/sl~1ash~0/d", 4, 5],
  ])("of %j", (pointer, line, column) => {
    expect(locate(text, [pointer])(pointer)).toEqual({ line, column });
  });

  test("of what is not there: the nearest thing around it", () => {
    const place = locate(text, ["/a/b/7/x", "/sl~1ash~0/e", "/zzz"]);
    expect(place("/a/b/7/x")).toEqual({ line: 2, column: 10 });
    expect(place("/sl~1ash~0/e")).toEqual({ line: 3, column: 10 });
    expect(place("/zzz")).toEqual({ line: 1, column: 1 });
  });

  test("of any member of any document", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (document, choice) => {
        const keys = Object.keys(document);
        const key = keys[choice % keys.length] as string;
        const written = JSON.stringify(document, null, 1);
        const pointer = `/${escapePointer(key)}`;
        const { line, column } = locate(written, [pointer])(pointer);
        const from = written
          .split("\n")
          .slice(line - 1)
          .join("\n")
          .slice(column - 1);
        expect(from.startsWith(`${JSON.stringify(key)}: `)).toBe(true);
        expect(column).toBe(2);
      }),
    );
  });
});
