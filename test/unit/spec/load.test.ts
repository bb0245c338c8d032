// From text to Config, and the one error when it doesn't get there.

import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/errors.ts";
import { inspectConfig, parseConfig, parseProcess, parseResources } from "../../../src/spec/load.ts";
import { changed, complete, jsonText, reader, root } from "./samples.ts";

test("the complete sample is read as it is written", () => {
  const facts = { ...root, capabilities: ~0n };
  expect(parseConfig(jsonText(complete), reader(facts))).toEqual({ config: complete, warnings: [] });
});

test("the code that explains is not loaded for a good document", () => {
  const explain = (): never => {
    throw new Error("loaded");
  };
  expect(parseConfig(jsonText(complete), { ...reader(), explain }).config).toEqual(complete);
});

describe("breaches of the schema", () => {
  test.each([
    ["a missing member", (c) => delete c.process.cwd, "/process/cwd: is missing"],
    ["another type", (c) => (c.root.readonly = "no"), '/root/readonly: is "no", must be a boolean'],
    ["an object for an array", (c) => (c.mounts = {}), "/mounts: is an object, must be an array"],
    [
      "a string for a number",
      (c) => (c.process.user.uid = "1000"),
      '/process/user/uid: is "1000", must be an integer from 0 to 4294967294',
    ],
    [
      "the id that changes nothing",
      (c) => (c.process.user.gid = 4294967295),
      "/process/user/gid: is 4294967295, must be an integer from 0 to 4294967294",
    ],
    [
      "a mask of too many bits",
      (c) => (c.process.user.umask = 0o1000),
      "/process/user/umask: is 512, must be an integer from 0 to 511",
    ],
    [
      "a score out of range",
      (c) => (c.process.oomScoreAdj = 1001),
      "/process/oomScoreAdj: is 1001, must be an integer from -1000 to 1000",
    ],
    [
      "an unknown namespace",
      (c) => (c.linux.namespaces[0].type = "net"),
      '/linux/namespaces/0/type: is "net", must be pid, network, mount, ipc, uts, user, cgroup or time',
    ],
    [
      "a page size of another form",
      (c) => (c.linux.resources.hugepageLimits = [{ pageSize: "64kB", limit: 1 }]),
      '/linux/resources/hugepageLimits/0/pageSize: is "64kB", must match ^[1-9][0-9]*[KMG]B$ (Page size as the kernel spells it: 64KB, 2MB, 1GB)',
    ],
    [
      "a rule for no system call",
      (c) => (c.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [], action: "SCMP_ACT_LOG" }] }),
      "/linux/seccomp/syscalls/0/names: is an empty array, must have at least one element",
    ],
    [
      "another spelling",
      (c) => (c.PROCESS = {}),
      "/PROCESS: is not known, and only upper and lower case make it differ from process",
    ],
    [
      "another spelling further down",
      (c) => (c.process.Args = []),
      "/process/Args: is not known, and only upper and lower case make it differ from args",
    ],
    ["a null element", (c) => c.process.args.push(null), "/process/args/1: is null, must be a string"],
    ["a number for an annotation", (c) => (c.annotations = { a: 1 }), "/annotations/a: is 1, must be a string"],
    ["a null for an annotation", (c) => (c.annotations = { a: null }), "/annotations/a: is null, must be a string"],
    [
      "a timeout of nothing",
      (c) => (c.hooks = { poststop: [{ path: "/bin/true", timeout: 0 }] }),
      "/hooks/poststop/0/timeout: is 0, must be an integer from 1 to 2147483647",
    ],
    ["a version missing", (c) => delete c.ociVersion, "/ociVersion: is missing"],
  ] as [string, (config: Parameters<Parameters<typeof changed>[0]>[0]) => void, string][])(
    "%s",
    (_, change, message) => {
      expect(() => parseConfig(changed(change), reader())).toThrow(
        expect.objectContaining({
          message: `invalid config.json: ${message}`,
          code: "config",
          at: message.split(":")[0],
        }),
      );
    },
  );

  test.each(["1.0", "1e3", "0.5", "-0", "true", '"1000"'])("%s for an integer", (number) => {
    const text = changed((c) => (c.process.user.uid = 12345)).replace("12345", number);
    const message = `invalid config.json: /process/user/uid: is ${number}, must be an integer from 0 to 4294967294`;
    expect(() => parseConfig(text, reader())).toThrow(expect.objectContaining({ message }));
  });

  test("an integer beyond its range keeps its digits", () => {
    const text = changed((c) => (c.linux.resources.memory = { limit: 12345 })).replace("12345", "9223372036854775808");
    const range = "-9223372036854775808 to 9223372036854775807";
    const message = `is 9223372036854775808, must be an integer from ${range}`;
    expect(() => parseConfig(text, reader())).toThrow(
      expect.objectContaining({ message: `invalid config.json: /linux/resources/memory/limit: ${message}` }),
    );
  });

  test("all of them are named, up to ten", () => {
    const text = changed((c) => {
      c.hostname = 1;
      c.linux.maskedPaths = Array(12).fill(2);
    });
    const masks = Array.from({ length: 9 }, (_, i) => `/linux/maskedPaths/${i}: is 2, must be a string`);
    const message = `invalid config.json: /hostname: is 1, must be a string; ${masks.join("; ")}; and 3 more`;
    expect(() => parseConfig(text, reader())).toThrow(expect.objectContaining({ message, at: "/hostname" }));
  });
});

