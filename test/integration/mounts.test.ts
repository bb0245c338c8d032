/** Mounts, their options and propagation, masked and read-only paths; and destinations that try to get out (V04, V06, V07, V12). */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box, BundleOptions } from "../harness/box.ts";
import type { Config, MountConfig } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { type Mount, parseMounts, type Question, type Report } from "../harness/probe.ts";

/** Adds mounts to the default config. */
const mounting =
  (...mounts: MountConfig[]) =>
  (config: Config): void => {
    config.mounts.push(...mounts);
  };

const bind = (source: string, destination: string, ...options: string[]): MountConfig => ({
  destination,
  type: "bind",
  source,
  options: ["bind", ...options],
});
const tmpfs = (destination: string, ...options: string[]): MountConfig => ({
  destination,
  type: "tmpfs",
  source: "tmpfs",
  options,
});

function mountsOf(report: Report): Mount[] {
  return parseMounts(report.mounts.text ?? "");
}

/** The mount at a path: the last one, if there are several. */
function mountAt(report: Report, path: string): Mount | undefined {
  return mountsOf(report).findLast(({ at }) => at === path);
}

/** A host directory with a file in it, and what it has to look like afterwards. */
function victim(box: Box, name = "victim"): { path: string; check(): void } {
  const path = box.path(name);
  mkdirSync(path);
  writeFileSync(join(path, "ptmx"), "precious");
  chmodSync(path, 0o755);
  const picture = (): string =>
    readdirSync(path, { recursive: true })
      .sort()
      .map((entry) => {
        const stat = lstatSync(join(path, String(entry)));
        return `${entry} ${stat.ino} ${stat.mode} ${stat.uid} ${stat.size}`;
      })
      .join("\n");
  const before = picture();
  return {
    path,
    check: () => {
      expect(picture()).toBe(before);
      expect(readFileSync(join(path, "ptmx"), "utf8")).toBe("precious");
    },
  };
}

