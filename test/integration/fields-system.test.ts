/** Fields about namespaces, devices of the network, resources of the CPU, labels, and how the process is scheduled. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { parseReport, probeArgs, type Question } from "../harness/probe.ts";

/** Runs a container in a network namespace of its own that a shell script has prepared. Returns its standard output. */
async function inNetwork(
  box: Box,
  script: string,
  args: readonly string[],
  config: (config: Config) => void,
): Promise<{ stdout: string; stderr: string; code: number }> {
  const bundle = box.bundle(args, { config });
  const argv = ["unshare", "-n", "sh", "-c", `set -e; ${script}; exec "$@"`, "sh"];
  return run([...argv, ...box.argv("run", "--bundle", bundle, box.newId())], {
    cwd: box.directory,
    env: box.environment,
  });
}

const addresses = ["/bin/busybox", "ip", "-o", "addr"];

describeRuntimes("fields: network devices", ({ test }) => {
  const pair = "ip link add outer type veth peer name other; ip link set other up";

  test("a device moves with its addresses, and is up", async ({ box }) => {
    const script = `${pair}; ip addr add 10.9.8.7/24 brd + dev outer; ip addr add fd00:9::7/64 dev outer nodad; ip addr add 10.9.9.1 peer 10.9.9.2 dev outer; ip link set outer up`;
    const { stdout, stderr, code } = await inNetwork(box, script, addresses, (config) => {
      config.linux["netDevices"] = { outer: {} };
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/outer.*inet 10\.9\.8\.7\/24 brd 10\.9\.8\.255/);
    expect(stdout).toMatch(/outer.*inet 10\.9\.9\.1 peer 10\.9\.9\.2\/32/);
    expect(stdout).toMatch(/outer.*inet6 fd00:9::7\/64/);
    const up = await inNetwork(box, pair, probeArgs("net"), (config) => {
      config.linux["netDevices"] = { outer: { name: "" } };
    });
    expect(parseReport(up.stdout).net).toEqual({ lo: "up", outer: "up" });
  });

  test("a device gets another name, two get numbered ones", async ({ box }) => {
    const script = `${pair}; ip link add third type veth peer name fourth; ip addr add 10.1.1.1/24 dev outer`;
    const { stdout, stderr, code } = await inNetwork(box, script, addresses, (config) => {
      config.linux["netDevices"] = { outer: { name: "inner0" }, third: { name: "eth%d" }, fourth: { name: "eth%d" } };
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/inner0.*inet 10\.1\.1\.1\/24/);
    const report = await inNetwork(box, script, probeArgs("net"), (config) => {
      config.linux["netDevices"] = { outer: { name: "inner0" }, third: { name: "eth%d" }, fourth: { name: "eth%d" } };
    });
    expect(Object.keys(parseReport(report.stdout).net).sort()).toEqual(["eth0", "eth1", "inner0", "lo"]);
  });

  test("into a network namespace that belongs to a user namespace", async ({ box }) => {
    const script = `${pair}; ip addr add 10.1.1.1/24 dev outer`;
    const { stdout, stderr, code } = await inNetwork(box, script, addresses, (config) => {
      config.linux["netDevices"] = { outer: { name: "inner" } };
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/inner.*inet 10\.1\.1\.1\/24/);
  });

  const wrong: [string, Record<string, object>, RegExp][] = [
    ["a device that isn't there", { nosuch: {} }, /\/linux\/netDevices\/nosuch.*look up nosuch.*no such device/],
    ["a name that is taken", { outer: { name: "lo" } }, /\/linux\/netDevices\/outer.*move outer.*file exists/],
  ];
  for (const [what, netDevices, words] of wrong) {
    test(`${what} is refused with its name, and the devices stay`, async ({ box }) => {
      const after = `ip addr add 10.1.1.1/24 dev outer; ip link set outer up; "$@" && exit 9; ip -o addr show dev outer; exit 1`;
      const { stdout, stderr, code } = await inNetwork(box, `${pair}; ${after}`, ["/bin/true"], (config) => {
        config.linux["netDevices"] = netDevices;
      });
      expect(code).toBe(1);
      expect(stderr).toMatch(words);
      expect(stdout).toContain("outer");
      expect(box.leftovers()).toEqual([]);
    });
  }

  test("the host's own network is refused", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "network");
        config.linux["netDevices"] = { eth0: {} };
      },
    });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toContain(
      "unable to move network devices without a NET namespace",
    );
  });
});

