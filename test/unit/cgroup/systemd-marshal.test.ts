/** D-Bus values and messages as bytes: against bytes worked out by hand from the specification, and there and back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromUtf8, Reader, typesOf, utf8, type Value, Writer } from "../../../src/cgroup/systemd/marshal.ts";
import { decodeMessage, encodeMessage, MessageType, messageLength } from "../../../src/cgroup/systemd/message.ts";

function written(signature: string, ...values: Value[]): number[] {
  const writer = new Writer();
  writer.values(signature, values);
  return [...writer.finish()];
}

describe("values", () => {
  test.each<[string, Value, number[]]>([
    ["y", 7, [7]],
    ["b", true, [1, 0, 0, 0]],
    ["n", -2, [0xfe, 0xff]],
    ["u", 4294967295, [255, 255, 255, 255]],
    ["t", (1n << 64n) - 1n, [255, 255, 255, 255, 255, 255, 255, 255]],
    ["x", -1, [255, 255, 255, 255, 255, 255, 255, 255]],
    ["d", 1.5, [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]],
    ["s", "hé", [3, 0, 0, 0, 0x68, 0xc3, 0xa9, 0]],
    ["g", "as", [2, 0x61, 0x73, 0]],
    ["ay", [1, 2], [2, 0, 0, 0, 1, 2]],
    ["v", { signature: "b", value: false }, [1, 0x62, 0, 0, 0, 0, 0, 0]],
    // the padding before the first element is there even if there is none, and isn't counted
    ["at", [], [0, 0, 0, 0, 0, 0, 0, 0]],
    ["a(yu)", [[1, 2]], [8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]],
  ])("%s", (signature, value, bytes) => {
    expect(written(signature, value)).toEqual(bytes);
  });

  test("what is written can be read", () => {
    const strings = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
    const cases = fc.tuple(
      fc.integer({ min: 0, max: 255 }),
      fc.boolean(),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      strings,
      fc.array(fc.tuple(strings, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))),
    );
    fc.assert(
      fc.property(cases, ([byte, bool, big, text, pairs]) => {
        const values: Value[] = [byte, bool, big, text, pairs, { signature: "a(si)", value: pairs }];
        const bytes = Uint8Array.from(written("ybtsa(si)v", ...values));
        expect(new Reader(bytes).values("ybtsa(si)v")).toEqual(values);
      }),
    );
  });

  test.each([
    ["a length beyond the end", "s", [200, 0, 0, 0, 65]],
    ["an array beyond the end", "ay", [9, 0, 0, 0, 1]],
    ["a number cut off", "u", [1, 2]],
    ["a variant without a type", "v", [0, 0]],
    ["a variant of two types", "v", [2, 0x79, 0x79, 0, 1, 2]],
    ["a type that isn't", "v", [1, 0x7a, 0, 1]],
    ["variants in variants without end", "v", Array.from({ length: 600 }, (_, i) => [1, 0x76, 0][i % 3] ?? 0)],
  ])("%s is refused", (_, signature, bytes) => {
    expect(() => new Reader(Uint8Array.from(bytes)).values(signature)).toThrow(/^D-Bus: /);
  });

  test("random bytes never do worse than being refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeMessage(Uint8Array.from([0x6c, 2, 0, 1, ...bytes]));
        } catch (error) {
          expect(String(error)).toMatch(/D-Bus: /);
        }
      }),
    );
  });
});

test("signatures", () => {
  expect(typesOf("ssa(sv)a(sa(sv))")).toEqual(["s", "s", "a(sv)", "a(sa(sv))"]);
  expect(() => typesOf("a")).toThrow("is no signature");
  expect(() => typesOf("(s")).toThrow("is no signature");
  expect(() => typesOf("a".repeat(100))).toThrow("too deep");
});

test("text is UTF-8, as TextEncoder makes it", () => {
  const text = "aß€😀";
  expect(utf8(text)).toEqual([...new TextEncoder().encode(text)]);
  const bytes = new TextEncoder().encode(text);
  expect(fromUtf8(bytes, 0, bytes.length)).toBe(text);
  expect(fromUtf8(Uint8Array.of(0x61, 0xff, 0xc3), 0, 3)).toBe("a\ufffd\ufffd");
});

test("a message has its header padded to eight, and the length of both parts", () => {
  const message = {
    type: MessageType.call,
    serial: 5,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "ResetFailedUnit",
    signature: "s",
    body: ["a.scope"],
  };
  const bytes = encodeMessage(message);
  expect(messageLength(bytes)).toBe(bytes.length);
  expect(messageLength(bytes.subarray(0, 15))).toBe(undefined);
  expect((bytes.length - 12) % 8).toBe(0); // the body: 4 + 7 + 1 bytes
  expect(decodeMessage(bytes)).toEqual(message);
});

test("something that is no message is refused", () => {
  expect(() => messageLength(new TextEncoder().encode("HTTP/1.1 400 Bad"))).toThrow("no message");
  const huge = Uint8Array.of(0x6c, 2, 0, 1, 255, 255, 255, 127, 1, 0, 0, 0, 0, 0, 0, 0);
  expect(() => messageLength(huge)).toThrow("too large");
});
