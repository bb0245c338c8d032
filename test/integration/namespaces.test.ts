/** Namespaces: new ones, joined ones, and those that must not be joined (V18, V19). */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { eventually } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";

const proc = {
  cgroup: "cgroup",
  ipc: "ipc",
  mount: "mnt",
  network: "net",
  pid: "pid",
  user: "user",
  uts: "uts",
  time: "time",
} as const;
type Type = keyof typeof proc;

const hostNamespace = (type: Type): string => readlinkSync(`/proc/self/ns/${proc[type]}`);

function without(config: Config, ...types: string[]): void {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => !types.includes(type));
}

/** Replaces (or adds) a namespace by one that is joined. */
function join(config: Config, type: Type, path: string): void {
  without(config, type);
  config.linux.namespaces.push({ type, path });
}

/** A process of our own in fresh namespaces; killed when the test's function ends. */
async function withHolder(flags: string[], use: (pid: number) => Promise<void>): Promise<void> {
  const holder = spawn("unshare", [...flags, "sleep", "1000"], { stdio: "ignore" });
  try {
    const pid = holder.pid ?? 0;
    await eventually("unshare runs sleep", () =>
      readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n" ? true : undefined,
    );
    await use(pid);
  } finally {
    holder.kill("SIGKILL");
  }
}