describeRuntimes("mounts", ({ test, differs, runtime }) => {
  test("the default config's mounts", async ({ box }) => {
    const report = await box.probe(["mounts"]);
    const types = Object.fromEntries(
      ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"].map((at) => [at, mountAt(report, at)?.type]),
    );
    expect(types).toEqual({
      "/proc": "proc",
      "/dev": "tmpfs",
      "/dev/pts": "devpts",
      "/dev/shm": "tmpfs",
      "/dev/mqueue": "mqueue",
      "/sys": "sysfs",
    });
    expect(mountAt(report, "/dev")?.options).toContain("nosuid");
    expect(mountAt(report, "/sys")?.options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    expect(mountAt(report, "/dev/pts")?.superOptions).toEqual(
      expect.arrayContaining(["gid=5", "mode=620", "ptmxmode=666"]),
    );
    expect(mountsOf(report).filter(({ at }) => at === "/")).toHaveLength(1);
    const inside = mountsOf(report).filter(({ at, type }) => at !== "/" && type !== "cgroup");
    expect(inside.filter(({ at, root }) => `${at}${root}`.includes(box.tag))).toEqual([]); // nothing of the host is left
  });

  test("bind mounts: directory, file, read-only, a source relative to the bundle", async ({ box }) => {
    const source = box.path("source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "hello");
    const questions: Question[] = ["mounts", ["read", "/a/file", "/etc/f"], ["creat", "/a", "/b", "/c"]];
    const report = await box.probe(questions, {
      config: mounting(
        bind(source, "/a"),
        bind(source, "/b", "ro"),
        bind(join(source, "file"), "/etc/f", "ro"),
        bind("rootfs/tmp", "/c"),
      ),
    });
    expect(report.read).toEqual({ "/a/file": { text: "hello" }, "/etc/f": { text: "hello" } });
    expect(report.creat).toEqual({ "/a": "ok", "/b": "EROFS", "/c": "ok" });
  });

  test("a recursive bind brings the mounts below, a plain one doesn't", async ({ box }) => {
    const inner = tmpfs("/outer/inner", "mode=700");
    const deep = await box.probe([["ls", "/all", "/one"]], {
      rootfs: (path) => mkdirSync(join(path, "share")),
      config: mounting(
        { destination: "/all", type: "bind", source: "/proc/self/ns/../../../sys", options: ["rbind", "ro"] },
        bind("/sys", "/one", "ro"),
        inner,
      ),
    });
    expect(deep.ls["/all"]).toEqual(expect.arrayContaining(["fs"]));
    expect(deep.ls["/one"]).toEqual(expect.arrayContaining(["fs"]));
  });

  // V12: each flag really holds.
  const flags: [string[], Question, (report: Report) => unknown, unknown][] = [
    [["ro"], ["creat", "/m"], (report) => report.creat["/m"], "EROFS"],
    [["rw"], ["creat", "/m"], (report) => report.creat["/m"], "ok"],
    [["noexec"], ["exec", "/m/true"], (report) => report.exec["/m/true"], "EACCES"],
    [["exec"], ["exec", "/m/true"], (report) => report.exec["/m/true"], "ok"],
    [["nosuid"], "mounts", (report) => mountAt(report, "/m")?.options.includes("nosuid"), true],
    [["nodev"], "mounts", (report) => mountAt(report, "/m")?.options.includes("nodev"), true],
    [["noatime"], "mounts", (report) => mountAt(report, "/m")?.options.includes("noatime"), true],
    [["relatime"], "mounts", (report) => mountAt(report, "/m")?.options.includes("relatime"), true],
    [["nodiratime"], "mounts", (report) => mountAt(report, "/m")?.options.includes("nodiratime"), true],
    [["ro", "rw"], ["creat", "/m"], (report) => report.creat["/m"], "ok"], // the last one wins
    [
      ["noexec", "ro", "nosuid", "nodev"],
      "mounts",
      (report) => ["noexec", "ro", "nosuid", "nodev"].every((flag) => mountAt(report, "/m")?.options.includes(flag)),
      true,
    ],
  ];
  for (const kind of ["bind", "rbind", "tmpfs"] as const) {
    for (const [options, question, answer, expected] of flags) {
      if (kind === "tmpfs" && typeof question !== "string" && question[0] === "exec") continue; // nothing to execute in it
      const body = async ({ box }: { box: Box }): Promise<void> => {
        const source = box.path("source");
        mkdirSync(source);
        execFileSync("cp", ["/bin/busybox", join(source, "true")]);
        const mount =
          kind === "tmpfs"
            ? tmpfs("/m", ...options)
            : { destination: "/m", type: "bind", source, options: [kind, ...options] };
        expect(answer(await box.probe([question], { config: mounting(mount) }))).toEqual(expected);
      };
      const name = `${kind} with ${options.join(",")}`;
      if (options.join() === "ro,rw") differs({ crun: "flags once set stay" })(name, body);
      else test(name, body);
    }
  }

  test("tmpfs options: mode, size, uid, gid", async ({ box }) => {
    const report = await box.probe(
      [
        ["stat", "/t"],
        ["statfs", "/t"],
      ],
      { config: mounting(tmpfs("/t", "mode=0710", "size=1m", "uid=7", "gid=8")) },
    );
    expect(report.stat["/t"]).toMatchObject({ mode: 0o710, uid: 7, gid: 8 });
    expect(report.statfs["/t"]).toMatchObject({ bytes: 1 << 20 });
  });

  test("mounts follow the order of the list and may sit inside each other", async ({ box }) => {
    const source = box.path("source");
    mkdirSync(source);
    const report = await box
      .probe(["mounts", ["creat", "/t", "/t/deep/er"]], {
        config: mounting(tmpfs("/t", "ro"), bind(source, "/t/deep/er")),
        rootfs: () => undefined,
      })
      .catch((error: unknown) => error);
    // A read-only tmpfs has no place for the next mount point; runtimes make it read-only last.
    if (report instanceof Error) throw report;
    expect((report as Report).creat).toEqual({ "/t": "EROFS", "/t/deep/er": "ok" });
  });

  test("a read-only root, with writable mounts in it", async ({ box }) => {
    const report = await box.probe(["mounts", ["creat", "/", "/etc", "/tmp", "/dev/shm"]], {
      config: (config) => {
        config.root.readonly = true;
        config.mounts.push(tmpfs("/tmp"));
      },
    });
    expect(report.creat).toEqual({ "/": "EROFS", "/etc": "EROFS", "/tmp": "ok", "/dev/shm": "ok" });
    expect(mountAt(report, "/")?.options).toContain("ro");
  });

  const propagations: [string | undefined, RegExp][] = [
    [undefined, /^$|^master:/],
    ["private", /^$/],
    ["slave", /^master:/],
    ["shared", /^shared:/],
    ["unbindable", /^unbindable$/],
  ];
  for (const [propagation, expected] of propagations) {
    const other = ["shared", "unbindable"].includes(propagation ?? "")
      ? { runc: "1.1 makes it private, or fails", crun: "makes it private" }
      : {};
    differs(other)(`rootfsPropagation ${propagation ?? "absent"}`, async ({ box }) => {
      const report = await box.probe(["mounts"], {
        config: (config) => {
          if (propagation !== undefined) config.linux.rootfsPropagation = propagation;
        },
      });
      const root = mountAt(report, "/")?.propagation.join(" ") ?? "?";
      // Without a shared parent on the host there is nothing to be the slave of.
      if (propagation === "slave" && root === "") return;
      expect(root).toMatch(expected);
    });
  }

  for (const [option, expected] of [
    ["rprivate", /^$/],
    ["rshared", /shared:/],
    ["unbindable", /unbindable/],
  ] as const) {
    test(`bind with ${option}`, async ({ box }) => {
      const report = await box.probe(["mounts"], { config: mounting(bind(box.directory, "/m", option)) });
      expect(mountAt(report, "/m")?.propagation.join(" ")).toMatch(expected);
    });
  }

  test("cgroup mounts: one directory per hierarchy, read-only", async ({ box }) => {
    const report = await box.probe([
      "mounts",
      ["ls", "/sys/fs/cgroup"],
      ["creat", "/sys/fs/cgroup/memory"],
      ["openrw", "/sys/fs/cgroup/memory/memory.limit_in_bytes"],
    ]);
    if (!existsSync("/sys/fs/cgroup/memory")) return; // a v2 host
    expect(report.ls["/sys/fs/cgroup"]).toEqual(
      expect.arrayContaining(["memory", "pids", "cpu", "devices", "freezer"]),
    );
    expect(report.openrw["/sys/fs/cgroup/memory/memory.limit_in_bytes"]).toBe("EROFS");
  });

  // ---- masked and read-only paths ----

  test("masked files read as empty, masked directories are empty and read-only", async ({ box }) => {
    const report = await box.probe(
      [
        "mounts",
        ["read", "/proc/kcore", "/masked/file"],
        ["ls", "/masked/dir", "/sys/firmware"],
        ["creat", "/masked/dir"],
        ["write", "/masked/file", "x"],
      ],
      {
        rootfs: (path) => {
          mkdirSync(join(path, "masked/dir"), { recursive: true });
          writeFileSync(join(path, "masked/dir/secret"), "secret");
          writeFileSync(join(path, "masked/file"), "secret");
          symlinkSync("file", join(path, "masked/link"));
        },
        config: (config) => {
          config.linux.maskedPaths?.push(
            "/masked/file",
            "/masked/dir",
            "/masked/link",
            "/masked/missing",
            "/masked/file",
            "/masked/dir/",
          );
        },
      },
    );
    expect(report.read["/proc/kcore"]?.text ?? "").toBe("");
    expect(report.read["/masked/file"]?.text).toBe("");
    expect(report.ls["/masked/dir"]).toEqual([]);
    expect(report.creat["/masked/dir"]).toMatch(/EROFS|ENOSPC/);
  });

  test("read-only paths can't be written, also when given twice or nested", async ({ box }) => {
    const report = await box.probe(
      [
        ["creat", "/r", "/r/deep", "/w"],
        ["openrw", "/proc/sys/kernel/hostname", "/r/file"],
      ],
      {
        rootfs: (path) => {
          for (const name of ["r/deep", "w"]) mkdirSync(join(path, name), { recursive: true });
          writeFileSync(join(path, "r/file"), "");
        },
        config: (config) => {
          config.linux.readonlyPaths?.push("/r", "/r/deep", "/r", "/r/file", "/missing");
        },
      },
    );
    expect(report.creat).toEqual({ "/r": "EROFS", "/r/deep": "EROFS", "/w": "ok" });
    expect(report.openrw).toEqual({ "/proc/sys/kernel/hostname": "EROFS", "/r/file": "EROFS" });
  });

  test("five hundred masks", async ({ box }) => {
    const report = await box.probe([["read", "/many/0", "/many/499"]], {
      rootfs: (path) => {
        mkdirSync(join(path, "many"));
        for (let i = 0; i < 500; i++) writeFileSync(join(path, `many/${i}`), "secret");
      },
      config: (config) => {
        config.linux.maskedPaths = Array.from({ length: 500 }, (_, i) => `/many/${i}`);
      },
    });
    expect(report.read).toEqual({ "/many/0": { text: "" }, "/many/499": { text: "" } });
  });

  // ---- V04: /proc and /sys have to be plain directories ----

  const plain: [string, (path: string) => void, boolean][] = [
    ["missing", (path) => rmdirSync(path), true],
    ["of mode 000", (path) => chmodSync(path, 0), true],
    [
      "a relative link",
      (path) => {
        rmdirSync(path);
        mkdirSync(join(path, "../bad"));
        symlinkSync("bad", path);
      },
      false,
    ],
    [
      "an absolute link",
      (path) => {
        rmdirSync(path);
        mkdirSync(join(path, "../bad"));
        symlinkSync("/bad", path);
      },
      false,
    ],
    [
      "a link to ..",
      (path) => {
        rmdirSync(path);
        symlinkSync("..", path);
      },
      false,
    ],
    [
      "a file",
      (path) => {
        rmdirSync(path);
        writeFileSync(path, "");
      },
      false,
    ],
    [
      "a FIFO",
      (path) => {
        rmdirSync(path);
        execFileSync("mkfifo", [path]);
      },
      false,
    ],
  ];
  for (const name of ["proc", "sys"]) {
    for (const [what, change, works] of plain) {
      differs(name === "sys" && !works ? { crun: "follows links there" } : {})(
        `/${name} of the image is ${what} (V04)`,
        async ({ box }) => {
          const bundle = box.bundle(["/bin/true"], { rootfs: (path) => change(join(path, name)) });
          const args = ["run", "--bundle", bundle, box.newId()];
          if (works) await box.ok(args);
          else await box.fails(args);
          expect(box.leftovers()).toEqual([]);
        },
      );
    }
  }

  // ---- V06, V07: destinations stay inside, wherever links point ----

  const links: [string, string, (path: string, outside: string) => void, string | undefined][] = [
    ["dots", "/../../out", () => undefined, "/out"],
    ["a link upwards", "/up/out", (path) => symlinkSync("../../..", join(path, "up")), "/out"],
    [
      "an absolute link",
      "/abs",
      (path) => {
        mkdirSync(join(path, "real"));
        symlinkSync("/real", join(path, "abs"));
      },
      "/real",
    ],
    [
      "an absolute link to a directory of the host",
      "/esc/in",
      (path, outside) => symlinkSync(outside, join(path, "esc")),
      undefined,
    ],
    ["a dangling link", "/dangling", (path) => symlinkSync("/nowhere/deep", join(path, "dangling")), "/nowhere/deep"],
    [
      "a chain of links",
      "/l1/x",
      (path) => {
        symlinkSync("l2", join(path, "l1"));
        symlinkSync("/l3", join(path, "l2"));
        mkdirSync(join(path, "l3"));
      },
      "/l3/x",
    ],
  ];
  for (const [what, destination, prepare, lands] of links) {
    differs(what === "a dangling link" ? { crun: "refuses it" } : {})(
      `a destination through ${what} stays in the rootfs (V06)`,
      async ({ box }) => {
        const outside = victim(box);
        const report = await box.probe(["mounts"], {
          rootfs: (path) => prepare(path, outside.path),
          config: mounting(tmpfs(destination, "size=4k")),
        });
        const found = mountsOf(report).filter(
          ({ type, superOptions }) => type === "tmpfs" && superOptions.includes("size=4k"),
        );
        expect(found).toHaveLength(1);
        if (lands !== undefined) expect(found[0]?.at).toBe(lands);
        outside.check();
      },
    );
  }

  const refused: [string, (path: string) => MountConfig][] = [
    [
      "a link loop",
      (path) => {
        symlinkSync("loop", join(path, "loop"));
        return tmpfs("/loop/x");
      },
    ],
    ["a file as component", () => tmpfs("/etc/passwd/x")],
    ["a component of 256 bytes", () => tmpfs(`/${"a".repeat(256)}`)],
    [
      "a directory on a file",
      (path) => {
        writeFileSync(join(path, "f"), "");
        return bind("/tmp", "/f");
      },
    ],
    ["a file on a directory", () => bind("/etc/passwd", "/etc")],
    ["a missing source", () => bind("/no/such/source", "/x")],
    ["an unknown file system", () => ({ destination: "/x", type: "nosuchfs", source: "none" })],
    ["an unknown tmpfs option", () => tmpfs("/x", "nosuchoption=1")],
  ];
  for (const [what, prepare] of refused) {
    test(`${what} is refused, and nothing is left`, async ({ box }) => {
      const holder: { mount?: MountConfig } = {};
      const bundle = box.bundle(["/bin/true"], {
        rootfs: (path) => {
          holder.mount = prepare(path);
        },
        config: (config) => {
          if (holder.mount !== undefined) config.mounts.push(holder.mount);
        },
      });
      const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
      if (runtime.ours) expect(stderr).toContain("/mounts/7");
      expect(box.leftovers()).toEqual([]);
    });
  }

  test("a destination below a missing directory is made, with mode 755", async ({ box }) => {
    const report = await box.probe([["stat", "/n", "/n/e", "/n/f"]], {
      config: mounting(tmpfs("/n/e/w", "size=4k"), bind("/etc/hostname", "/n/f")),
    });
    expect(report.stat["/n"]).toMatchObject({ type: "directory", mode: 0o755, uid: 0 });
    expect(report.stat["/n/e"]).toMatchObject({ type: "directory", mode: 0o755 });
    expect(report.stat["/n/f"]).toMatchObject({ type: "file" });
  });

  // ---- V05: mounts over /proc that would catch the runtime's own writes ----

  for (const destination of ["/proc/self", "/proc/self/attr", "/proc/sys/net", "/lnk/attr"]) {
    differs({ crun: "allows it", ...(destination === "/proc/self" ? {} : { runc: "1.1 allows it" }) })(
      `a tmpfs on ${destination} is refused (V05)`,
      async ({ box }) => {
        const options: BundleOptions = {
          rootfs: (path) => symlinkSync("/proc/self", join(path, "lnk")),
          config: mounting(tmpfs(destination)),
        };
        await box.fails(["create", "--bundle", box.bundle(["/bin/true"], options), box.newId()]);
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  test("a bind on /proc/cpuinfo is allowed (V05)", async ({ box }) => {
    writeFileSync(box.path("cpuinfo"), "fake");
    const report = await box.probe([["read", "/proc/cpuinfo"]], {
      config: mounting(bind(box.path("cpuinfo"), "/proc/cpuinfo")),
    });
    expect(report.read["/proc/cpuinfo"]?.text).toBe("fake");
  });

  test("--no-pivot gives the same container", async ({ box }) => {
    const bundle = box.bundle(["/probe", "mounts", ",", "ls", "/"]);
    const result = await box.ok(["run", "--no-pivot", "--bundle", bundle, box.newId()]);
    expect(JSON.parse(result.stdout).ls["/"]).toEqual(expect.arrayContaining(["probe", "bin"]));
  });

  test("no mount shows on the host while the container runs", async ({ box }) => {
    const container = await box.start(["/bin/sleep", "100"], { config: mounting(tmpfs("/m", "size=4k")) });
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(box.tag);
    await container.delete("--force");
  });
});
