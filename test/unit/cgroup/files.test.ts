/** The texts of cgroup files and what is made of them; writing lists of limits; taking writes back. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeAll } from "../../../src/cgroup/apply.ts";
import { add, parseCount, parseKeyed, parseRanges, parseRow, times, unlimited } from "../../../src/cgroup/counters.ts";
import { Journal, linesBefore } from "../../../src/cgroup/journal.ts";
import type { CgroupWrite } from "../../../src/cgroup/resources.ts";
import { parsePressure } from "../../../src/cgroup/stats.ts";
import { parseBlkio } from "../../../src/cgroup/stats-v1.ts";
import { parseIoStat } from "../../../src/cgroup/stats-v2.ts";
import { selectRows } from "../../../src/container/ps.ts";
import { Errno, KernelError } from "../../../src/errors.ts";
import { jsonText } from "../../../src/spec/json-text.ts";

describe("counters", () => {
  test.each([
    ["0\n", 0],
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854771712\n", 9223372036854771712n],
    ["18446744073709551615", 18446744073709551615n],
    ["max\n", unlimited],
    ["-1", -1],
    ["", 0],
    ["nonsense", 0],
  ])("%j is %s", (text, count) => expect(parseCount(text)).toBe(count));

  test("sums and products are exact, and unlimited stays unlimited", () => {
    expect(add(9007199254740991, 2)).toBe(9007199254740993n);
    expect(add(unlimited, 5)).toBe(unlimited);
    expect(add(1, 2)).toBe(3);
    expect(times(9007199254740993n, 1000)).toBe(9007199254740993000n);
  });

  test("keyed lines, rows, ranges", () => {
    expect([...parseKeyed("anon 5\nfile 9007199254740993\n")]).toEqual([
      ["anon", 5],
      ["file", 9007199254740993n],
    ]);
    expect(parseRow("1 22 \n")).toEqual([1, 22]);
    expect(parseRanges("0-2,7\n")).toEqual([0, 1, 2, 7]);
    expect(parseRanges("\n")).toEqual([]);
  });

  test("JSON keeps all digits", () => {
    expect(jsonText({ a: 18446744073709551615n, b: [1, undefined], c: undefined, d: null, "e\n": "x" })).toBe(
      '{"a":18446744073709551615,"b":[1,null],"d":null,"e\\n":"x"}',
    );
  });
});

test("pressure", () => {
  const text =
    "some avg10=1.50 avg60=0.30 avg300=0.01 total=9007199254740993\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
  expect(parsePressure(text)).toEqual({
    some: { avg10: 1.5, avg60: 0.3, avg300: 0.01, total: 9007199254740993n },
    full: { avg10: 0, avg60: 0, avg300: 0, total: 7 },
  });
});

test("blkio of v1: with and without an operation, without the total", () => {
  expect(parseBlkio("8:0 Read 100\n8:0 Write 0\n8:16 7\nTotal 107\n")).toEqual([
    { major: 8, op: "Read", value: 100 },
    { major: 8, op: "Write" },
    { major: 8, minor: 16, value: 7 },
  ]);
});

test("io.stat of v2, in the terms of v1", () => {
  const text = "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=9\n254:0 \n";
  const entry = (op: string, value: number) => ({ major: 8, minor: 16, op, value });
  expect(parseIoStat(text)).toEqual({
    ioServiceBytesRecursive: [entry("Read", 1), entry("Write", 2), entry("Discard", 5)],
    ioServicedRecursive: [entry("Read", 3), entry("Write", 4), entry("Discard", 6)],
  });
  expect(parseIoStat("")).toEqual({});
});

describe("writeAll", () => {
  const write = (file: string, more: Partial<CgroupWrite> = {}): CgroupWrite => ({
    controller: file.slice(0, file.indexOf(".")),
    file,
    value: "1",
    at: "/linux/resources",
    ...more,
  });

  /** Runs a list; the answers are errnos by file, used up one by one. */
  const run = (writes: readonly CgroupWrite[], answers: Record<string, number[]> = {}): string[] => {
    const done: string[] = [];
    writeAll(writes, {
      directoryFor: ({ controller }) => `/${controller}`,
      write: (path) => {
        const errno = answers[path]?.shift() ?? 0;
        if (errno !== 0) throw new KernelError("write", errno, path);
        done.push(path);
      },
      failure: (error) => error,
    });
    return done;
  };

  test("in order", () => expect(run([write("a.x"), write("b.y")])).toEqual(["/a/a.x", "/b/b.y"]));

  test("again after the others of its controller, once", () => {
    const list = [write("a.burst", { again: true }), write("a.quota"), write("b.y")];
    expect(run(list, { "/a/a.burst": [Errno.EINVAL] })).toEqual(["/a/a.quota", "/a/a.burst", "/b/b.y"]);
    expect(() => run(list, { "/a/a.burst": [Errno.EINVAL, Errno.EINVAL] })).toThrow("a.burst");
    expect(() => run(list, { "/a/a.burst": [Errno.EPERM] })).toThrow("a.burst");
    expect(() => run(list, { "/a/a.quota": [Errno.EINVAL] })).toThrow("a.quota");
  });

  test("a file that may be missing", () => {
    expect(run([write("a.x", { optional: "absent" })], { "/a/a.x": [Errno.ENOENT] })).toEqual([]);
    expect(() => run([write("a.x")], { "/a/a.x": [Errno.ENOENT] })).toThrow("a.x");
    expect(() => run([write("a.x", { optional: "absent" })], { "/a/a.x": [Errno.EINVAL] })).toThrow("a.x");
  });

  test("another file instead", () => {
    const list = [write("a.x", { instead: { file: "a.bfq.x", value: "2" } })];
    expect(run(list, { "/a/a.x": [Errno.ENOENT] })).toEqual(["/a/a.bfq.x"]);
    expect(() => run(list, { "/a/a.x": [Errno.ENOENT], "/a/a.bfq.x": [Errno.ENOENT] })).toThrow("a.bfq.x");
  });
});

