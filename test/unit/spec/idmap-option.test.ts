// idmap=uids=...;gids=... as crun(1) describes it.

import { describe, expect, test } from "vitest";
import { readIdmapOption } from "../../../src/spec/idmap-option.ts";

const map = (containerID: number, hostID: number, size: number): object => ({ containerID, hostID, size });

test("triples of file system id, host id and size", () => {
  expect(readIdmapOption("uids=0-1-10#10-11-10;gids=0-100-10", {})).toEqual({
    uidMappings: [map(0, 1, 10), map(10, 11, 10)],
    gidMappings: [map(0, 100, 10)],
  });
});

describe("relative to the container", () => {
  const container = {
    uidMappings: [
      { containerID: 0, hostID: 0, size: 1 },
      { containerID: 1, hostID: 2, size: 1000 },
    ],
    gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  };

  test("each triple by itself: crun's own example, and beside it an absolute one", () => {
    expect(readIdmapOption("uids=@1-3-10#50-60-1;gids=@1000-0-1", container)).toEqual({
      uidMappings: [map(1, 4, 10), map(50, 60, 1)],
      gidMappings: [map(1000, 100_000, 1)],
    });
  });

  test.each([
    ["uids=@0-0-2;gids=0-0-1", '"@0-0-2" in uids is in none of the mappings of the container'],
    ["uids=0-0-1;gids=@0-65536-1", '"@0-65536-1" in gids is in none of the mappings of the container'],
  ])("%s: outside of the container's", (text, message) => {
    expect(readIdmapOption(text, container)).toBe(message);
  });

  test("a container without mappings", () => {
    expect(readIdmapOption("uids=@0-0-1;gids=@0-0-1", {})).toMatch(/in none of the mappings/);
  });
});

test.each([
  ["", '"" is not uids= or gids= and a list of triples'],
  ["uids=0-0-1", "must have both uids and gids"],
  ["uids=0-0-1;gids=0-0-1;uids=0-0-1", "has uids twice"],
  ["uids=0-0-1;gids=0-0-1;", '"" is not uids='],
  ["uids=0-0-1;pids=0-0-1", '"pids=0-0-1" is not uids='],
  ["uids=0-0;gids=0-0-1", '"0-0" in uids is not FS-HOST-SIZE'],
  ["uids=0-0-1#;gids=0-0-1", '"" in uids is not'],
  ["uids=0-0--1;gids=0-0-1", '"0-0--1" in uids is not'],
  ["uids=0-0-99999999999;gids=0-0-1", "in uids is not"],
])("%j is refused", (text, message) => {
  expect(readIdmapOption(text, {})).toContain(message);
});