/** A directory that looks like a resctrl file system with one group, "shared". */
function fakeResctrl(box: Box): string {
  const root = box.path("resctrl");
  for (const group of ["", "shared"]) {
    mkdirSync(join(root, group, "mon_groups"), { recursive: true });
    writeFileSync(join(root, group, "schemata"), "    L3:0=0fff;1=ffff\n    MB:0=100;1=100\n");
    writeFileSync(join(root, group, "tasks"), "");
  }
  mkdirSync(join(root, "info"));
  writeFileSync(join(root, "info/last_cmd_status"), "ok\n");
  return root;
}

describeRuntimes("fields: intelRdt", ({ test }) => {
  async function create(box: Box, root: string, intelRdt: object) {
    const bundle = box.bundle(["/bin/sleep", "1000"], {
      config: (config) => {
        config.linux["intelRdt"] = intelRdt;
      },
    });
    const id = box.newId();
    const env = { ...box.environment, TSRUNC_RESCTRL: root };
    const result = await box.call(["create", "--bundle", bundle, id], { env });
    const text = (path: string): string => readFileSync(join(root, path), "utf8");
    return { id, env, text, ...result };
  }

  test("without closID the group is the container's own, and goes with it", async ({ box }) => {
    const root = fakeResctrl(box);
    const { id, env, text, code, stderr } = await create(box, root, {
      l3CacheSchema: "L3:0=f;1=f",
      memBwSchema: "MB:0=20;1=70",
      schemata: ["L2:0=ff"],
    });
    expect(code, stderr).toBe(0);
    const { pid } = (await box.state(id)) ?? { pid: 0 };
    expect(text(`${id}/tasks`)).toBe(String(pid));
    expect(text(`${id}/schemata`)).toBe("L3:0=f;1=f\nMB:0=20;1=70\nL2:0=ff\n");
    // another process of the container joins the group
    await box.ok(["start", id], { env });
    await box.ok(["exec", id, "/bin/true"], { env });
    expect(text(`${id}/tasks`)).not.toBe(String(pid));
    for (const file of ["tasks", "schemata"]) rmSync(join(root, id, file)); // rmdir does that in a real one
    await box.ok(["delete", "--force", id], { env });
    expect(existsSync(join(root, id))).toBe(false);
  });

  test("MB lines of l3CacheSchema don't count beside memBwSchema", async ({ box }) => {
    const root = fakeResctrl(box);
    const { id, text } = await create(box, root, { l3CacheSchema: "MB:0=10", memBwSchema: "MB:0=20" });
    expect(text(`${id}/schemata`)).toBe("MB:0=20\n");
    for (const file of ["tasks", "schemata"]) rmSync(join(root, id, file));
  });

  test("a named group is joined and stays; monitoring goes with the container", async ({ box }) => {
    const root = fakeResctrl(box);
    const { id, env, text, code, stderr } = await create(box, root, { closID: "shared", enableMonitoring: true });
    expect(code, stderr).toBe(0);
    const { pid } = (await box.state(id)) ?? { pid: 0 };
    expect(text("shared/tasks")).toBe(String(pid));
    expect(text(`shared/mon_groups/${id}/tasks`)).toBe(String(pid));
    expect(text("shared/schemata")).toContain("0fff");
    rmSync(join(root, "shared/mon_groups", id, "tasks"));
    await box.ok(["delete", "--force", id], { env });
    expect(readdirSync(join(root, "shared/mon_groups"))).toEqual([]);
    expect(existsSync(join(root, "shared"))).toBe(true);
  });

  test('the root group, by closID "/"', async ({ box }) => {
    const root = fakeResctrl(box);
    const { id, text } = await create(box, root, { closID: "/" });
    expect(text("tasks")).toBe(String((await box.state(id))?.pid));
  });

  test("a group that exists must be what the config says; zeros and order don't matter", async ({ box }) => {
    const root = fakeResctrl(box);
    const same = await create(box, root, {
      closID: "shared",
      l3CacheSchema: "L3:1=ffff;0=fff",
      memBwSchema: "MB:0=100",
    });
    expect(same.code, same.stderr).toBe(0);
    const other = await create(box, root, { closID: "shared", schemata: ["L3:0=ff"] });
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/\/linux\/intelRdt\/closID.*"shared" has a different configuration/);
    expect(other.text("shared/schemata")).toContain("0=0fff");
  });

  test("a named group that is missing needs schemata", async ({ box }) => {
    const root = fakeResctrl(box);
    const bare = await create(box, root, { closID: "new" });
    expect(bare.stderr).toContain("must be pre-created when schemata, l3CacheSchema and memBwSchema are empty");
    const made = await create(box, root, { closID: "new", schemata: ["L3:0=1"] });
    expect(made.code, made.stderr).toBe(0);
    expect(made.text("new/schemata")).toBe("L3:0=1\n");
  });

  test("a refusal is told in resctrl's own words, and nothing stays", async ({ box }) => {
    const root = fakeResctrl(box);
    writeFileSync(join(root, "info/last_cmd_status"), "MB value 5 out of range [10,100]\n");
    rmSync(join(root, "shared/tasks"));
    mkdirSync(join(root, "shared/tasks")); // can't be written to
    const { stderr, code } = await create(box, root, { closID: "shared" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/\/linux\/intelRdt.*MB value 5 out of range/);
    expect(box.leftovers()).toEqual([]);
  });

  test("update changes what the flags say", async ({ box }) => {
    const root = fakeResctrl(box);
    const { id, env, text } = await create(box, root, { schemata: ["L3:0=ff"] });
    await box.ok(["update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=50", id], { env });
    expect(text(`${id}/schemata`)).toBe("L3:0=3\nMB:0=50\n");
    for (const file of ["tasks", "schemata"]) rmSync(join(root, id, file));
  });

  test("the members before enableMonitoring have no effect", async ({ box }) => {
    const root = fakeResctrl(box);
    const { code, stderr } = await create(box, root, { closID: "shared", enableCMT: true, enableMBM: true });
    expect(code, stderr).toBe(0);
    expect(readdirSync(join(root, "shared/mon_groups"))).toEqual([]);
  });

  test("a machine without resctrl", async ({ box }) => {
    if (existsSync("/sys/fs/resctrl/schemata")) return;
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux["intelRdt"] = { closID: "/" };
      },
    });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toContain(
      "intelRdt is specified in config, but Intel RDT is not enabled",
    );
    expect(box.leftovers()).toEqual([]);
  });
});