describe("the journal", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tsrunc-journal-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("puts everything back, last first", () => {
    const file = join(directory, "memory.max");
    writeFileSync(file, "5555\n");
    const journal = new Journal();
    journal.write(file, "1111");
    journal.write(file, "2222");
    expect(readFileSync(file, "utf8")).toContain("2222");
    journal.undo();
    expect(readFileSync(file, "utf8").slice(0, 4)).toBe("5555");
  });

  test("a refused write is not put back", () => {
    const journal = new Journal();
    expect(() => journal.write(join(directory, "absent"), "1")).toThrow("no such file");
    journal.undo();
  });

  test.each([
    ["/x/memory.max", "max\n", "100", ["max"]],
    ["/x/cpu.max", "max 100000\n", "5 6", ["max 100000"]],
    ["/x/cpuset.cpus", "\n", "0", ["\n"]],
    [
      "/x/io.max",
      "8:0 rbps=1 wbps=max riops=max wiops=max\n",
      "8:0 rbps=5",
      ["8:0 rbps=1 wbps=max riops=max wiops=max"],
    ],
    [
      "/x/io.max",
      "8:0 rbps=1 wbps=max riops=max wiops=max\n",
      "8:16 wbps=5",
      ["8:16 rbps=max wbps=max riops=max wiops=max"],
    ],
    ["/x/io.weight", "default 100\n8:0 50\n", "default 7", ["default 100"]],
    ["/x/io.weight", "default 100\n", "8:0 7", ["8:0 default"]],
    ["/x/blkio.throttle.read_bps_device", "", "8:0 7", ["8:0 0"]],
    ["/x/rdma.max", "mlx hca_handle=max hca_object=4\n", "mlx hca_object=9", ["mlx hca_handle=max hca_object=4"]],
  ])("%s with %j, after %j", (path, content, text, lines) => {
    expect(linesBefore(path, content, text)).toEqual(lines);
  });
});

describe("ps", () => {
  const table =
    "UID        PID  PPID CMD\nroot         1     0 init\nroot        12     1 sh -c 12\nroot       112     1 x 12\n";

  test("keeps the header and the rows of the pids", () => {
    expect(selectRows(table, [12])).toBe("UID        PID  PPID CMD\nroot        12     1 sh -c 12\n");
    expect(selectRows(table, [])).toBe("UID        PID  PPID CMD\n");
  });

  test("needs the PID column", () => {
    expect(() => selectRows("COMMAND\nsh\n", [1])).toThrow("couldn't find PID field in ps output");
  });
});
