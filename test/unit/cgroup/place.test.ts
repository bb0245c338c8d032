/** Where a container's cgroup is, and to whom it is handed on. */
import { describe, expect, test } from "vitest";
import { delegatedTo } from "../../../src/cgroup/delegate.ts";
import { type CgroupLayout, parseProcCgroup, v1Mounts } from "../../../src/cgroup/layout.ts";
import { cloneDirectory, planCgroup, tasksFiles } from "../../../src/cgroup/record.ts";
import type { Config } from "../../../src/spec/config.ts";

const v2: CgroupLayout = { mode: "v2", unified: { mount: "/sys/fs/cgroup", own: "/user.slice/session" } };
const hybrid: CgroupLayout = {
  mode: "v1",
  hierarchies: [
    { controllers: ["cpu", "cpuacct"], name: "", mount: "/sys/fs/cgroup/cpu,cpuacct", own: "/a" },
    { controllers: [], name: "systemd", mount: "/sys/fs/cgroup/systemd", own: "/" },
  ],
  unified: { mount: "/sys/fs/cgroup/unified", own: "/u" },
};

const paths = (layout: CgroupLayout, wanted: string | undefined): readonly string[] => {
  const record = planCgroup(layout, wanted, "id");
  return record.driver === "none" ? [] : record.directories.map(({ path }) => path);
};

describe("the place", () => {
  test.each<[string | undefined, string, readonly [string, string, string]]>([
    [undefined, "/user.slice/id", ["/cpu,cpuacct/a/id", "/systemd/id", "/unified/u/id"]],
    ["", "/user.slice/id", ["/cpu,cpuacct/a/id", "/systemd/id", "/unified/u/id"]],
    ["pod/x", "/user.slice/pod/x", ["/cpu,cpuacct/a/pod/x", "/systemd/pod/x", "/unified/u/pod/x"]],
    ["/pod/x", "/pod/x", ["/cpu,cpuacct/pod/x", "/systemd/pod/x", "/unified/pod/x"]],
    ["//pod/./x/", "/pod/x", ["/cpu,cpuacct/pod/x", "/systemd/pod/x", "/unified/pod/x"]],
  ])("of %j", (wanted, onV2, onHybrid) => {
    expect(paths(v2, wanted)).toEqual([`/sys/fs/cgroup${onV2}`]);
    expect(paths(hybrid, wanted)).toEqual(onHybrid.map((path) => `/sys/fs/cgroup${path}`));
  });

  test.each(["/../x", "a/../../b", ".."])("%s is refused", (wanted) => {
    expect(() => paths(v2, wanted)).toThrow('must not contain ".."');
    expect(() => paths(hybrid, wanted)).toThrow('must not contain ".."');
  });

  test.each(["/", "//", "/./"])("%s is the root, and refused", (wanted) => {
    expect(() => paths(v2, wanted)).toThrow("is the root of the hierarchy");
    expect(() => paths(hybrid, wanted)).toThrow("is the root of the hierarchy");
  });

  test("our own cgroup outside of the cgroup namespace gives no base", () => {
    const outside: CgroupLayout = { mode: "v2", unified: { mount: "/sys/fs/cgroup", own: "/../../x" } };
    expect(() => paths(outside, "y")).toThrow("outside of the cgroup namespace");
    expect(paths(outside, "/y")).toEqual(["/sys/fs/cgroup/y"]);
  });

  test("init enters v1 cgroups and is born in the v2 one", () => {
    const record = planCgroup(hybrid, "/x", "id");
    expect(tasksFiles(record)).toEqual(["/sys/fs/cgroup/cpu,cpuacct/x/tasks", "/sys/fs/cgroup/systemd/x/tasks"]);
    expect(cloneDirectory(record)).toBe("/sys/fs/cgroup/unified/x");
    expect(cloneDirectory(planCgroup(v2, "/x", "id"))).toBe("/sys/fs/cgroup/x");
    expect(tasksFiles(planCgroup(v2, "/x", "id"))).toEqual([]);
  });
});

test("/proc/self/cgroup", () => {
  expect(parseProcCgroup("4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/u\n")).toEqual([
    { controllers: ["cpu", "cpuacct"], name: "", path: "/a:b" },
    { controllers: [], name: "systemd", path: "/" },
    { controllers: [], name: "", path: "/u" },
  ]);
});

test("mount points of v1 hierarchies, in odd places too", () => {
  const lines = [
    "30 20 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
    "31 20 0:27 / /mnt/with\\040space rw shared:1 - cgroup cgroup rw,memory",
    "32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
    "33 20 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    "34 20 0:26 / /second rw - cgroup cgroup rw,cpu,cpuacct",
  ];
  expect([...v1Mounts(lines.join("\n"))]).toEqual([
    ["cpu,cpuacct", "/sys/fs/cgroup/cpu"],
    ["memory", "/mnt/with space"],
    ["name=systemd", "/sys/fs/cgroup/systemd"],
  ]);
});

describe("delegation", () => {
  const config = (change: Partial<Config> = {}, uid = 1000): Config => ({
    ociVersion: "1.3.0",
    process: { cwd: "/", args: ["sh"], user: { uid, gid: 5 } },
    mounts: [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw"] }],
    linux: { namespaces: [{ type: "cgroup" }, { type: "mount" }] },
    ...change,
  });

  test("to the container's user", () => expect(delegatedTo(config())).toBe(1000));

  test("as the host knows it", () => {
    const linux = {
      namespaces: [{ type: "cgroup" as const }, { type: "user" as const }],
      uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    };
    expect(delegatedTo(config({ linux }))).toBe(101000);
    expect(delegatedTo(config({ linux }, 70000))).toBeUndefined();
  });

  test.each<[string, Partial<Config>]>([
    ["a shared cgroup namespace", { linux: { namespaces: [{ type: "cgroup", path: "/proc/1/ns/cgroup" }] } }],
    ["no cgroup namespace", { linux: { namespaces: [] } }],
    ["a read-only mount", { mounts: [{ destination: "/sys/fs/cgroup", source: "cgroup", options: ["ro"] }] }],
    ["no mount", { mounts: [] }],
    [
      "a joined user namespace, whose mappings aren't ours to know",
      { linux: { namespaces: [{ type: "cgroup" }, { type: "user", path: "/proc/1/ns/user" }] } },
    ],
  ])("not with %s", (_, change) => {
    expect(delegatedTo(config(change))).toBeUndefined();
  });
});
