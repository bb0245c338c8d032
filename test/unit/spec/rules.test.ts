// Each rule with a config that breaks it and the exact words about it. The base is the default config (samples.ts).

import { describe, expect, test } from "vitest";
import { defaultConfig } from "../../../src/spec/default.ts";
import type { Facts } from "../../../src/spec/facts.ts";
import { inspectConfig } from "../../../src/spec/load.ts";
import type { Findings } from "../../../src/spec/problem.ts";
import { changed, complete, type Draft, jsonText, reader, root, rootless } from "./samples.ts";

type Change = (config: Draft) => void;
type Row = readonly [name: string, change: Change, ...expected: string[]];

function findings(change: Change, facts: Facts = root): Findings {
  return inspectConfig(changed(change), reader(facts));
}

/** Everything reported, one line each; warnings are marked. */
function lines({ errors, warnings }: Findings): string[] {
  const line = ({ at, message }: { at: string; message: string }): string => `${at}: ${message}`;
  return [...errors.map(line), ...warnings.map((problem) => `warning: ${line(problem)}`)];
}

function rows(facts: Facts, table: readonly Row[]): void {
  test.each(table.map(([name, change, ...expected]) => ({ name, change, expected })))(
    "$name",
    ({ change, expected }) => {
      expect(lines(findings(change, facts))).toEqual(expected);
    },
  );
}

/** Replaces the namespaces' types. */
const namespaces =
  (...types: string[]): Change =>
  (c) => {
    c.linux.namespaces = types.map((type) => ({ type }));
  };
const all = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
const addNamespace =
  (type: string, path?: string): Change =>
  (c) =>
    c.linux.namespaces.push({ type, path });
const both =
  (...changes: Change[]): Change =>
  (c) => {
    for (const change of changes) change(c);
  };
const map = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });
const userns = both(addNamespace("user"), (c) => {
  c.linux.uidMappings = [map(0, 100000, 65536)];
  c.linux.gidMappings = [map(0, 100000, 65536)];
});

test("the default configs and the complete sample keep all rules", () => {
  for (const facts of [root, { ...root, capabilities: ~0n }]) {
    for (const cgroup of ["v1", "v2"] as const) {
      expect(lines(inspectConfig(jsonText(defaultConfig({ cgroup })), reader(facts)))).toEqual([]);
    }
  }
  const own = defaultConfig({ cgroup: "v2", rootless: { uid: 1000, gid: 1000 } });
  expect(lines(inspectConfig(jsonText(own), reader(rootless)))).toEqual([]);
  expect(lines(inspectConfig(jsonText(complete), reader(root)))).toEqual([]);
});