describeRuntimes("fields: labels", ({ test }) => {
  const labels: [string, string, (config: Config) => void, RegExp, boolean][] = [
    [
      "apparmorProfile",
      "/process/apparmorProfile",
      (config) => {
        config.process["apparmorProfile"] = "x";
      },
      /apparmor not supported/,
      existsSync("/sys/module/apparmor"),
    ],
    [
      "selinuxLabel",
      "/process/selinuxLabel",
      (config) => {
        config.process["selinuxLabel"] = "a:b:c:s0";
      },
      /selinux is disabled or not supported/,
      existsSync("/sys/fs/selinux/status"),
    ],
    [
      "mountLabel",
      "/linux/mountLabel",
      (config) => {
        config.linux["mountLabel"] = "a:b:c:s0";
      },
      /selinux is disabled or not supported/,
      existsSync("/sys/fs/selinux/status"),
    ],
  ];
  for (const [name, at, config, words, present] of labels) {
    test.skipIf(present)(`${name} on a machine without its security module is refused`, async ({ box }) => {
      const bundle = box.bundle(["/bin/true"], { config });
      const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
      expect(stderr).toContain(at);
      expect(stderr).toMatch(words);
      expect(box.leftovers()).toEqual([]);
    });
  }
});

describeRuntimes("fields: time namespaces", ({ test }) => {
  const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

  test("offsets of both clocks", async ({ box }) => {
    const before = uptime();
    const report = await box.probe(["ns", ["read", "/proc/self/timens_offsets", "/proc/uptime"]], {
      config: (config) => {
        config.linux.namespaces.push({ type: "time" });
        config.linux["timeOffsets"] = { monotonic: { secs: 172800, nanosecs: 7 }, boottime: { secs: 604800 } };
      },
    });
    const lines = (report.read["/proc/self/timens_offsets"]?.text ?? "")
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    expect(lines).toEqual([
      ["monotonic", "172800", "7"],
      ["boottime", "604800", "0"],
    ]);
    expect(Number(report.read["/proc/uptime"]?.text?.split(" ")[0])).toBeGreaterThan(before + 604799);
  });

  test("a negative offset; a new namespace without offsets", async ({ box }) => {
    const offset = Math.floor(uptime() / 2);
    const report = await box.probe([["read", "/proc/uptime"]], {
      config: (config) => {
        config.linux.namespaces.push({ type: "time" });
        config.linux["timeOffsets"] = { boottime: { secs: -offset } };
      },
    });
    expect(Number(report.read["/proc/uptime"]?.text?.split(" ")[0])).toBeLessThan(uptime() - offset + 60);
    const plain = await box.probe([["read", "/proc/self/timens_offsets"]], {
      config: (config) => {
        config.linux.namespaces.push({ type: "time" });
      },
    });
    expect(plain.read["/proc/self/timens_offsets"]?.text).toMatch(/monotonic +0 +0\nboottime +0 +0\n/);
  });

  test("in a user namespace, with a process that joins", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"], {
      config: (config) => {
        config.linux.namespaces.push({ type: "time" }, { type: "user" });
        config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        config.linux["timeOffsets"] = { boottime: { secs: 86400 * 365 } };
        config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
      },
    });
    const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/uptime"]);
    expect(Number(stdout.split(" ")[0])).toBeGreaterThan(86400 * 365);
  });

  test("an offset beyond the beginning of time is the kernel's refusal with its place", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux.namespaces.push({ type: "time" });
        config.linux["timeOffsets"] = { boottime: { secs: -9000000000 } };
      },
    });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(/\/linux\/timeOffsets.*out of range/);
    expect(box.leftovers()).toEqual([]);
  });
});

