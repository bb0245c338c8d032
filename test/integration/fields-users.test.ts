/** User namespaces: mappings, joined ones, groups, and who owns what. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { BundleOptions } from "../harness/box.ts";
import { eventually, run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import { parseReport, probeArgs, type Report } from "../harness/probe.ts";

const chown = (path: string): void => {
  execFileSync("find", [path, "-type", "d", "-exec", "chown", "100000:100000", "{}", "+"]);
};

type Mapping = { containerID: number; hostID: number; size: number };

const withUsers = (
  change: (config: Config) => void = () => undefined,
  uids: Mapping[] = [{ containerID: 0, hostID: 100000, size: 65536 }],
  gids: Mapping[] = uids,
): BundleOptions => ({
  rootfs: chown,
  config: (config) => {
    config.linux.namespaces.push({ type: "user" });
    config.linux.uidMappings = uids;
    config.linux.gidMappings = gids;
    config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
    change(config);
  },
});

const mapOf = (report: Report, path: string): string[][] =>
  (report.read[path]?.text ?? "")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));

/** A process in a user namespace of its own, where 0 is 100000 outside; killed when the function ends. */
async function withHolder(use: (pid: number) => Promise<void>): Promise<void> {
  const holder = spawn("unshare", ["-U", "sleep", "1000"], { stdio: "ignore" });
  try {
    const pid = holder.pid ?? 0;
    await eventually("unshare runs sleep", () =>
      readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n" ? true : undefined,
    );
    for (const file of ["uid_map", "gid_map"]) writeFileSync(`/proc/${pid}/${file}`, "0 100000 65536");
    await use(pid);
  } finally {
    holder.kill("SIGKILL");
  }
}

