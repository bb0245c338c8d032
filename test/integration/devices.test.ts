/** Device nodes, /dev and its links, the device cgroup, and images that prepare /dev (V08, V09, V17). */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import type { Stat } from "../harness/probe.ts";

const noDev = (config: Config): void => {
  config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
};

function hostDirectory(box: Box): string {
  const path = box.path("victim");
  mkdirSync(path);
  writeFileSync(join(path, "ptmx"), "precious");
  return path;
}

const listing = (path: string): string =>
  execFileSync("find", [path, "-printf", "%i %m %u %y %s %p\\n"], { encoding: "utf8" });

describeRuntimes(
  "devices",
  ({ test, differs, red, runtime }) => {
    const nodes: [string, number, number][] = [
      ["null", 1, 3],
      ["zero", 1, 5],
      ["full", 1, 7],
      ["random", 1, 8],
      ["urandom", 1, 9],
      ["tty", 5, 0],
    ];

    test("default nodes and links", async ({ box }) => {
      const { stat } = await box.probe([
        [
          "stat",
          ...nodes.map(([name]) => `/dev/${name}`),
          "/dev/fd",
          "/dev/stdin",
          "/dev/stdout",
          "/dev/stderr",
          "/dev/ptmx",
        ],
      ]);
      for (const [name, major, minor] of nodes)
        expect(stat[`/dev/${name}`], name).toMatchObject({ type: "char", mode: 0o666, uid: 0, gid: 0, major, minor });
      const target = (path: string): string | undefined => (stat[path] as Stat).target;
      expect([target("/dev/fd"), target("/dev/stdin"), target("/dev/stdout"), target("/dev/stderr")]).toEqual([
        "/proc/self/fd",
        "/proc/self/fd/0",
        "/proc/self/fd/1",
        "/proc/self/fd/2",
      ]);
      expect(target("/dev/ptmx")).toMatch(/pts\/ptmx$/);
    });

    test("default nodes can be opened, others can't (V17)", async ({ box }) => {
      const report = await box.probe(
        [
          ["openrw", ...nodes.slice(0, 5).map(([name]) => `/dev/${name}`)],
          ["mknod", "/tmp/mem", "1", "1"],
        ],
        {
          config: (config) => {
            const all = ["CAP_MKNOD", "CAP_KILL"];
            config.process.capabilities = { bounding: all, effective: all, permitted: all };
          },
        },
      );
      expect(new Set(Object.values(report.openrw))).toEqual(new Set(["ok"]));
      expect(report.mknod).toEqual({ mknod: "ok", open: "EPERM" }); // engines allow making nodes, not using them
    });

    test("devices of the config: character, FIFO, mode and owner", async ({ box }) => {
      const { stat, openrw } = await box.probe(
        [
          ["stat", "/dev/fuse2", "/dev/pipe", "/deep/er/node"],
          ["openrw", "/dev/fuse2"],
        ],
        {
          config: (config) => {
            config.linux.devices = [
              { path: "/dev/fuse2", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 },
              { path: "/dev/pipe", type: "p", fileMode: 0o600 },
              { path: "/deep/er/node", type: "u", major: 1, minor: 5 },
            ];
          },
        },
      );
      expect(stat["/dev/fuse2"]).toMatchObject({ type: "char", mode: 0o640, uid: 5, gid: 6, major: 1, minor: 3 });
      expect(stat["/dev/pipe"]).toMatchObject({ type: "fifo", mode: 0o600 });
      expect(stat["/deep/er/node"]).toMatchObject({ type: "char", major: 1, minor: 5 });
      expect(openrw["/dev/fuse2"]).toMatch(/ok|EACCES/); // its mode is the user's business
    });

    test("in a user namespace the default nodes are binds of the host's", async ({ box }) => {
      const report = await box.probe(
        [
          ["stat", "/dev/null"],
          ["openrw", "/dev/null", "/dev/zero"],
        ],
        {
          rootfs: (path) => execFileSync("chown", ["-hR", "100000:100000", path]),
          config: (config) => {
            config.linux.namespaces.push({ type: "user" });
            config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
            config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
            config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
          },
        },
      );
      expect(report.stat["/dev/null"]).toMatchObject({ type: "char", major: 1, minor: 3 });
      expect(report.openrw).toEqual({ "/dev/null": "ok", "/dev/zero": "ok" });
    });

    differs({ runc: "keeps what is there", crun: "keeps what is there" })(
      "a path that is another kind of file already is an error",
      async ({ box }) => {
        const bundle = box.bundle(["/bin/true"], {
          rootfs: (path) => writeFileSync(join(path, "node"), "a file"),
          config: (config) => {
            config.linux.devices = [{ path: "/node", type: "c", major: 1, minor: 3 }];
          },
        });
        await box.fails(["create", "--bundle", bundle, box.newId()]);
        expect(readFileSync(join(bundle, "rootfs/node"), "utf8")).toBe("a file");
        expect(box.leftovers()).toEqual([]);
      },
    );

    const broken: [string, Record<string, unknown>][] = [
      ["an unknown type", { path: "/dev/x", type: "x", major: 1, minor: 3 }],
      ["no numbers", { path: "/dev/x", type: "c" }],
      ["a relative path", { path: "dev/x", type: "c", major: 1, minor: 3 }],
      ["a negative number", { path: "/dev/x", type: "c", major: -1, minor: 3 }],
    ];
    for (const [what, device] of broken) {
      differs({ runc: "lets some of them through", crun: "lets some of them through" })(
        `a device with ${what} is refused`,
        async ({ box }) => {
          const bundle = box.bundle(["/bin/true"], {
            config: (config) => {
              config.linux.devices = [device];
            },
          });
          expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toContain("/linux/devices/0");
          expect(box.leftovers()).toEqual([]);
        },
      );
    }

    // ---- V08: the image's /dev is a link and the config mounts nothing there ----

    const targets: [string, (victim: string) => string][] = [
      ["an absolute link to a host directory", (victim) => victim],
      ["a relative link out of the rootfs", () => "../../victim"],
    ];
    // Not for the peers that have the hole: they would populate the machine's own root directory.
    if (runtime.ours) targets.push(["a link to /", () => "/"]);
    for (const [what, target] of targets) {
      red({ runc: "populates the victim (CVE-2026-41579)", crun: "populates the victim (CVE-2026-47766)" })(
        `/dev is ${what} (V08)`,
        async ({ box }) => {
          const victim = hostDirectory(box);
          const before = listing(victim);
          const bundle = box.bundle(["/bin/true"], {
            rootfs: (path) => {
              rmdirSync(join(path, "dev"));
              symlinkSync(target(victim), join(path, "dev"));
            },
            config: noDev,
          });
          await box.call(["run", "--bundle", bundle, box.newId()]);
          expect(listing(victim)).toBe(before);
          expect(readFileSync(join(victim, "ptmx"), "utf8")).toBe("precious");
        },
      );
    }

    test("/dev of the image is missing or has odd entries (V08)", async ({ box }) => {
      const first = await box.run(["/probe", "stat", "/dev/null"], {
        rootfs: (path) => rmdirSync(join(path, "dev")),
        config: noDev,
      });
      expect(first.code, first.stderr).toBe(0);
      const victim = hostDirectory(box);
      const before = listing(victim);
      await box.run(["/probe", "stat", "/dev/null"], {
        rootfs: (path) => {
          symlinkSync(victim, join(path, "dev/pts"));
          symlinkSync(victim, join(path, "dev/shm"));
          symlinkSync(join(victim, "ptmx"), join(path, "dev/fd"));
          symlinkSync(join(victim, "ptmx"), join(path, "dev/null"));
        },
        config: noDev,
      });
      expect(listing(victim)).toBe(before);
    });

    // ---- V09: masks never show what the image put in the place of /dev/null ----

    const nulls: [string, (path: string) => void][] = [
      ["a link to a procfs file", (path) => symlinkSync("/proc/sys/kernel/core_pattern", path)],
      ["a regular file", (path) => writeFileSync(path, "attacker")],
      ["a link to nowhere", (path) => symlinkSync("/nowhere", path)],
      ["a FIFO", (path) => execFileSync("mkfifo", [path])],
    ];
    for (const [what, make] of nulls) {
      const seen = ["a link to a procfs file", "a regular file"].includes(what);
      red(seen ? { runc: "1.1.5 shows it (CVE-2025-31133)" } : {})(
        `/dev/null of a bind-mounted /dev is ${what} (V09)`,
        async ({ box }) => {
          const dev = box.path("dev");
          mkdirSync(dev);
          make(join(dev, "null"));
          const result = await box.run(["/probe", "read", "/masked", "/proc/keys"], {
            rootfs: (path) => writeFileSync(join(path, "masked"), "secret"),
            config: (config) => {
              noDev(config);
              config.mounts.push({ destination: "/dev", type: "bind", source: dev, options: ["bind"] });
              config.linux.maskedPaths = ["/masked", "/proc/keys"];
            },
          });
          if (result.code !== 0) return; // refusing is fine
          const report = JSON.parse(result.stdout);
          expect(report.read).toEqual({ "/masked": { text: "" }, "/proc/keys": { text: "" } });
        },
      );
    }
  },
  ["runc"],
);
