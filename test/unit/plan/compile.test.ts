// The order and the details of a container's plan.

import { describe, expect, test } from "vitest";
import type { CgroupLayout } from "../../../src/cgroup/layout.ts";
import { planCgroup } from "../../../src/cgroup/record.ts";
import { compileCreate } from "../../../src/plan/compile.ts";
import type { CreateRequest, HostFacts } from "../../../src/plan/facts.ts";
import type { Op } from "../../../src/plan/ops.generated.ts";
import type { Plan } from "../../../src/plan/plan.ts";
import { sysctlPath } from "../../../src/plan/system.ts";
import { prepareSeccomp } from "../../../src/seccomp/compile.ts";
import type { Config, NamespaceType } from "../../../src/spec/config.ts";

const layout: CgroupLayout = { mode: "v2", unified: { mount: "/sys/fs/cgroup", own: "/a/b" } };
const facts: HostFacts = {
  privileged: true,
  clonesMounts: true,
  cgroup: layout,
  machine: "x86_64",
  capabilities: (1n << 41n) - 1n,
};
const request: CreateRequest = {
  id: "c",
  bundle: "/b",
  rootfs: "/b/rootfs",
  start: "later",
  root: "pivot",
  keyring: "new",
  preserved: [],
  environment: [],
  cgroup: { driver: "none" },
  seccomp: prepareSeccomp,
};

const namespaces = (...types: NamespaceType[]): { type: NamespaceType }[] => types.map((type) => ({ type }));

const base: Config = {
  ociVersion: "1.3.0",
  root: { path: "rootfs" },
  process: { cwd: "/", args: ["sh"], env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
  linux: { namespaces: namespaces("pid", "mount", "ipc", "uts", "network", "cgroup") },
};

function compile(change: Partial<Config>, requested: Partial<CreateRequest> = {}): Plan {
  return compileCreate({ ...base, ...change }, facts, { ...request, ...requested });
}

const names = (plan: Plan): readonly string[] => plan.steps.map(({ op }) => op.op);

function find<Name extends Op["op"]>(plan: Plan, name: Name): Extract<Op, { op: Name }> | undefined {
  return plan.steps.map(({ op }) => op).find((op) => op.op === name) as Extract<Op, { op: Name }> | undefined;
}

/** Asserts that these operations appear, in this order. */
function expectOrder(plan: Plan, ...wanted: Op["op"][]): void {
  const seen = names(plan).filter((name) => (wanted as readonly string[]).includes(name));
  expect(seen).toEqual(wanted);
}

describe("namespaces", () => {
  test("init is born in its pid namespace and makes the others when it is in its cgroup", () => {
    const plan = compile({});
    expect(plan.cloneFlags).toBe(0x20000000);
    expectOrder(plan, "sync", "unshare");
    expect(find(plan, "unshare")?.flags).toBe(0x20000 | 0x8000000 | 0x4000000 | 0x40000000 | 0x2000000);
  });

  test("with a user namespace init makes them itself and forks into the pid namespace", () => {
    const linux = { namespaces: namespaces("user", "pid", "mount") };
    const plan = compile({ linux: { ...linux, uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] } });
    expect(plan.cloneFlags).toBe(0);
    expect(names(plan).slice(0, 6)).toEqual(["sync", "unshare", "sync", "become_root", "unshare", "fork"]);
  });

  test("joined ones come before the user namespace for root, after it for others", () => {
    const joined = [
      { type: "user", path: "/proc/1/ns/user" },
      { type: "network", path: "/run/netns/x" },
      { type: "mount" },
    ] as const;
    const types = (privileged: boolean): readonly string[] => {
      const plan = compileCreate({ ...base, linux: { namespaces: joined } }, { ...facts, privileged }, request);
      return plan.slots.flatMap((slot) => (slot.kind === "namespace" ? [slot.type] : []));
    };
    expect(types(true)).toEqual(["network", "user"]);
    expect(types(false)).toEqual(["user", "network"]);
  });

  test("within a very small memory limit init makes what it can before it enters its cgroup by itself", () => {
    const cgroup = planCgroup(layout, "/c", "c");
    const limited = (limit: number, change: Partial<Config> = {}): Plan =>
      compile({ ...change, linux: { ...base.linux, resources: { memory: { limit } } } }, { cgroup });
    const tight = limited(512 << 10);
    expect(names(tight).slice(0, 6)).toEqual(["sync", "unshare", "loopback_up", "bounding", "join_cgroup", "unshare"]);
    expect(tight.steps[1]?.op).toMatchObject({ flags: 0x20000 | 0x8000000 | 0x4000000 | 0x40000000 });
    expect(tight.slots).toContainEqual({ kind: "cgroup", path: "/sys/fs/cgroup/c/cgroup.procs" });
    expect(tight.entersCgroup).toBe(true);
    expect(names(tight).filter((name) => name === "bounding")).toHaveLength(1);
    const usual = limited(1 << 20);
    expect(names(usual).slice(0, 3)).toEqual(["sync", "unshare", "loopback_up"]);
    expect(usual.entersCgroup).toBeUndefined();
    // a hook that init starts has the capabilities that it always has
    const hooks = { createContainer: [{ path: "/bin/hook" }] };
    expectOrder(limited(512 << 10, { hooks }), "join_cgroup", "hook", "bounding");
  });

  test("a joined pid namespace needs a fork", () => {
    const plan = compile({ linux: { namespaces: [{ type: "pid", path: "/proc/1/ns/pid" }, { type: "mount" }] } });
    expectOrder(plan, "join", "fork", "rootfs");
  });

  test("without a mount namespace nothing may be mounted or hidden", () => {
    const linux = { namespaces: namespaces("pid") };
    expect(names(compile({ linux }))).toContain("chroot");
    expect(() => compile({ linux: { ...linux, maskedPaths: ["/x"] } })).toThrow(/private MNT namespace/);
    expect(() => compile({ linux, mounts: [{ destination: "/proc", type: "proc" }] })).toThrow(/private MNT namespace/);
  });
});