describeRuntimes("fields: user namespaces", ({ test }) => {
  test("several mappings, different ones for groups", async ({ box }) => {
    const uids = [
      { containerID: 0, hostID: 100000, size: 1 },
      { containerID: 1, hostID: 200000, size: 1000 },
      { containerID: 5000, hostID: 150000, size: 10 },
    ];
    const gids = [{ containerID: 0, hostID: 100000, size: 3000 }];
    const report = await box.probe(
      [["read", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"], "ids"],
      withUsers(
        (config) => {
          config.process.user = { uid: 5003, gid: 2001, additionalGids: [7, 8] };
        },
        uids,
        gids,
      ),
    );
    expect(mapOf(report, "/proc/self/uid_map")).toEqual(uids.map((m) => [m.containerID, m.hostID, m.size].map(String)));
    expect(mapOf(report, "/proc/self/gid_map")).toEqual([["0", "100000", "3000"]]);
    expect(report.read["/proc/self/setgroups"]?.text).toBe("allow\n");
    expect(report.ids.uid).toEqual([5003, 5003, 5003]);
    expect(report.ids.gid).toEqual([2001, 2001, 2001]);
    expect(report.ids.groups).toEqual(expect.arrayContaining([7, 8]));
  });

  test("three hundred mappings", async ({ box }) => {
    const many = Array.from({ length: 300 }, (_, i) => ({ containerID: i, hostID: 100000 + 2 * i, size: 1 }));
    const report = await box.probe(
      [["read", "/proc/self/uid_map"], "ids"],
      withUsers(() => undefined, many),
    );
    expect(mapOf(report, "/proc/self/uid_map")).toHaveLength(300);
    expect(report.ids.uid).toEqual([0, 0, 0]);
  });

  test("seen from outside, the container's root is the mapped user", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "1000"], withUsers());
    const status = readFileSync(`/proc/${container.pid}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).toBe("100000");
    expect(/^Gid:\s+(\d+)/m.exec(status)?.[1]).toBe("100000");
    const { stdout } = await box.ok(["exec", container.id, "/probe", "ids"]);
    expect(JSON.parse(stdout).ids.uid).toEqual([0, 0, 0]);
  });

  test("capabilities are those of the namespace: its root may mount, the host is out of reach", async ({ box }) => {
    const all = ["CAP_SYS_ADMIN", "CAP_SYS_TIME", "CAP_CHOWN"];
    const report = await box.probe(
      ["mount", ["mknod", "/tmp/null", "1", "3"]] as never,
      withUsers((config) => {
        config.process.capabilities = { bounding: all, effective: all, permitted: all };
      }),
    );
    expect(report.mount).toBe("ok");
    expect(report.mknod.mknod).toBe("EPERM");
  });

  test("a user that the mappings don't have is refused by name", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/true"],
      withUsers((config) => {
        config.process.user = { uid: 70000, gid: 0 };
      }),
    );
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(/\/process\/user\/uid.*70000/);
    expect(box.leftovers()).toEqual([]);
  });

  test("a mapping that the kernel refuses is told with its place", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/true"],
      withUsers(() => undefined, [{ containerID: 0, hostID: 4294967294, size: 10 }]),
    );
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(/\/linux\/uidMappings/);
    expect(box.leftovers()).toEqual([]);
  });

  test("a joined user namespace: its root is the container's, and owns the other namespaces", async ({ box }) => {
    await withHolder(async (pid) => {
      const path = `/proc/${pid}/ns/user`;
      const report = await box.probe(["ns", "ids", "caps", ["read", "/proc/self/uid_map"], "mount"], {
        rootfs: chown,
        config: (config) => {
          config.linux.namespaces.push({ type: "user", path });
          config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
          const all = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"];
          config.process.capabilities = { bounding: all, effective: all, permitted: all };
        },
      });
      expect(report.ns["user"]).toBe(readlinkSync(path));
      expect(report.ids.uid).toEqual([0, 0, 0]);
      expect(mapOf(report, "/proc/self/uid_map")).toEqual([["0", "100000", "65536"]]);
      expect(report.mount).toBe("ok");
    });
  });

  test("a joined user namespace with an idmapped mount, as another user", async ({ box }) => {
    const source = box.path("source");
    execFileSync("install", ["-d", "-o", "0", "-g", "0", source]);
    writeFileSync(join(source, "file"), "");
    await withHolder(async (pid) => {
      const report = await box.probe(["ids", ["stat", "/m/file"]], {
        rootfs: chown,
        config: (config) => {
          config.linux.namespaces.push({ type: "user", path: `/proc/${pid}/ns/user` });
          config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
          config.mounts.push({ destination: "/m", type: "bind", source, options: ["bind", "idmap"] });
          config.process.user = { uid: 12, gid: 34 };
        },
      });
      expect(report.ids.uid).toEqual([12, 12, 12]);
      expect(report.stat["/m/file"]).toMatchObject({ uid: 0, gid: 0 });
    });
  });

  test("user and network namespace of another container, as in a pod", async ({ box }) => {
    const infra = await box.start(["/bin/sleep", "1000"], withUsers());
    const ns = (name: string): string => `/proc/${infra.pid}/ns/${name}`;
    const report = await box.probe(["ns", "ids", "net"], {
      rootfs: chown,
      config: (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(
          ({ type }) => !["network", "ipc", "uts"].includes(type),
        );
        config.linux.namespaces.push({ type: "user", path: ns("user") }, { type: "network", path: ns("net") });
        config.linux.namespaces.push({ type: "ipc", path: ns("ipc") }, { type: "uts", path: ns("uts") });
        config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
        delete config.hostname;
      },
    });
    for (const name of ["user", "net", "ipc", "uts"]) expect(report.ns[name], name).toBe(readlinkSync(ns(name)));
    expect(report.ids.uid).toEqual([0, 0, 0]);
  });

  test("a root file system that is idmapped, as engines hand it over: its root owns it, and files it makes are root's", async ({
    box,
  }) => {
    const { rootfs: _unchanged, config } = withUsers();
    const bundle = box.bundle(
      probeArgs(["stat", "/etc/passwd"], ["creat", "/"]),
      config === undefined ? {} : { config },
    );
    const rootfs = join(bundle, "rootfs");
    const argv = [
      compile("test/harness/idmount.c"),
      rootfs,
      "100000",
      ...box.argv("run", "--bundle", bundle, box.newId()),
    ];
    const result = await run(argv, { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
    const report = parseReport(result.stdout);
    expect(report.stat["/etc/passwd"]).toMatchObject({ uid: 0, gid: 0 });
    expect(report.creat).toEqual({ "/": "ok" });
  });

  test("sysctls and the host name belong to the user namespace's own namespaces", async ({ box }) => {
    const report = await box.probe(
      ["uts", ["read", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"]],
      withUsers((config) => {
        config.hostname = "inside";
        config.domainname = "example.net";
        config.linux.sysctl = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "7777" };
      }),
    );
    expect(report.uts).toEqual({ hostname: "inside", domainname: "example.net" });
    expect(report.read["/proc/sys/net/ipv4/ip_forward"]?.text).toBe("1\n");
    expect(report.read["/proc/sys/kernel/msgmax"]?.text).toBe("7777\n");
  });

  test("terminals, masks and a read-only root work there, too", async ({ box }) => {
    const report = await box.probe(
      [
        ["creat", "/", "/dev/shm"],
        ["read", "/proc/kcore"],
        ["ls", "/sys/firmware"],
      ],
      withUsers((config) => {
        config.root.readonly = true;
      }),
    );
    expect(report.creat).toEqual({ "/": "EROFS", "/dev/shm": "ok" });
    expect(report.read["/proc/kcore"]?.text ?? "").toBe("");
    expect(report.ls["/sys/firmware"]).toEqual([]);
  });
});