test("unknown members are ignored", () => {
  const text = changed((c) => {
    c.windows = { Process: 1 };
    c.process.future = { args: 5 };
    c.linux.resources.zzz = null;
  });
  expect(parseConfig(text, reader()).warnings).toEqual([]);
});

test("every broken rule is named in the error", () => {
  const text = changed((c) => {
    c.process.cwd = "x";
    c.process.args = [];
  });
  const message =
    'invalid config.json: /process/args: args must not be empty; /process/cwd: must be an absolute path, not "x"';
  expect(() => parseConfig(text, reader())).toThrow(UserError);
  expect(() => parseConfig(text, reader())).toThrow(expect.objectContaining({ message, at: "/process/args" }));
});

test("inspectConfig returns what parseConfig throws", () => {
  const { errors, warnings } = inspectConfig(
    changed((c) => (c.process.cwd = "x")),
    reader(),
  );
  expect(errors).toEqual([
    {
      at: "/process/cwd",
      message: 'must be an absolute path, not "x"',
      rule: "cwd-absolute",
      section: "config.md#process",
    },
  ]);
  expect(warnings).toEqual([]);
  const breaches = inspectConfig(
    changed((c) => (c.process.cwd = 1)),
    reader(),
  ).errors;
  expect(breaches).toEqual([
    { at: "/process/cwd", message: "is 1, must be a string", rule: "schema", section: "config.md#process" },
  ]);
});

describe("documents of their own", () => {
  test("exec --process", () => {
    const { process } = parseProcess(jsonText(complete.process), reader());
    expect(process).toEqual(complete.process);
    expect(() => parseProcess('{"cwd":"/","args":["x"],"user":{"uid":-1}}', reader())).toThrow(
      "invalid process file: /user/uid: is -1, must be an integer from 0 to 4294967294",
    );
    expect(() => parseProcess('{"cwd":"/"}', reader())).toThrow("invalid process file: /args: args must not be empty");
  });

  test("update --resources, whose device rules don't count", () => {
    const text = '{"devices":[{"allow":true,"access":""}],"memory":{"limit":1024,"swap":null}}';
    const { resources } = parseResources(text, reader());
    expect(resources.memory).toEqual({ limit: 1024 });
    expect(() => parseResources('{"pids":{"limit":-5}}', reader())).toThrow(
      "invalid resources file: /pids/limit: is -5, must be a number of tasks, or -1 for unlimited",
    );
  });
});