describe("the root file system", () => {
  test("masks need the host's null device before the container's /dev exists", () => {
    const plan = compile({
      mounts: [{ destination: "/dev", type: "tmpfs", source: "tmpfs" }],
      linux: { ...base.linux, maskedPaths: ["/proc/keys", "/proc/keys"], readonlyPaths: ["/proc/sys"] },
    });
    expectOrder(plan, "propagate_root", "own_proc", "rootfs", "mask_source", "mount", "pivot", "readonly_path", "mask");
  });

  test("a read-only tmpfs is closed when it is complete", () => {
    const plan = compile({
      mounts: [{ destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["ro", "nosuid"] }],
    });
    expect(find(plan, "mount")?.attr).toBe(2);
    expectOrder(plan, "mount", "pivot", "stdio_null", "remount");
    expect(find(plan, "remount")).toEqual({ op: "remount", path: "/dev", attrSet: 1 });
  });

  test("later options win, and access times clear their field", () => {
    const plan = compile({
      mounts: [{ destination: "/d", source: "/s", options: ["bind", "ro", "rw", "noatime", "strictatime", "rnosuid"] }],
    });
    expect(find(plan, "bind")).toMatchObject({ attrSet: 0x20, attrClear: 0x71, recursiveSet: 2, recursiveClear: 0 });
  });

  test("a relative source is the bundle's, a relative destination the root's", () => {
    const plan = compile({ mounts: [{ destination: "d/../e", source: "s", options: ["rbind"] }] });
    expect(find(plan, "bind")).toMatchObject({ hostPath: "/b/s", path: "/e", flags: 1 });
  });

  test("a label goes to the file systems that take one, by the option that an annotation names", () => {
    const mounts = ["tmpfs", "proc", "sysfs", "mqueue", "devpts"].map((type) => ({ destination: `/${type}`, type }));
    const linux = { ...base.linux, mountLabel: "a:b:c:s0:c1,c2" };
    const labels = (annotations: Record<string, string>): readonly unknown[] =>
      compile({ mounts, linux, annotations })
        .steps.map(({ op }) => op.op === "mount" && [op.type, ...op.options])
        .filter(Boolean);
    const others = [["proc"], ["sysfs"], ["mqueue"]];
    expect(labels({})).toEqual([["tmpfs", "context=a:b:c:s0:c1,c2"], ...others, ["devpts", "context=a:b:c:s0:c1,c2"]]);
    expect(labels({ "run.oci.mount_context_type": "rootcontext" })).toContainEqual([
      "tmpfs",
      "rootcontext=a:b:c:s0:c1,c2",
    ]);
    expect(() => labels({ "run.oci.mount_context_type": "context=x,uid" })).toThrow(/no SELinux mount option/);
  });

  test("file system options on a bind are refused", () => {
    const mounts = [{ destination: "/d", source: "/s", options: ["bind", "size=1"] }];
    expect(() => compile({ mounts })).toThrow(/bind mounts cannot have any filesystem-specific options/);
  });

  test("a listed device replaces the default one; nothing is made in the host's /dev", () => {
    const device = { type: "c", path: "/dev/null", major: 1, minor: 3, fileMode: 0o600 } as const;
    const plan = compile({ linux: { ...base.linux, devices: [device] } });
    const nulls = plan.steps.filter(({ op }) => op.op === "device" && op.path === "/dev/null");
    expect(nulls.map(({ at, op }) => [at, op.op === "device" ? op.mode : 0])).toEqual([["/linux/devices/0", 0o020600]]);
    const bound = compile({ mounts: [{ destination: "/dev", source: "/dev", options: ["rbind"] }] });
    expect(names(bound)).not.toContain("device");
  });
});