describeRuntimes("fields: how the process is scheduled", ({ test }) => {
  const schedulers: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ["SCHED_OTHER with nice", { policy: "SCHED_OTHER", nice: 7 }, { scheduler: 0, nice: 7 }],
    ["SCHED_OTHER with negative nice", { policy: "SCHED_OTHER", nice: -9 }, { scheduler: 0, nice: -9 }],
    ["SCHED_BATCH", { policy: "SCHED_BATCH", nice: 3 }, { scheduler: 3, nice: 3 }],
    ["SCHED_IDLE", { policy: "SCHED_IDLE" }, { scheduler: 5 }],
    ["SCHED_RR", { policy: "SCHED_RR", priority: 11 }, { scheduler: 2 }],
    ["SCHED_FIFO", { policy: "SCHED_FIFO", priority: 12 }, { scheduler: 1 }],
    [
      "SCHED_FIFO, reset on fork",
      { policy: "SCHED_FIFO", priority: 12, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
      { scheduler: 0x40000001 },
    ],
    [
      "SCHED_DEADLINE",
      { policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 10000000, period: 10000000 },
      { scheduler: 6 },
    ],
  ];
  for (const [name, scheduler, expected] of schedulers) {
    test(name, async ({ box }) => {
      const bundle = box.bundle(probeArgs("process"), {
        config: (config) => {
          config.process["scheduler"] = scheduler;
        },
      });
      const { code, stdout, stderr } = await box.call(["run", "--bundle", bundle, box.newId()]);
      // real-time groups of v1 have no budget unless they are given one, and deadlines may be used up
      if (code !== 0 && /SCHED_(RR|FIFO|DEADLINE)/.test(name)) {
        expect(stderr).toMatch(/\/process\/scheduler.*(operation not permitted|device or resource busy)/);
        return;
      }
      expect(code, stderr).toBe(0);
      expect(parseReport(stdout).process).toMatchObject(expected);
    });
  }

  test("ioPriority", async ({ box }) => {
    const { process } = await box.probe(["process"], {
      config: (config) => {
        config.process["ioPriority"] = { class: "IOPRIO_CLASS_BE", priority: 6 };
      },
    });
    expect(process.ioPriority).toBe((2 << 13) | 6);
    const idle = await box.probe(["process"], {
      config: (config) => {
        config.process["ioPriority"] = { class: "IOPRIO_CLASS_IDLE", priority: 0 };
      },
    });
    expect(idle.process.ioPriority).toBe(3 << 13);
  });

  test("personality LINUX32: uname says so", async ({ box }) => {
    const { process } = await box.probe(["process"], {
      config: (config) => {
        config.linux["personality"] = { domain: "LINUX32" };
      },
    });
    expect(process.personality).toBe(8);
    const plain = await box.probe(["process"], {
      config: (config) => {
        config.linux["personality"] = { domain: "LINUX" };
      },
    });
    expect(plain.process.personality).toBe(0);
  });

  const policies: [string, object, RegExp][] = [
    ["MPOL_BIND", { mode: "MPOL_BIND", nodes: "0" }, /bind(=static)?:0/],
    ["MPOL_BIND, static", { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] }, /bind=static:0/],
    ["MPOL_BIND, relative", { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_RELATIVE_NODES"] }, /bind=relative:0/],
    ["MPOL_INTERLEAVE", { mode: "MPOL_INTERLEAVE", nodes: "0" }, /interleave:0/],
    ["MPOL_PREFERRED", { mode: "MPOL_PREFERRED", nodes: "0" }, /prefer:0/],
    ["MPOL_PREFERRED_MANY", { mode: "MPOL_PREFERRED_MANY", nodes: "0" }, /prefer \(many\):0/],
    ["MPOL_WEIGHTED_INTERLEAVE", { mode: "MPOL_WEIGHTED_INTERLEAVE", nodes: "0" }, /weighted interleave:0/],
    ["MPOL_LOCAL", { mode: "MPOL_LOCAL" }, /local/],
    ["MPOL_DEFAULT", { mode: "MPOL_DEFAULT", nodes: "" }, /default/],
  ];
  for (const [name, memoryPolicy, words] of policies) {
    test.skipIf(!existsSync("/proc/self/numa_maps"))(`memoryPolicy ${name}`, async ({ box }) => {
      const report = await box.probe([["read", "/proc/self/numa_maps"]], {
        config: (config) => {
          config.linux["memoryPolicy"] = memoryPolicy;
        },
      });
      expect(report.read["/proc/self/numa_maps"]?.text).toMatch(words);
    });
  }

  test("memoryPolicy with a node that isn't there", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.linux["memoryPolicy"] = { mode: "MPOL_BIND", nodes: "900" };
      },
    });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(
      /\/linux\/memoryPolicy.*invalid argument/,
    );
  });

  test("execCPUAffinity", async ({ box }) => {
    const cpus = (text: string): string => /Cpus_allowed_list:\s*(\S+)/.exec(text)?.[1] ?? "";
    const container = await box.start(["/bin/sleep", "1000"]);
    const file = box.path("process.json");
    const base: Record<string, unknown> = {
      args: ["/bin/cat", "/proc/self/status"],
      cwd: "/",
      env: ["PATH=/bin"],
      user: { uid: 0, gid: 0 },
    };
    writeFileSync(file, JSON.stringify({ ...base, execCPUAffinity: { initial: "0", final: "1" } }));
    expect(cpus((await box.ok(["exec", "--process", file, container.id])).stdout)).toBe("1");
    writeFileSync(file, JSON.stringify({ ...base, execCPUAffinity: { final: "0" } }));
    expect(cpus((await box.ok(["exec", "--process", file, container.id])).stdout)).toBe("0");
    writeFileSync(file, JSON.stringify({ ...base, execCPUAffinity: { initial: "1" } }));
    expect(cpus((await box.ok(["exec", "--process", file, container.id])).stdout)).toBe("1");
    writeFileSync(file, JSON.stringify(base));
    expect(cpus((await box.ok(["exec", "--process", file, container.id])).stdout)).toBe(
      cpus(readFileSync("/proc/self/status", "utf8")),
    );
  });

  test("members for other systems have no effect: username, windows, solaris", async ({ box }) => {
    const { ids } = await box.probe(["ids"], {
      config: (config) => {
        config.process.user = { uid: 5, gid: 6, ...{ username: "ContainerAdministrator" } };
        config["windows"] = { layerFolders: [] };
        config["solaris"] = { milestone: "x" };
      },
    });
    expect(ids).toMatchObject({ uid: [5, 5, 5], gid: [6, 6, 6] });
  });

  test("annotations are handed to hooks and told by state", async ({ box }) => {
    const out = box.path("hook.json");
    const container = await box.create(["/bin/true"], {
      config: (config) => {
        config.annotations = { "org.example.key": "value", "with space": "ü" };
        config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `cat > ${out}`] }] };
      },
    });
    expect((await box.state(container.id))?.annotations).toEqual({ "org.example.key": "value", "with space": "ü" });
    expect(JSON.parse(readFileSync(out, "utf8")).annotations).toEqual({
      "org.example.key": "value",
      "with space": "ü",
    });
  });
});