test("each problem names its rule and a section of the spec", () => {
  const everything = both(namespaces("pid", "pid"), (c) => {
    c.ociVersion = "x";
    c.process.args = [];
    c.linux.sysctl = { "vm.swappiness": "1" };
  });
  for (const { rule, section } of findings(everything).errors) {
    expect(rule).toMatch(/^[a-z-]+$/);
    expect(section).toMatch(/^config(-linux)?\.md#[a-z-]+$/);
  }
});

describe("ociVersion", () => {
  for (const good of ["1.0.0", "1.0.2-dev", "1.3.0+build", "1.99.0", "0.5.0-dev"]) {
    test(`accepts ${good}`, () => expect(lines(findings((c) => (c.ociVersion = good)))).toEqual([]));
  }
  rows(root, [
    ["a word", (c) => (c.ociVersion = "abc"), '/ociVersion: must be a semantic version such as 1.3.0, not "abc"'],
    ["two numbers", (c) => (c.ociVersion = "1.3"), '/ociVersion: must be a semantic version such as 1.3.0, not "1.3"'],
    ["empty", (c) => (c.ociVersion = ""), '/ociVersion: must be a semantic version such as 1.3.0, not ""'],
    [
      "the next major",
      (c) => (c.ociVersion = "2.0.0"),
      "/ociVersion: is 2.0.0, but this runtime follows version 1 of the spec",
    ],
  ]);
});

describe("root and paths", () => {
  rows(root, [
    ["no root", (c) => delete c.root, "/root: root must be specified"],
    ["an empty path", (c) => (c.root.path = ""), "/root/path: must not be empty"],
    [
      "no mount namespace, with masks",
      namespaces(...all.filter((type) => type !== "mount")),
      "/linux/namespaces: unable to restrict sys entries without a private MNT namespace",
    ],
    [
      "no mount namespace",
      both(namespaces(...all.filter((type) => type !== "mount")), (c) => {
        c.linux.maskedPaths = [];
        delete c.linux.readonlyPaths;
      }),
      '/linux/namespaces: must list a namespace of type "mount": mounts would be made in the host\'s',
    ],
    [
      "a relative mask",
      (c) => (c.linux.maskedPaths = ["proc/kcore"]),
      '/linux/maskedPaths/0: must be an absolute path, not "proc/kcore"',
    ],
    ["a mask of everything", (c) => (c.linux.maskedPaths = ["//"]), '/linux/maskedPaths/0: is "//", the root itself'],
    [
      "a relative read-only path",
      (c) => (c.linux.readonlyPaths = ["/a", "b"]),
      '/linux/readonlyPaths/1: must be an absolute path, not "b"',
    ],
    [
      "everything read-only",
      (c) => (c.linux.readonlyPaths = ["/."]),
      '/linux/readonlyPaths/0: is "/.", the root itself',
    ],
  ]);
});

describe("process", () => {
  rows(root, [
    ["no args", (c) => delete c.process.args, "/process/args: args must not be empty"],
    ["empty args", (c) => (c.process.args = []), "/process/args: args must not be empty"],
    ["an empty program", (c) => (c.process.args = [""]), "/process/args/0: must name a program"],
    ["a relative cwd", (c) => (c.process.cwd = "tmp"), '/process/cwd: must be an absolute path, not "tmp"'],
    ["an empty cwd", (c) => (c.process.cwd = ""), '/process/cwd: must be an absolute path, not ""'],
    [
      "env without =, and the secret stays one",
      (c) => (c.process.env = ["A=b", "hunter2"]),
      '/process/env/1: invalid environment variable: no "="',
    ],
    [
      "env without a name",
      (c) => (c.process.env = ["=x"]),
      "/process/env/0: invalid environment variable: the name is empty",
    ],
    ["an empty env string", (c) => (c.process.env = [""]), '/process/env/0: invalid environment variable: no "="'],
    [
      "one string too long",
      (c) => (c.process.env = [`A=${"x".repeat(131070)}`]),
      "/process/env/0: argument list too long: 131072 bytes, the kernel takes at most 131071 in one string",
    ],
    [
      "one string too long in bytes, not in characters",
      (c) => (c.process.args = ["sh", "ä".repeat(65536)]),
      "/process/args/1: argument list too long: 131072 bytes, the kernel takes at most 131071 in one string",
    ],
    ["the longest string", (c) => (c.process.env = [`A=${"x".repeat(131069)}`])],
    [
      "too much altogether",
      (c) => (c.process.env = Array(70).fill(`A=${"x".repeat(100_000)}`)),
      "/process/args: argument list too long: args and env have 7000781 bytes, the kernel takes at most 6291456",
    ],
    ["no process at all is fine until start", (c) => delete c.process],
  ]);
});

describe("rlimits", () => {
  const limits =
    (...list: Draft[]): Change =>
    (c) => {
      c.process.rlimits = list.map(([type, soft, hard]) => ({ type, soft, hard }));
    };
  rows(root, [
    ["unknown", limits(["RLIMIT_FOO", 1, 1]), '/process/rlimits/0/type: wrong rlimit value: "RLIMIT_FOO"'],
    ["a name of every object", limits(["toString", 1, 1]), '/process/rlimits/0/type: wrong rlimit value: "toString"'],
    [
      "twice",
      limits(["RLIMIT_CORE", 1, 1], ["RLIMIT_CORE", 2, 2]),
      "/process/rlimits/1/type: duplicated rlimit RLIMIT_CORE",
    ],
    ["soft above hard", limits(["RLIMIT_CORE", 2, 1]), "/process/rlimits/0/soft: is 2, above the hard limit 1"],
  ]);
});

describe("capabilities", () => {
  const sets =
    (capabilities: Draft): Change =>
    (c) => {
      c.process.capabilities = capabilities;
    };
  rows({ ...root, capabilities: 0b11n }, [
    [
      "unknown, unavailable and lower-case ones are ignored",
      sets({ bounding: ["CAP_CHOWN", "CAP_FOO", "CAP_KILL", "cap_chown", "a b"] }),
      'warning: /process/capabilities/bounding: ignoring unknown or unavailable capabilities: [CAP_FOO CAP_KILL cap_chown "a b"]',
    ],
    [
      "effective beyond permitted",
      sets({ effective: ["CAP_CHOWN", "CAP_DAC_OVERRIDE"], permitted: ["CAP_CHOWN"] }),
      "/process/capabilities/effective: has CAP_DAC_OVERRIDE, which permitted has not: the kernel refuses that",
    ],
    [
      "ambient that can't be raised",
      sets({ permitted: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"] }),
      "warning: /process/capabilities/ambient: has CAP_CHOWN, which is not both in permitted and in inheritable: not raised",
    ],
  ]);
});

describe("scheduling", () => {
  const scheduler =
    (value: Draft): Change =>
    (c) => {
      c.process.scheduler = value;
    };
  const only = "scheduler runtime/deadline/period can only be specified for SchedDeadline policy";
  rows(root, [
    [
      "nice with FIFO",
      scheduler({ policy: "SCHED_FIFO", nice: 1, priority: 1 }),
      "/process/scheduler/nice: invalid scheduler.nice: 1 when scheduler.policy is SCHED_FIFO (only SCHED_OTHER and SCHED_BATCH have it)",
    ],
    [
      "nice out of range",
      scheduler({ policy: "SCHED_OTHER", nice: 20 }),
      "/process/scheduler/nice: invalid scheduler.nice: 20 when scheduler.policy is SCHED_OTHER (must be from -20 to 19)",
    ],
    [
      "priority with BATCH",
      scheduler({ policy: "SCHED_BATCH", priority: 1 }),
      "/process/scheduler/priority: scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
    ],
    [
      "no priority with RR",
      scheduler({ policy: "SCHED_RR" }),
      "/process/scheduler/priority: is 0, must be from 1 to 99 with SCHED_RR",
    ],
    ["runtime with IDLE", scheduler({ policy: "SCHED_IDLE", runtime: 5 }), `/process/scheduler/runtime: ${only}`],
    ["a good deadline", scheduler({ policy: "SCHED_DEADLINE", runtime: 1024, deadline: 2048, period: 0 })],
    [
      "a deadline that can't be kept",
      scheduler({ policy: "SCHED_DEADLINE", runtime: 1000, deadline: 500, period: 100 }),
      "/process/scheduler/runtime: is 1000 ns, must be at least 1024",
      "/process/scheduler/deadline: is 500 ns, less than the runtime of 1000",
      "/process/scheduler/period: is 100 ns, less than the deadline of 500",
    ],
    [
      "an I/O priority",
      (c) => (c.process.ioPriority = { class: "IOPRIO_CLASS_RT", priority: 8 }),
      "/process/ioPriority/priority: invalid ioPriority.Priority: 8 (must be from 0 to 7)",
    ],
    [
      "CPU lists",
      (c) => (c.process.execCPUAffinity = { initial: "3-1", final: "a" }),
      '/process/execCPUAffinity/initial: bad CPUAffinity.Initial: "3-1" is not a list of numbers and ranges such as 0-3,7',
      '/process/execCPUAffinity/final: bad CPUAffinity.Final: "a" is not a list of numbers and ranges such as 0-3,7',
    ],
  ]);
});

describe("user", () => {
  rows(root, [
    [
      "ids outside the user namespace",
      both(userns, (c) => (c.process.user = { uid: 65536, gid: 70000, additionalGids: [1, 65537] })),
      "/process/user/uid: cannot setuid to unmapped uid 65536 in user namespace",
      "/process/user/gid: cannot setgid to unmapped gid 70000 in user namespace",
      "/process/user/additionalGids/1: cannot setgroups to unmapped gid 65537 in user namespace",
    ],
    ["the last mapped id", both(userns, (c) => (c.process.user = { uid: 65535, gid: 65535 }))],
  ]);
});

describe("hostname", () => {
  const noUts = namespaces(...all.filter((type) => type !== "uts"));
  rows(root, [
    ["without uts", noUts, "/hostname: unable to set hostname without a private UTS namespace"],
    [
      "domainname without uts",
      both(noUts, (c) => Object.assign(c, { hostname: "", domainname: "d" })),
      "/domainname: unable to set domainname without a private UTS namespace",
    ],
    ["too long", (c) => (c.hostname = "x".repeat(65)), "/hostname: is 65 bytes long, the kernel takes at most 64"],
    [
      "too long in bytes",
      (c) => (c.domainname = "ü".repeat(33)),
      "/domainname: is 66 bytes long, the kernel takes at most 64",
    ],
    ["as long as may be", (c) => (c.hostname = "x".repeat(64))],
  ]);
});

describe("hooks and annotations", () => {
  rows(root, [
    [
      "a relative program, a bad variable",
      (c) => (c.hooks = { poststart: [{ path: "/bin/true" }, { path: "true", env: ["A"] }] }),
      '/hooks/poststart/1/path: must be an absolute path, not "true"',
      '/hooks/poststart/1/env/0: invalid environment variable: no "="',
    ],
    ["an empty annotation key", (c) => (c.annotations = { "": "x" }), "/annotations: must not have an empty key"],
  ]);
});

describe("namespaces", () => {
  const offsets =
    (value: Draft): Change =>
    (c) => {
      c.linux.timeOffsets = value;
    };
  rows(root, [
    ["twice", addNamespace("pid"), '/linux/namespaces/6: malformed spec file: duplicated ns "pid"'],
    [
      "a relative path",
      addNamespace("time", "ns/time"),
      '/linux/namespaces/6/path: must be an absolute path, not "ns/time"',
    ],
    ["an empty path is none", addNamespace("time", "")],
    [
      "offsets without a time namespace",
      offsets({ monotonic: { secs: 1 } }),
      "/linux/timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config",
    ],
    [
      "offsets of a joined one",
      both(addNamespace("time", "/proc/1/ns/time"), offsets({ monotonic: { secs: 1 } })),
      "/linux/timeOffsets: time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
    ],
    [
      "offsets out of range, of an unknown clock",
      both(
        addNamespace("time"),
        offsets({ monotonic: { nanosecs: 1e9 }, boottime: { secs: -9223372037 }, realtime: {} }),
      ),
      "/linux/timeOffsets/monotonic/nanosecs: is 1000000000, a whole second or more",
      "/linux/timeOffsets/boottime/secs: is -9223372037, must be from -9223372036 to 9223372036",
      "/linux/timeOffsets/realtime: names no clock of a time namespace, must be monotonic or boottime",
    ],
  ]);
});

describe("id mappings", () => {
  const mapped =
    (uidMappings: Draft, gidMappings: Draft = [map(0, 1000, 1)]): Change =>
    (c) => {
      c.linux.uidMappings = uidMappings;
      c.linux.gidMappings = gidMappings;
    };
  const user = addNamespace("user");
  const without = "user namespace mappings specified, but user namespace isn't enabled in the config";
  rows(root, [
    [
      "without a user namespace",
      mapped([map(0, 0, 1)]),
      `/linux/uidMappings: ${without}`,
      `/linux/gidMappings: ${without}`,
    ],
    [
      "none",
      user,
      "/linux/uidMappings: user namespaces enabled, but no namespace path to join nor mappings to apply specified",
    ],
    [
      "of one kind only",
      both(user, mapped([map(0, 0, 1)], [])),
      "/linux/gidMappings: must map id 0 of the container: it is set up as root of its user namespace",
    ],
    [
      "without root",
      both(user, mapped([map(1, 0, 1)])),
      "/linux/uidMappings: must map id 0 of the container: it is set up as root of its user namespace",
    ],
    [
      "of a joined namespace are the runtime's to compare",
      both(addNamespace("user", "/proc/1/ns/user"), mapped([map(5, 0, 1)])),
    ],
    ["of size 0", both(user, mapped([map(0, 0, 1), map(1, 1, 0)])), "/linux/uidMappings/1/size: must not be 0"],
    [
      "past the last id",
      both(user, mapped([map(0, 4294967290, 6)])),
      "/linux/uidMappings/0: hostID 4294967290 + size 6 is past the last id",
    ],
    ["up to the last id", both(user, mapped([map(0, 4294967290, 5)]))],
    [
      "overlapping inside",
      both(user, mapped([map(0, 100, 10), map(20, 200, 10), map(9, 300, 1)])),
      "/linux/uidMappings/2: overlaps with /linux/uidMappings/0 in the ids that begin at containerID",
    ],
    [
      "overlapping outside",
      both(user, mapped([map(0, 100, 10), map(20, 105, 1)])),
      "/linux/uidMappings/1: overlaps with /linux/uidMappings/0 in the ids that begin at hostID",
    ],
    [
      "too many",
      both(user, mapped(Array.from({ length: 341 }, (_, i) => map(i, i, 1)))),
      "/linux/uidMappings: has 341 mappings, the kernel takes at most 340",
    ],
    [
      "340 short ones are fine, long ones don't fit a page",
      both(
        user,
        mapped(
          Array.from({ length: 340 }, (_, i) => map(i, i, 1)),
          Array.from({ length: 340 }, (_, i) => map(i, 100_000 + i, 1)),
        ),
      ),
      "/linux/gidMappings: is 4310 bytes as a map, the kernel takes less than 4096",
    ],
  ]);
});

describe("mounts", () => {
  const mount =
    (...list: Draft[]): Change =>
    (c) => {
      c.mounts = list;
    };
  const bind = { destination: "/a", source: "/b", options: ["bind"] };
  const inside = "cannot be mounted because it is inside /proc";
  rows(root, [
    ["no destination", mount({ ...bind, destination: "" }), "/mounts/0/destination: must not be empty"],
    [
      "on the root",
      mount({ ...bind, destination: "/." }),
      '/mounts/0/destination: is "/.": a mount there would hide the root file system',
    ],
    [
      "a relative destination",
      mount({ ...bind, destination: "a" }),
      'warning: /mounts/0/destination: is relative: "a" is taken from /',
    ],
    [
      "tmpfs on /proc",
      mount({ destination: "/proc", type: "tmpfs" }),
      '/mounts/0/destination: "/proc" cannot be mounted because it is not of type proc',
    ],
    ["inside /proc", mount({ ...bind, destination: "/proc/sys" }), `/mounts/0/destination: "/proc/sys" ${inside}`],
    [
      "inside /proc, by a detour",
      mount({ ...bind, destination: "/x/../proc//sys" }),
      `/mounts/0/destination: "/x/../proc//sys" ${inside}`,
    ],
    ["what lxcfs mounts", mount({ ...bind, destination: "/proc/meminfo" })],
    [
      "a bind without source",
      mount({ destination: "/a", options: ["rbind"] }),
      '/mounts/0/source: must be given for a bind mount ("/a")',
    ],
    [
      "no type",
      mount({ destination: "/a" }),
      '/mounts/0/type: must be given, as there is no option bind or rbind ("/a")',
    ],
    [
      "type bind alone",
      mount({ destination: "/a", type: "bind", source: "/b" }),
      '/mounts/0/type: is "bind", as there is no option bind or rbind ("/a")',
    ],
    [
      "a bind with data",
      mount({ ...bind, options: ["bind", "ro", "size=1"] }),
      '/mounts/0/options/2: bind mounts cannot have any filesystem-specific options applied: "size=1" ("/a")',
    ],
    ["data of a file system", mount({ destination: "/a", type: "tmpfs", options: ["size=1", "mode=755"] })],
    [
      "tmpcopyup elsewhere",
      mount({ ...bind, options: ["bind", "tmpcopyup"] }),
      '/mounts/0/options/1: tmpcopyup needs a tmpfs to copy into ("/a")',
    ],
    [
      "copy-symlink with another",
      mount({ ...bind, options: ["bind", "copy-symlink", "src-nofollow"] }),
      '/mounts/0/options/1: copy-symlink can\'t be combined with src-nofollow or dest-nofollow ("/a")',
    ],
    [
      "dest-nofollow of proc",
      mount({ destination: "/proc", type: "proc", options: ["dest-nofollow"] }),
      '/mounts/0/options/0: dest-nofollow is refused for proc: its place must be a real directory ("/proc")',
    ],
    [
      "idmap of nothing",
      mount({ ...bind, options: ["bind", "idmap"] }),
      "/mounts/0/options: idmap needs mappings, of the mount or of a user namespace",
    ],
    ["an idmap of its own", mount({ ...bind, options: ["bind", "idmap=uids=0-1-2;gids=0-1-2"] })],
    [
      "an idmap of its own that is wrong",
      mount({ ...bind, options: ["bind", "ridmap=uids=0-1-0;gids=0-1-2#1-9-1"] }),
      "/mounts/0/options/1: uids/0/size: must not be 0",
      "/mounts/0/options/1: gids/1: overlaps with gids/0 in the ids that begin at containerID",
    ],
    [
      "an idmap relative to nothing",
      mount({ ...bind, options: ["idmap=uids=@0-1-1;gids=0-1-1", "bind"] }),
      '/mounts/0/options/0: "@0-1-1" in uids is in none of the mappings of the container',
    ],
    [
      "two idmaps",
      mount({ ...bind, options: ["bind", "idmap=uids=0-1-1;gids=0-1-1"], ...{ uidMappings: [map(0, 1, 1)] } }),
      "/mounts/0/options/1: maps ids a second time",
      "/mounts/0/gidMappings: id-mapped mounts must have both uid and gid mappings specified",
    ],
    ["idmap of the container's", both(userns, mount({ ...bind, options: ["bind", "ridmap"] }))],
    [
      "half a mapping, of no bind",
      mount({ destination: "/a", type: "tmpfs", uidMappings: [map(0, 1, 0)] }),
      "/mounts/0/gidMappings: id-mapped mounts must have both uid and gid mappings specified",
      "/mounts/0: id-mapped mounts are only supported for bind-mounts",
      "/mounts/0/uidMappings/0/size: must not be 0",
    ],
  ]);

  describe("without root", () => {
    const own: Change = both(addNamespace("user"), (c) => {
      c.linux.uidMappings = [map(0, 1000, 1)];
      c.linux.gidMappings = [map(0, 1000, 1)];
    });
    rows(rootless, [
      ["no user namespace", mount(), "/linux/namespaces: rootless container requires user namespaces"],
      [
        "an owner who isn't mapped",
        both(own, mount({ destination: "/a", type: "tmpfs", options: ["uid=0", "gid=5"] })),
        '/mounts/0/options/1: cannot specify gid=5 mount option for rootless container: the id is not mapped ("/a")',
      ],
      [
        "an idmapped mount",
        both(own, mount({ ...bind, options: ["bind", "idmap"] })),
        "/mounts/0: id-mapped mounts are not supported for rootless containers",
      ],
      [
        "a network device",
        both(own, mount(), (c) => (c.linux.netDevices = { eth0: {} })),
        "/linux/netDevices: network devices are not supported for rootless containers",
      ],
    ]);
  });
});

describe("devices", () => {
  const device =
    (...list: Draft[]): Change =>
    (c) => {
      c.linux.devices = list.map((entry) => ({ type: "c", path: "/dev/x", major: 1, minor: 3, ...entry }));
    };
  const rule =
    (value: Draft): Change =>
    (c) => {
      c.linux.resources.devices = [{ allow: true, access: "r", ...value }];
    };
  rows(root, [
    ["a relative path", device({ path: "dev/x" }), '/linux/devices/0/path: must be an absolute path, not "dev/x"'],
    ["/dev", device({ path: "/dev/" }), '/linux/devices/0/path: is "/dev/", a directory'],
    ["no number", device({ minor: undefined }), '/linux/devices/0/minor: must be given for a device of type "c"'],
    ["no number of a FIFO", device({ type: "p", major: undefined, minor: undefined })],
    [
      "numbers out of range",
      device({ major: 4096, minor: -1 }),
      "/linux/devices/0/major: is 4096, must be from 0 to 4095",
      "/linux/devices/0/minor: is -1, must be from 0 to 1048575",
    ],
    ["twice the same", device({}, { path: "/dev//x", type: "u" })],
    [
      "twice, and different",
      device({}, { path: "/dev/x/", minor: 4 }),
      '/linux/devices/1/path: is "/dev/x" a second time, for another device',
    ],
    [
      "a rule without access",
      rule({ access: "" }),
      "/linux/resources/devices/0/access: device access at 0 field cannot be empty",
    ],
    [
      "a rule with odd access",
      rule({ access: "xr" }),
      '/linux/resources/devices/0/access: is "xr", must be made of r, w and m',
    ],
    ["a rule for any", rule({ major: -1, minor: -1 })],
    [
      "a rule for none",
      rule({ major: -2, minor: 1048576 }),
      "/linux/resources/devices/0/major: is -2, must be from 0 to 4095, or -1 for any",
      "/linux/resources/devices/0/minor: is 1048576, must be from 0 to 1048575, or -1 for any",
    ],
  ]);
});

describe("network devices", () => {
  const devices =
    (value: Draft): Change =>
    (c) => {
      c.linux.netDevices = value;
    };
  rows(root, [
    [
      "without a namespace",
      both(namespaces(...all.filter((type) => type !== "network")), devices({ eth0: {} })),
      "/linux/netDevices: unable to move network devices without a NET namespace",
    ],
    ...["", ".", "..", "a/b", "a:b", "a b", "sixteen-bytes-xx"].map(
      (name): Row => [
        `called ${JSON.stringify(name)}`,
        devices({ [name]: {} }),
        `/linux/netDevices/${name.replace("/", "~1")}: invalid network device name ${JSON.stringify(name)}`,
      ],
    ),
    [
      "a bad new name",
      devices({ eth0: { name: ".." } }),
      '/linux/netDevices/eth0/name: invalid network device name ".."',
    ],
    [
      "a name for two",
      devices({ eth0: { name: "eth1" }, eth1: {} }),
      '/linux/netDevices/eth1: is the second device to be called "eth1"',
    ],
    ["a pattern for two", devices({ eth0: { name: "c%d" }, eth1: { name: "c%d" } })],
  ]);
});

describe("sysctl", () => {
  const set =
    (key: string, value = "1"): Change =>
    (c) => {
      c.linux.sysctl = { [key]: value };
    };
  const noName = (key: string): Row => [
    `the key ${JSON.stringify(key)}`,
    set(key),
    `/linux/sysctl/${key.replaceAll("/", "~1")}: ${JSON.stringify(key)} is not the name of a sysctl`,
  ];
  rows(root, [
    ...[
      "",
      "net.",
      "net..ipv4",
      "kernel.shmmax/../core_pattern".replace("kernel.", "kernel/"),
      "net.ipv4.ip_forward\n",
      "net",
      ".net.a",
      "net.a b",
    ].map(noName),
    [
      "a way out of net",
      set("net.ipv4/../../kernel/core_pattern"),
      '/linux/sysctl/net.ipv4~1..~1..~1kernel~1core_pattern: "net.ipv4/../../kernel/core_pattern" is not the name of a sysctl',
    ],
    [
      "a way out of kernel.shmmax",
      set("kernel.shmmax/../core_pattern"),
      '/linux/sysctl/kernel.shmmax~1..~1core_pattern: "kernel.shmmax/../core_pattern" is not the name of a sysctl',
    ],
    [
      "a second line",
      set("net.ipv4.ip_forward", "1\nx"),
      '/linux/sysctl/net.ipv4.ip_forward: the value of "net.ipv4.ip_forward" has more than one line',
    ],
    [
      "the host name",
      set("kernel.hostname"),
      '/linux/sysctl/kernel.hostname: sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
    ],
    [
      "of the machine",
      set("vm.swappiness"),
      '/linux/sysctl/vm.swappiness: sysctl "vm.swappiness" is not in a separate kernel namespace',
    ],
    [
      "of the machine, near an allowed one",
      set("kernel.shmmax2"),
      '/linux/sysctl/kernel.shmmax2: sysctl "kernel.shmmax2" is not in a separate kernel namespace',
    ],
    [
      "of the host's ipc",
      both(namespaces("mount", "uts"), set("kernel.msgmax")),
      '/linux/sysctl/kernel.msgmax: sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace',
    ],
    [
      "of the host's message queues",
      both(namespaces("mount", "uts"), set("fs.mqueue.msg_max")),
      '/linux/sysctl/fs.mqueue.msg_max: sysctl "fs.mqueue.msg_max" is not allowed in the hosts ipc namespace',
    ],
    [
      "of the host's network",
      both(namespaces("mount", "uts"), set("net/ipv4/ip_forward")),
      '/linux/sysctl/net~1ipv4~1ip_forward: sysctl "net/ipv4/ip_forward" not allowed in host network namespace',
    ],
    [
      "of the host's users",
      set("user.max_pid_namespaces"),
      '/linux/sysctl/user.max_pid_namespaces: sysctl "user.max_pid_namespaces" is not allowed in the hosts user namespace',
    ],
    ["an interface with a dot", set("net/ipv4/conf/eth0.100/forwarding")],
    ["an interface with a dot, dotted", set("net.ipv4.conf.eth0/100.forwarding")],
    ["of the container's own", both(userns, set("user.max_pid_namespaces"))],
  ]);
});

describe("cgroupsPath", () => {
  const path =
    (value: string): Change =>
    (c) => {
      c.linux.cgroupsPath = value;
    };
  rows(root, [
    ["with ..", path("/a/../b"), '/linux/cgroupsPath: is "/a/../b", must not have ".." in it'],
    ["of two lines", path("/a\nb"), "/linux/cgroupsPath: must be one line"],
    ["with two dots in a name", path("/a..b")],
  ]);
  rows({ ...root, systemdCgroup: true }, [
    [
      "a path for systemd",
      path("/a/b"),
      '/linux/cgroupsPath: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead',
    ],
    ["a unit for systemd", path("machine.slice:libpod:abc")],
    ["nothing for systemd", path("")],
  ]);
});

describe("resources", () => {
  const set =
    (value: Draft): Change =>
    (c) => {
      c.linux.resources = value;
    };
  const device = { major: 8, minor: 0 };
  const at = "/linux/resources";
  rows(root, [
    [
      "memory",
      set({ memory: { limit: -5, swappiness: 101 } }),
      `${at}/memory/limit: is -5, must be a number of bytes, or -1 for unlimited`,
      `${at}/memory/swappiness: invalid memory swappiness value: 101 (must be from 0 to 100)`,
    ],
    [
      "swap below memory",
      set({ memory: { limit: 200, swap: 100 } }),
      `${at}/memory/swap: is 100, less than the memory limit of 200: it is the limit of both together`,
    ],
    ["swap unlimited", set({ memory: { limit: 200, swap: -1 } })],
    ["pids", set({ pids: { limit: -2 } }), `${at}/pids/limit: is -2, must be a number of tasks, or -1 for unlimited`],
    ["quota", set({ cpu: { quota: 999 } }), `${at}/cpu/quota: is 999 us, must be at least 1000, or -1 for unlimited`],
    ["period", set({ cpu: { period: 999 } }), `${at}/cpu/period: is 999 us, must be from 1000 to 1000000`],
    [
      "a burst above the quota",
      set({ cpu: { quota: 1000, burst: 1001 } }),
      `${at}/cpu/burst: is 1001 us, more than the quota of 1000`,
    ],
    ["idle", set({ cpu: { idle: 2 } }), `${at}/cpu/idle: is 2, must be 0 or 1`],
    [
      "cpus",
      set({ cpu: { cpus: "0-9999999", mems: "a\nb" } }),
      `${at}/cpu/cpus: is "0-9999999", must be a list of numbers and ranges such as 0-3,7`,
      `${at}/cpu/mems: is "a\\nb", must be a list of numbers and ranges such as 0-3,7`,
    ],
    [
      "a weight",
      set({ blockIO: { weight: 9, leafWeight: 1001 } }),
      `${at}/blockIO/weight: is 9, must be from 10 to 1000`,
      `${at}/blockIO/leafWeight: is 1001, must be from 10 to 1000`,
    ],
    [
      "a device without weight",
      set({ blockIO: { weightDevice: [device] } }),
      `${at}/blockIO/weightDevice/0: must have a weight, a leafWeight, or both`,
    ],
    [
      "no device",
      set({ blockIO: { throttleReadBpsDevice: [{ ...device, major: -1, rate: 1 }] } }),
      `${at}/blockIO/throttleReadBpsDevice/0/major: is -1, not a device number`,
    ],
    [
      "a page size of three",
      set({ hugepageLimits: [{ pageSize: "3MB", limit: 1 }] }),
      `${at}/hugepageLimits/0/pageSize: is "3MB", not a power of two`,
    ],
    [
      "a page size twice",
      set({ hugepageLimits: Array(2).fill({ pageSize: "2MB", limit: 1 }) }),
      `${at}/hugepageLimits/1/pageSize: is "2MB" a second time`,
    ],
    [
      "an interface",
      set({ network: { priorities: [{ name: "a b", priority: 1 }] } }),
      `${at}/network/priorities/0/name: invalid network device name "a b"`,
    ],
    [
      "an RDMA device of nothing",
      set({ rdma: { mlx5: {} } }),
      `${at}/rdma/mlx5: must have hcaHandles, hcaObjects, or both`,
    ],
    [
      "an RDMA device of two lines",
      set({ rdma: { "a\nb": { hcaObjects: 1 } } }),
      `${at}/rdma/a\nb: "a\\nb" is not the name of an RDMA device`,
    ],
    ...["../memory.max", "memory", "a/b.c", "", "memory.max\n", "."].map(
      (key): Row => [
        `the file ${JSON.stringify(key)}`,
        set({ unified: { [key]: "1" } }),
        `${at}/unified/${key.replaceAll("/", "~1")}: ${JSON.stringify(key)} is not the name of a cgroup file, such as memory.high`,
      ],
    ),
    [
      "files of all forms",
      set({ unified: { "memory.high": "1", "hugetlb.2MB.rsvd.max": "2", "cpu.uclamp.min": "3" } }),
    ],
    [
      "free keys that every object has",
      set({ unified: { "constructor.x": "1" }, rdma: { toString: { hcaHandles: 1 } } }),
    ],
  ]);
});

describe("intelRdt, memoryPolicy, personality", () => {
  const rdt =
    (value: Draft): Change =>
    (c) => {
      c.linux.intelRdt = value;
    };
  const policy =
    (mode: string, nodes?: string, flags?: string[]): Change =>
    (c) => {
      c.linux.memoryPolicy = { mode, nodes, flags };
    };
  const one = 'must be the name of one directory, or "/" for the root group';
  const at = "/linux/memoryPolicy";
  rows(root, [
    ...["", ".", "..", "../../x", "a/b", "/a"].map(
      (closID): Row => [
        `the class ${JSON.stringify(closID)}`,
        rdt({ closID }),
        `/linux/intelRdt/closID: is ${JSON.stringify(closID)}, ${one}`,
      ],
    ),
    ["the root class", rdt({ closID: "/" })],
    [
      "lines",
      rdt({ l3CacheSchema: "L3:0=f\nMB:0=1", memBwSchema: "0=20", schemata: ["", "a\nb"] }),
      "/linux/intelRdt/l3CacheSchema: must be one line",
      '/linux/intelRdt/memBwSchema: is "0=20", must be one line that begins with MB:',
      "/linux/intelRdt/schemata/0: must be one line, and not an empty one",
      "/linux/intelRdt/schemata/1: must be one line, and not an empty one",
    ],
    [
      "nodes for none",
      policy("MPOL_LOCAL", "0-1"),
      `${at}/nodes: memory policy mode requires 0 nodes but got 2 (MPOL_LOCAL)`,
    ],
    [
      "no node for some",
      policy("MPOL_BIND"),
      `${at}/nodes: memory policy mode requires at least one node but got 0 (MPOL_BIND)`,
    ],
    [
      "a bad list",
      policy("MPOL_BIND", "0,,1"),
      `${at}/nodes: is "0,,1", must be a list of numbers and ranges such as 0-3,7`,
    ],
    ["more than 1024 nodes", policy("MPOL_INTERLEAVE", "0-2000")],
    [
      "flags for none",
      policy("MPOL_DEFAULT", "", ["MPOL_F_STATIC_NODES"]),
      `${at}/flags: must be empty with MPOL_DEFAULT`,
    ],
    [
      "both kinds of nodes",
      policy("MPOL_BIND", "0", ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]),
      `${at}/flags: must not hold both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES`,
    ],
    [
      "a kind of no nodes",
      policy("MPOL_PREFERRED", "", ["MPOL_F_STATIC_NODES"]),
      `${at}/flags: must have neither STATIC_NODES nor RELATIVE_NODES where MPOL_PREFERRED names no node`,
    ],
    [
      "balancing elsewhere",
      policy("MPOL_INTERLEAVE", "0", ["MPOL_F_NUMA_BALANCING"]),
      `${at}/flags: MPOL_F_NUMA_BALANCING goes with MPOL_BIND only, not with MPOL_INTERLEAVE`,
    ],
    [
      "flags of a personality",
      (c) => (c.linux.personality = { domain: "LINUX32", flags: ["X"] }),
      "warning: /linux/personality/flags: is ignored: the spec defines no personality flags",
    ],
  ]);
});