describe("the process", () => {
  test("privileged things come before identity, what the user may not see after", () => {
    const plan = compile({
      process: { ...base.process, cwd: "/w", args: ["x"], rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }] },
    });
    expectOrder(
      plan,
      "umask",
      "env",
      "home",
      "cwd",
      "bounding",
      "groups",
      "identity",
      "capabilities",
      "cwd",
      "program",
      "preserve",
      "commit",
      "wait_start",
      "rlimit",
      "exec",
    );
  });

  test("a filter without no_new_privs is installed while we may, with it as the very last", () => {
    const linux = {
      ...base.linux,
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["kexec_load"], action: "SCMP_ACT_ERRNO" }] },
    } as const;
    expectOrder(compile({ linux }), "seccomp", "identity", "exec");
    const process = { ...base.process, cwd: "/", args: ["x"], noNewPrivileges: true };
    expectOrder(compile({ linux, process }), "no_new_privs", "identity", "commit", "seccomp", "exec");
  });

  test("capability sets are exactly what is listed; absent means none", () => {
    expect(find(compile({}), "capabilities")).toMatchObject({
      effective: 0n,
      permitted: 0n,
      inheritable: 0n,
      ambient: 0n,
    });
    expect(find(compile({}), "bounding")?.keep).toBe(0n);
    const process = {
      ...base.process,
      cwd: "/",
      args: ["x"],
      capabilities: { bounding: ["CAP_CHOWN", "CAP_KILL"], effective: ["CAP_KILL"] },
    };
    const plan = compile({ process });
    expect(find(plan, "bounding")?.keep).toBe(0x21n);
    expect(find(plan, "capabilities")).toMatchObject({ effective: 0x20n, permitted: 0n });
  });

  test("of variables given twice the last counts; HOME is looked up only if it is missing or empty", () => {
    const process = { ...base.process, cwd: "/", args: ["x"], env: ["A=1", "HOME=", "A=2"] };
    const plan = compile({ process }, { environment: ["LISTEN_FDS=1"] });
    expect(find(plan, "env")?.vars).toEqual(["A=2", "HOME=", "LISTEN_FDS=1"]);
    expect(names(plan)).toContain("home");
    expect(names(compile({ process: { ...process, env: ["HOME=/x"] } }))).not.toContain("home");
  });

  test("run waits at no fifo and keeps the socket for the exec's failure", () => {
    const plan = compile({}, { start: "now" });
    expect(names(plan)).not.toContain("wait_start");
    expect(find(plan, "commit")?.keep).toBe(1);
    expect(plan.slots).toEqual([]);
  });

  test("preserved descriptors come after all others", () => {
    const plan = compile({}, { preserved: [3, 4, 5] });
    expect(find(plan, "preserve")).toEqual({ op: "preserve", first: 2, count: 3 });
    expect(plan.slots.map(({ kind }) => kind)).toEqual([
      "start-fifo",
      "status-fifo",
      "preserved",
      "preserved",
      "preserved",
    ]);
  });
});

describe("hooks", () => {
  const hook = { path: "/h", args: ["h", "x"], timeout: 2 };

  test("those in the container are init's, with the state around its pid", () => {
    const plan = compile({ hooks: { createContainer: [hook], startContainer: [hook] }, annotations: { a: "b" } });
    expectOrder(plan, "rootfs", "hook", "pivot", "commit", "wait_start", "hook", "exec");
    const op = find(plan, "hook");
    expect(JSON.parse(`${op?.before}7${op?.after}`)).toEqual({
      ociVersion: "1.3.0",
      id: "c",
      status: "creating",
      pid: 7,
      bundle: "/b",
      annotations: { a: "b" },
    });
    expect(op).toMatchObject({ args: ["h", "x"], env: [], timeoutMs: 2000 });
  });

  test("those in the runtime make init stop once its namespaces are final", () => {
    const plan = compile({ hooks: { createRuntime: [hook] } });
    const stop = plan.steps.findIndex(({ at }) => at === "/hooks/createRuntime");
    expect(plan.steps[stop]?.op).toEqual({ op: "sync", point: 4 });
    expect(names(compile({})).filter((name) => name === "sync")).toHaveLength(1);
  });
});

test.each([
  ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
  ["net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"],
  ["net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"],
])("sysctl %s is %s", (key, path) => {
  expect(sysctlPath(key)).toBe(path);
});
