/** slice:prefix:name, slices and their directories. */
import { describe, expect, test } from "vitest";
import { expandSlice, scopeName } from "../../../src/cgroup/systemd/names.ts";

describe("cgroupsPath", () => {
  test.each([
    ["machine.slice:libpod:abc", "machine.slice", "libpod-abc.scope"],
    [":docker:0123", "system.slice", "docker-0123.scope"],
    ["system.slice::x", "system.slice", "-x.scope"],
    ["-.slice:a:b", "-.slice", "a-b.scope"],
    [undefined, "system.slice", "tsrunc-id.scope"],
    ["", "system.slice", "tsrunc-id.scope"],
  ])("%s", (path, slice, unit) => {
    expect(scopeName(path, "id", "system.slice")).toEqual({ slice, unit });
  });

  test.each([
    ["/a/b", 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead'],
    ["a.slice:b", "of format"],
    ["a.slice:b:c:d", "of format"],
    ["a.slice:b:", "of format"],
    ["a.slice:b:c.slice", "is a slice"],
    ["a.slice:b:c/d", "can't be the name of a systemd unit"],
    ["a.slice:b:c d", "can't be the name of a systemd unit"],
    [`a.slice:b:${"c".repeat(250)}`, "can't be the name of a systemd unit"],
    ["slice:b:c", "invalid slice name: slice"],
  ])("%s is refused", (path, message) => {
    expect(() => scopeName(path, "id", "system.slice")).toThrow(message);
  });
});

describe("slices", () => {
  test.each([
    ["-.slice", ""],
    ["system.slice", "/system.slice"],
    ["a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"],
    ["user-1000.slice", "/user.slice/user-1000.slice"],
  ])("%s", (slice, path) => {
    expect(expandSlice(slice)).toBe(path);
  });

  test.each(["a", "a--b.slice", "-a.slice", "a-.slice", "a/b.slice", ".slice", "", "../x.slice", "a b.slice"])(
    "%s is refused",
    (slice) => {
      expect(() => expandSlice(slice)).toThrow(`invalid slice name: ${slice}`);
    },
  );
});