describeRuntimes("fields: devices", ({ test }) => {
  test("every type with its mode and owner, whatever the umask, anywhere in the root", async ({ box }) => {
    const paths = ["/dev/chr", "/dev/unb", "/dev/blk", "/dev/pipe", "/deep/er/chr"];
    const report = await box.probe([["stat", ...paths]] as Question[], {
      config: (config) => {
        config.process.user = { uid: 0, gid: 0, umask: 0o77 };
        config.linux.devices = [
          { path: "/dev/chr", type: "c", major: 1, minor: 3, fileMode: 0o626, uid: 5, gid: 6 },
          { path: "/dev/unb", type: "u", major: 1, minor: 5 },
          { path: "/dev/blk", type: "b", major: 7, minor: 0, fileMode: 0o60640, uid: 0, gid: 6 },
          { path: "/dev/pipe", type: "p", fileMode: 0o622, uid: 7, gid: 8 },
          { path: "/deep/er/chr/", type: "c", major: 1, minor: 7 },
        ];
      },
    });
    expect(report.stat).toMatchObject({
      "/dev/chr": { type: "char", mode: 0o626, uid: 5, gid: 6, major: 1, minor: 3 },
      "/dev/unb": { type: "char", mode: 0o666, uid: 0, gid: 0, major: 1, minor: 5 },
      "/dev/blk": { type: "block", mode: 0o640, uid: 0, gid: 6, major: 7, minor: 0 },
      "/dev/pipe": { type: "fifo", mode: 0o622, uid: 7, gid: 8 },
      "/deep/er/chr": { type: "char", major: 1, minor: 7 },
    });
  });

  test("a device that the config lists replaces the default of that path", async ({ box }) => {
    const { stat } = await box.probe([["stat", "/dev/zero"]], {
      config: (config) => {
        config.linux.devices = [{ path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 0o600, uid: 9, gid: 9 }];
      },
    });
    expect(stat["/dev/zero"]).toMatchObject({ mode: 0o600, uid: 9, gid: 9 });
  });

  test("in a user namespace a listed device is the host's, a fifo is made", async ({ box }) => {
    const report = await box.probe(
      [
        ["stat", "/dev/full", "/dev/pipe"],
        ["openrw", "/dev/full"],
      ],
      {
        rootfs: (path) => execFileSync("find", [path, "-type", "d", "-exec", "chown", "100000:100000", "{}", "+"]),
        config: (config) => {
          config.linux.namespaces.push({ type: "user" });
          config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
          config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
          config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
          config.linux.devices = [
            { path: "/dev/full", type: "c", major: 1, minor: 7 },
            { path: "/dev/pipe", type: "p", fileMode: 0o600 },
          ];
        },
      },
    );
    expect(report.stat).toMatchObject({
      "/dev/full": { type: "char", major: 1, minor: 7 },
      "/dev/pipe": { type: "fifo", mode: 0o600 },
    });
    expect(report.openrw).toEqual({ "/dev/full": "ok" });
  });
});