describeRuntimes("namespaces", ({ test, differs, runtime }) => {
  test("each listed namespace is new, each other one is the caller's", async ({ box }) => {
    const { ns } = await box.probe(["ns"]);
    for (const type of ["pid", "network", "ipc", "uts", "mount"] as const)
      expect(ns[proc[type]], type).not.toBe(hostNamespace(type));
    for (const type of ["user", "cgroup"] as const) expect(ns[proc[type]], type).toBe(hostNamespace(type));
  });

  test("all kinds at once, with a user namespace", async ({ box }) => {
    const report = await box.probe(["ns", "ids", ["read", "/proc/self/uid_map"]], {
      config: (config) => {
        config.linux.namespaces.push({ type: "user" }, { type: "cgroup" });
        config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        // Device nodes can't be made there, sysfs is the new network namespace's; cgroup v1 mounts need the real root.
        config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
      },
      rootfs: (path) => execFileSync("chown", ["-hR", "100000:100000", path]),
    });
    for (const type of ["pid", "network", "ipc", "uts", "mount", "user", "cgroup"] as const)
      expect(report.ns[proc[type]], type).not.toBe(hostNamespace(type));
    expect(report.ids.uid).toEqual([0, 0, 0]);
    expect(report.read["/proc/self/uid_map"]?.text?.trim().split(/\s+/)).toEqual(["0", "100000", "65536"]);
  });

  test("the host's network, ipc, uts, pid when they aren't listed", async ({ box }) => {
    const { ns, uts } = await box.probe(["ns", "uts"], {
      config: (config) => {
        without(config, "network", "ipc", "uts", "pid");
        delete config.hostname;
        config.mounts = config.mounts.filter(
          ({ destination }) => !["/sys", "/sys/fs/cgroup", "/dev/mqueue"].includes(destination),
        );
        config.linux.maskedPaths = [];
        config.linux.readonlyPaths = [];
      },
    });
    for (const type of ["network", "ipc", "uts", "pid"] as const)
      expect(ns[proc[type]], type).toBe(hostNamespace(type));
    expect(uts.hostname).toBe(readFileSync("/proc/sys/kernel/hostname", "utf8").trim());
  });

  test("a new network namespace has its loopback up", async ({ box }) => {
    expect((await box.probe(["net"])).net).toMatchObject({ lo: "up" });
  });

  test("hostname, domainname, sysctls of own namespaces", async ({ box }) => {
    const report = await box.probe(["uts", ["read", "/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_forward"]], {
      config: (config) => {
        config.hostname = "box";
        if (runtime.name !== "runc") config.domainname = "example.org"; // since runc 1.2
        config.linux.sysctl = { "kernel.msgmax": "4321", "net.ipv4.ip_forward": "1" };
      },
    });
    expect(report.uts.hostname).toBe("box");
    if (runtime.name !== "runc") expect(report.uts.domainname).toBe("example.org");
    expect(report.read["/proc/sys/kernel/msgmax"]?.text).toBe("4321\n");
    expect(report.read["/proc/sys/net/ipv4/ip_forward"]?.text).toBe("1\n");
  });

  for (const [type, flag] of [
    ["network", "-n"],
    ["ipc", "-i"],
    ["uts", "-u"],
  ] as const) {
    test(`joining a ${type} namespace by path`, async ({ box }) => {
      await withHolder([flag], async (pid) => {
        const path = `/proc/${pid}/ns/${proc[type]}`;
        const { ns } = await box.probe(["ns"], {
          config: (config) => {
            join(config, type, path);
            if (type === "uts") delete config.hostname;
          },
        });
        expect(ns[proc[type]]).toBe(readlinkSync(path));
      });
    });
  }

  test("joining the namespaces of another container, as a pod does", async ({ box }) => {
    const infra = await box.start(["/bin/sleep", "1000"]);
    const { ns, process } = await box.probe(["ns", "process", "uts"], {
      config: (config) => {
        for (const type of ["pid", "network", "ipc", "uts"] as const)
          join(config, type, `/proc/${infra.pid}/ns/${proc[type]}`);
        delete config.hostname;
      },
    });
    for (const type of ["pid", "network", "ipc", "uts"] as const)
      expect(ns[proc[type]], type).toBe(readlinkSync(`/proc/${infra.pid}/ns/${proc[type]}`));
    expect(process.pid).toBeGreaterThan(1);
  });

  test("a container in another one's pid namespace dies alone", async ({ box }) => {
    const infra = await box.start(["/bin/sleep", "1000"]);
    const member = await box.start(["/bin/sleep", "1000"], {
      config: (config) => join(config, "pid", `/proc/${infra.pid}/ns/pid`),
    });
    await member.delete("--force");
    expect(await infra.status()).toBe("running");
  });

  // V19: what a namespace path can be besides a namespace of the right type.
  const wrong: [string, Type, (box: Box) => string, RegExp][] = [
    ["missing", "network", () => "/no/such/ns", /no such file/],
    [
      "a regular file",
      "network",
      (box) => {
        writeFileSync(box.path("file"), "");
        return box.path("file");
      },
      /./,
    ],
    [
      "a directory",
      "ipc",
      (box) => {
        mkdirSync(box.path("dir"));
        return box.path("dir");
      },
      /./,
    ],
    [
      "a FIFO",
      "uts",
      (box) => {
        execFileSync("mkfifo", [box.path("fifo")]);
        return box.path("fifo");
      },
      /./,
    ],
    [
      "a dangling link",
      "network",
      (box) => {
        symlinkSync("/no/such", box.path("link"));
        return box.path("link");
      },
      /no such file/,
    ],
    ["of another type", "network", () => "/proc/self/ns/uts", /./],
  ];
  for (const [name, type, path, words] of wrong) {
    differs({ runc: "its message is 'EOF'; a FIFO hangs it", crun: "a FIFO hangs it" })(
      `a namespace path that is ${name} is refused`,
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], { config: (config) => join(config, type, path(box)) });
        const stderr = await box.refuses(["create", "--bundle", bundle, box.newId()], words);
        expect(stderr).toMatch(new RegExp(`${type}|/linux/namespaces`));
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  differs({ runc: "fails half way", crun: "mounts in the caller's namespace" })(
    "the caller's own mount namespace is refused (V19)",
    async ({ box }) => {
      const bundle = box.bundle(["/bin/true"], { config: (config) => join(config, "mount", "/proc/self/ns/mnt") });
      await box.refuses(["create", "--bundle", bundle, box.newId()], /mount/);
      expect(box.leftovers()).toEqual([]);
    },
  );

  // V18: per-namespace settings need an own namespace; one joined by path that is the host's isn't.
  const hostile: [string, (config: Config) => void][] = [
    [
      "hostname",
      (config) => {
        join(config, "uts", "/proc/self/ns/uts");
        config.hostname = "evil";
      },
    ],
    [
      "kernel.msgmax",
      (config) => {
        join(config, "ipc", "/proc/self/ns/ipc");
        delete config.hostname;
        config.linux.sysctl = { "kernel.msgmax": "77" };
      },
    ],
    [
      "kernel.domainname",
      (config) => {
        join(config, "uts", "/proc/self/ns/uts");
        delete config.hostname;
        config.linux.sysctl = { "kernel.domainname": "evil" };
      },
    ],
    [
      "net.ipv4.ip_forward",
      (config) => {
        join(config, "network", "/proc/self/ns/net");
        config.linux.sysctl = { "net.ipv4.ip_forward": "1" };
      },
    ],
  ];
  for (const [name, change] of hostile) {
    differs({ runc: "changes the host", crun: "changes the host" })(
      `${name} with the host's namespace joined by path is refused (V18)`,
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], { config: change });
        await box.fails(["create", "--bundle", bundle, box.newId()]);
        expect(box.leftovers()).toEqual([]); // that the host is unchanged, the box itself checks
      },
    );
  }

  for (const key of [
    "kernel.core_pattern",
    "net.ipv4/../../kernel/core_pattern",
    "net..ipv4",
    "",
    "kernel.shmmax/../core_pattern",
    "vm.overcommit_memory",
  ]) {
    differs({ crun: "takes some of them" })(`sysctl "${key}" is refused`, async ({ box }) => {
      const before = existsSync("/proc/sys/kernel/core_pattern")
        ? readFileSync("/proc/sys/kernel/core_pattern", "utf8")
        : "";
      const bundle = box.bundle(["/bin/true"], {
        config: (config) => {
          config.linux.sysctl = { [key]: before.trim() };
        },
      });
      await box.fails(["create", "--bundle", bundle, box.newId()]);
      expect(box.leftovers()).toEqual([]);
    });
  }
});
