/** The rarer fields of mounts[]: idmapped mounts, recursive attributes, tmpcopyup, links, long options, fallbacks. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box, BundleOptions } from "../harness/box.ts";
import { run } from "../harness/command.ts";
import type { Config, MountConfig } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import {
  type Mount,
  parseMounts,
  parseReport,
  probeArgs,
  type Question,
  type Report,
  type Stat,
} from "../harness/probe.ts";

type Mapping = { containerID: number; hostID: number; size: number };
type MappedMount = MountConfig & { uidMappings?: Mapping[]; gidMappings?: Mapping[] };

const mounting =
  (...mounts: MappedMount[]) =>
  (config: Config): void => {
    config.mounts.push(...mounts);
  };

const bind = (source: string, destination: string, ...options: string[]): MappedMount => ({
  destination,
  type: "bind",
  source,
  options: ["bind", ...options],
});

const both = (containerID: number, hostID: number, size: number): Pick<MappedMount, "uidMappings" | "gidMappings"> => ({
  uidMappings: [{ containerID, hostID, size }],
  gidMappings: [{ containerID, hostID, size }],
});

const inUserNamespace = (config: Config): void => {
  config.linux.namespaces.push({ type: "user" });
  config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
};

/** Options for a container with a user namespace, whose root owns the directories of its rootfs. */
const inUserNamespaceWith = (change: (config: Config) => void): BundleOptions => ({
  rootfs: (path) => execFileSync("find", [path, "-type", "d", "-exec", "chown", "100000:100000", "{}", "+"]),
  config: (config) => {
    inUserNamespace(config);
    change(config);
  },
});

function mountAt(report: Report, path: string): Mount | undefined {
  return parseMounts(report.mounts.text ?? "").findLast(({ at }) => at === path);
}

/** A host directory with files of several owners. */
function owners(box: Box): string {
  const path = box.path("owners");
  mkdirSync(path);
  for (const uid of [0, 1, 7]) {
    writeFileSync(join(path, String(uid)), "");
    chownSync(join(path, String(uid)), uid, uid);
  }
  return path;
}

const ownersOf = (report: Report, at: string): unknown =>
  [0, 1, 7].map((uid) => {
    const stat = report.stat[`${at}/${uid}`] as Stat;
    return [stat.uid, stat.gid];
  });

const askOwners = (at: string): Question => ["stat", ...[0, 1, 7].map((uid) => `${at}/${uid}`)];

/** Asks the probe in a container whose runtime runs in a mount namespace that a shell script has prepared. */
async function withHostMounts(
  box: Box,
  script: string,
  questions: readonly Question[],
  options: BundleOptions,
): Promise<Report> {
  return parseReport(await runWithHostMounts(box, script, probeArgs(...questions), options));
}

/** The same with any program; its standard output. */
async function runWithHostMounts(
  box: Box,
  script: string,
  args: readonly string[],
  options: BundleOptions,
): Promise<string> {
  const bundle = box.bundle(args, options);
  const shell = `set -e; ${script}; exec "$@"`;
  const argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", shell, "sh"];
  const result = await run([...argv, ...box.argv("run", "--bundle", bundle, box.newId())], {
    cwd: box.directory,
    env: box.environment,
  });
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
}

describeRuntimes("fields: mounts", ({ test }) => {
  // ---- idmapped ----

  test("a mount's own mappings change who owns its files, and only there", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe([["stat", "/m/0", "/m/1", "/m/7", "/plain/1"]], {
      config: mounting({ ...bind(source, "/m", "idmap"), ...both(0, 1000, 5) }, bind(source, "/plain")),
    });
    expect(ownersOf(report, "/m")).toEqual([
      [1000, 1000],
      [1001, 1001],
      [65534, 65534], // not in the mapping
    ]);
    expect(report.stat["/plain/1"]).toMatchObject({ uid: 1, gid: 1 });
  });

  test("mappings alone, without the word idmap, do the same", async ({ box }) => {
    const report = await box.probe([askOwners("/m")], {
      config: mounting({ ...bind(owners(box), "/m", "ro"), ...both(0, 2000, 10) }),
    });
    expect(ownersOf(report, "/m")).toEqual([
      [2000, 2000],
      [2001, 2001],
      [2007, 2007],
    ]);
  });

  test("idmap without mappings is the container's: its root owns what root owns", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe(
      [askOwners("/m"), ["stat", "/m/7", "/plain/0"], ["creat", "/m", "/plain"]],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind(source, "/m", "idmap"), bind(source, "/plain"));
      }),
    );
    expect(report.stat["/m/7"]).toMatchObject({ uid: 7, gid: 7 });
    expect(report.stat["/plain/0"]).toMatchObject({ uid: 65534, gid: 65534 });
    expect(report.creat).toEqual({ "/m": "ok", "/plain": "EACCES" });
  });

  test("a mount's own mappings inside a user namespace", async ({ box }) => {
    const report = await box.probe(
      [askOwners("/m")],
      inUserNamespaceWith((config) => {
        config.mounts.push({ ...bind(owners(box), "/m", "idmap"), ...both(0, 100500, 10) });
      }),
    );
    expect(ownersOf(report, "/m")).toEqual([
      [500, 500],
      [501, 501],
      [507, 507],
    ]);
  });

  test("an option with mappings does the same, also relative to the container's", async ({ box }) => {
    const source = owners(box);
    const plain = await box.probe([askOwners("/m")], {
      config: mounting(bind(source, "/m", "idmap=uids=0-1000-2#7-70-1;gids=0-500-10")),
    });
    expect(ownersOf(plain, "/m")).toEqual([
      [1000, 500],
      [1001, 501],
      [70, 507],
    ]);
    const relative = await box.probe(
      [askOwners("/m")],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind(source, "/m", "idmap=uids=@0-0-2#@7-33-1;gids=@0-5-10"));
      }),
    );
    expect(ownersOf(relative, "/m")).toEqual([
      [0, 5],
      [1, 6],
      [33, 12],
    ]);
  });

  for (const [word, inner] of [
    ["idmap", 1],
    ["ridmap", 1001],
    ["ridmap=uids=0-1000-10;gids=0-1000-10", 1001],
  ] as const) {
    test(`${word} of a tree: the mount below it ${inner === 1 ? "keeps its owners" : "is mapped, too"}`, async ({
      box,
    }) => {
      const source = owners(box);
      const script = `mkdir ${source}/in; mount -t tmpfs tmpfs ${source}/in; touch ${source}/in/1; chown 1:1 ${source}/in/1`;
      const report = await withHostMounts(box, script, [["stat", "/m/1", "/m/in/1"]], {
        config: mounting({
          destination: "/m",
          source,
          options: ["rbind", word],
          ...(word.includes("=") ? {} : both(0, 1000, 10)),
        }),
      });
      expect(report.stat["/m/1"]).toMatchObject({ uid: 1001, gid: 1001 });
      expect(report.stat["/m/in/1"]).toMatchObject({ uid: inner, gid: inner });
    });
  }

  test("a file system that can't be idmapped is named", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: mounting({ ...bind("/proc", "/m", "idmap"), ...both(0, 1, 1) }),
    });
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toContain('/mounts/7: idmapped bind mount of "/proc"');
    expect(box.leftovers()).toEqual([]);
  });

  test("twenty idmapped mounts, two mappings", async ({ box }) => {
    const source = owners(box);
    const mounts = Array.from({ length: 20 }, (_, i) => ({
      ...bind(source, `/m${i}`, "idmap"),
      ...both(0, 1000 * (1 + (i % 2)), 10),
    }));
    const report = await box.probe([["stat", ...mounts.map((_, i) => `/m${i}/1`)]], { config: mounting(...mounts) });
    expect(mounts.map((_, i) => (report.stat[`/m${i}/1`] as Stat).uid)).toEqual(
      mounts.map((_, i) => (i % 2 ? 2001 : 1001)),
    );
  });

  // ---- attributes ----

  test("recursive attributes reach the mounts below, plain ones don't", async ({ box }) => {
    const source = owners(box);
    const script = `mkdir ${source}/in; mount -t tmpfs tmpfs ${source}/in`;
    const questions: Question[] = ["mounts", ["creat", "/plain", "/plain/in", "/deep", "/deep/in"]];
    const report = await withHostMounts(box, script, questions, {
      config: mounting(
        { destination: "/plain", source, options: ["rbind", "ro"] },
        {
          destination: "/deep",
          source,
          options: ["rbind", "rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnosymfollow"],
        },
      ),
    });
    expect(report.creat).toEqual({ "/plain": "EROFS", "/plain/in": "ok", "/deep": "EROFS", "/deep/in": "EROFS" });
    const flags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"];
    expect(mountAt(report, "/deep/in")?.options).toEqual(expect.arrayContaining(flags));
  });

  test("recursive attributes can be taken back: rrw, rsuid, rexec, rdev", async ({ box }) => {
    const source = owners(box);
    const script = `mkdir ${source}/in; mount -t tmpfs -o ro,nosuid,nodev,noexec tmpfs ${source}/in`;
    const report = await withHostMounts(box, script, ["mounts"], {
      config: mounting({ destination: "/m", source, options: ["rbind", "rrw", "rsuid", "rdev", "rexec"] }),
    });
    for (const flag of ["ro", "nosuid", "nodev", "noexec"])
      expect(mountAt(report, "/m/in")?.options, flag).not.toContain(flag);
  });

  test("recursive attributes on a bound file", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe([["openrw", "/f"]], { config: mounting(bind(join(source, "0"), "/f", "rro")) });
    expect(report.openrw).toEqual({ "/f": "EROFS" });
  });

  const atimes: [string[], string[], string[]][] = [
    [["noatime"], ["noatime"], ["relatime"]],
    [["noatime", "relatime"], ["relatime"], ["noatime"]],
    [["relatime", "noatime"], ["noatime"], ["relatime"]],
    [["noatime", "atime"], ["relatime"], ["noatime"]],
    [["strictatime"], [], ["noatime", "relatime"]],
    [["strictatime", "nostrictatime"], ["relatime"], ["noatime"]],
    [["norelatime"], ["relatime"], ["noatime"]],
    [["noatime", "nodiratime"], ["noatime", "nodiratime"], []],
    [["nodiratime", "diratime"], ["relatime"], ["nodiratime"]],
    [["nosymfollow"], ["nosymfollow"], []],
    [["nosymfollow", "symfollow"], [], ["nosymfollow"]],
  ];
  for (const [options, has, hasNot] of atimes) {
    test(`bind with ${options.join(",")}`, async ({ box }) => {
      const report = await box.probe(["mounts"], { config: mounting(bind(owners(box), "/m", ...options)) });
      const found = mountAt(report, "/m")?.options;
      expect(found).toEqual(expect.arrayContaining(has));
      for (const word of hasNot) expect(found).not.toContain(word);
    });
  }

  test("options of the file system: sync, dirsync, lazytime", async ({ box }) => {
    const report = await box.probe(["mounts"], {
      config: mounting({ destination: "/m", type: "tmpfs", source: "tmpfs", options: ["sync", "dirsync", "lazytime"] }),
    });
    expect(mountAt(report, "/m")?.superOptions).toEqual(expect.arrayContaining(["sync", "dirsync", "lazytime"]));
  });

  test("remount of an earlier mount", async ({ box }) => {
    const report = await box.probe(["mounts", ["creat", "/m"]], {
      config: mounting(bind(owners(box), "/m"), {
        destination: "/m",
        type: "none",
        source: "none",
        options: ["remount", "ro", "nosuid"],
      }),
    });
    expect(report.creat).toEqual({ "/m": "EROFS" });
    expect(mountAt(report, "/m")?.options).toContain("nosuid");
  });

  // ---- tmpcopyup ----

  test("tmpcopyup brings what the directory held, owners, modes and links included", async ({ box }) => {
    const report = await box.probe(
      [
        ["stat", "/d", "/d/file", "/d/sub", "/d/sub/deep", "/d/link"],
        ["read", "/d/sub/deep"],
        ["creat", "/d/sub"],
        "mounts",
      ],
      {
        rootfs: (path) => {
          mkdirSync(join(path, "d/sub"), { recursive: true });
          writeFileSync(join(path, "d/file"), "x");
          writeFileSync(join(path, "d/sub/deep"), "content");
          symlinkSync("sub/deep", join(path, "d/link"));
          chownSync(join(path, "d/file"), 5, 6);
          chmodSync(join(path, "d/file"), 0o4751);
          chmodSync(join(path, "d/sub"), 0o1700);
          chmodSync(join(path, "d"), 0o750);
        },
        config: mounting({ destination: "/d", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
      },
    );
    expect(mountAt(report, "/d")?.type).toBe("tmpfs");
    expect(report.stat["/d"]).toMatchObject({ mode: 0o750 });
    expect(report.stat["/d/file"]).toMatchObject({ uid: 5, gid: 6, mode: 0o4751 });
    expect(report.stat["/d/sub"]).toMatchObject({ type: "directory", mode: 0o1700 });
    expect(report.stat["/d/link"]).toMatchObject({ type: "link", target: "sub/deep" });
    expect(report.read["/d/sub/deep"]).toEqual({ text: "content" });
    expect(report.creat).toEqual({ "/d/sub": "ok" });
  });

  test("tmpcopyup and ro; and into a file system that is too small", async ({ box }) => {
    const image = (path: string): void => {
      mkdirSync(join(path, "d"));
      writeFileSync(join(path, "d/file"), "x".repeat(100_000));
    };
    const options = ["tmpcopyup", "ro"];
    const report = await box.probe(
      [
        ["creat", "/d"],
        ["stat", "/d/file"],
      ],
      {
        rootfs: image,
        config: mounting({ destination: "/d", type: "tmpfs", source: "tmpfs", options }),
      },
    );
    expect(report.creat).toEqual({ "/d": "EROFS" });
    expect(report.stat["/d/file"]).toMatchObject({ size: 100_000 });
    const bundle = box.bundle(["/bin/true"], {
      rootfs: image,
      config: mounting({ destination: "/d", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=8k"] }),
    });
    expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toMatch(
      /\/mounts\/7.*no space left on device/,
    );
  });

  // ---- links ----

  function link(box: Box, target: string): string {
    const path = box.path("link");
    symlinkSync(target, path);
    return path;
  }

  test("a bind follows a link; src-nofollow binds the link itself", async ({ box }) => {
    const path = link(box, owners(box));
    const report = await box.probe([["stat", "/followed", "/itself"]], {
      config: mounting(bind(path, "/followed"), bind(path, "/itself", "src-nofollow")),
    });
    expect(report.stat["/followed"]).toMatchObject({ type: "directory" });
    expect(report.stat["/itself"]).toMatchObject({ type: "link" });
  });

  test("src-nofollow in a user namespace", async ({ box }) => {
    const path = link(box, "/nowhere");
    const report = await box.probe(
      [["stat", "/itself"]],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind(path, "/itself", "src-nofollow"));
      }),
    );
    expect(report.stat["/itself"]).toMatchObject({ type: "link", target: "/nowhere" });
  });

  test("dest-nofollow covers the link, not what it points to", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe([["stat", "/link", "/real"], "mounts"], {
      rootfs: (path) => {
        writeFileSync(join(path, "real"), "real");
        symlinkSync("/real", join(path, "link"));
      },
      config: mounting(bind(join(source, "7"), "/link", "dest-nofollow")),
    });
    expect(report.stat["/link"]).toMatchObject({ type: "file", uid: 7 });
    expect(report.stat["/real"]).toMatchObject({ size: 4, uid: 0 });
  });

  test("copy-symlink makes the same link; of anything else it is a bind", async ({ box }) => {
    const path = link(box, "/somewhere/else");
    const source = owners(box);
    const report = await box.probe([["stat", "/deep/er/copy", "/dir/7"], "mounts"], {
      config: mounting(bind(path, "/deep/er/copy", "copy-symlink"), bind(source, "/dir", "copy-symlink")),
    });
    expect(report.stat["/deep/er/copy"]).toMatchObject({ type: "link", target: "/somewhere/else" });
    expect(mountAt(report, "/deep/er/copy")).toBeUndefined();
    expect(report.stat["/dir/7"]).toMatchObject({ uid: 7 });
    expect(mountAt(report, "/dir")).toBeDefined();
  });

  const there: [string, (path: string) => void, boolean][] = [
    ["the same link", (path) => symlinkSync("/somewhere/else", path), true],
    ["another link", (path) => symlinkSync("/other", path), false],
    ["a file", (path) => writeFileSync(path, ""), false],
    ["a directory", (path) => mkdirSync(path), false],
  ];
  for (const [what, make, works] of there) {
    test(`copy-symlink where ${what} is already: ${works ? "fine" : "refused"}`, async ({ box }) => {
      const path = link(box, "/somewhere/else");
      const bundle = box.bundle(["/bin/true"], {
        rootfs: (rootfs) => make(join(rootfs, "copy")),
        config: mounting(bind(path, "/copy", "copy-symlink")),
      });
      const args = ["run", "--bundle", bundle, box.newId()];
      if (works) await box.ok(args);
      else expect(await box.fails(args)).toMatch(/\/mounts\/7.*file exists/);
    });
  }

  // ---- propagation ----

  for (const options of [
    ["rbind", "rshared"],
    ["bind", "shared"],
    ["bind", "rshared", "idmap=uids=0-0-9;gids=0-0-9"],
  ]) {
    test(`${options.join(",")} in a shared root: what is mounted inside is there on the host`, async ({ box }) => {
      const source = owners(box);
      const inside = "mkdir /m/in; mount -t tmpfs inner /m/in; mkdir /plain/other; mount -t tmpfs other /plain/other";
      const script = `mount -t tmpfs tmpfs ${source}; mount --make-shared ${source}`;
      const bundle = box.bundle(["/bin/sh", "-c", inside], {
        config: (config) => {
          config.linux.rootfsPropagation = "rshared";
          for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_SYS_ADMIN");
          config.mounts.push({ ...bind(source, "/m"), options }, { ...bind(source, "/plain"), options: ["bind"] });
        },
      });
      const shell = `set -e; ${script}; "$@"; cat /proc/self/mountinfo`;
      const argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", shell, "sh"];
      const { code, stdout, stderr } = await run([...argv, ...box.argv("run", "--bundle", bundle, box.newId())], {
        cwd: box.directory,
        env: box.environment,
      });
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(" - tmpfs inner ");
      expect(stdout).not.toContain(" - tmpfs other ");
    });
  }

  // ---- user namespaces ----

  test("in a user namespace: a source that only root can reach", async ({ box }) => {
    const secret = box.path("secret");
    mkdirSync(join(secret, "in"), { recursive: true });
    writeFileSync(join(secret, "in/file"), "reached");
    chmodSync(secret, 0o700);
    const report = await box.probe(
      [["read", "/m/file"], "mounts"],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind(join(secret, "in"), "/m", "ro", "nosuid"));
      }),
    );
    expect(report.read["/m/file"]).toEqual({ text: "reached" });
    expect(mountAt(report, "/m")?.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
  });

  for (const [what, options] of [
    ["", []],
    [", idmapped", ["idmap"]],
    [", all below it", ["rbind"]],
  ] as const) {
    test(`in a user namespace: a bind${what} of what the host shares is its slave: nothing gets out`, async ({
      box,
    }) => {
      const source = owners(box);
      const script = `mount -t tmpfs tmpfs ${source}; mount --make-shared ${source}${
        options.includes("rbind" as never) ? `; mkdir ${source}/in; mount -t tmpfs tmpfs ${source}/in` : ""
      }`;
      const report = await withHostMounts(
        box,
        script,
        ["mounts"],
        inUserNamespaceWith((config) => {
          config.mounts.push(bind(source, "/m", ...options));
        }),
      );
      const bound = parseMounts(report.mounts.text ?? "").filter(({ at }) => at === "/m" || at === "/m/in");
      expect(bound.length).toBe(options.includes("rbind" as never) ? 2 : 1);
      for (const { propagation } of bound) expect(propagation).toEqual([expect.stringMatching(/^master:/)]);
    });
  }

  test("in a user namespace: its root can't undo what the host has read-only or hidden", async ({ box }) => {
    const source = owners(box);
    const script = `mkdir -p ${source}/in ${source}/ro; touch ${source}/in/secret
      mount -t tmpfs tmpfs ${source}/in; mount -t tmpfs -o ro tmpfs ${source}/ro`;
    const attempt = `umount /m/in && echo uncovered; ls /m/in; umount /mapped/in && echo uncovered
      mount -o remount,bind,rw /m/ro && touch /m/ro/x; mount -o remount,bind,rw /ro && touch /ro/x
      busybox grep -c " /m/in " /proc/self/mountinfo`;
    const options = inUserNamespaceWith((config) => {
      for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_SYS_ADMIN");
      config.mounts.push(
        bind(source, "/m", "rbind"),
        bind(source, "/mapped", "rbind", "idmap"),
        bind(join(source, "ro"), "/ro"),
      );
    });
    expect(await runWithHostMounts(box, script, ["/bin/busybox", "sh", "-c", attempt], options)).toBe("1\n");
    const plain = inUserNamespaceWith((config) => config.mounts.push(bind(source, "/m")));
    await expect(runWithHostMounts(box, script, ["/bin/true"], plain)).rejects.toThrow(/invalid argument.*rbind/s);
  });

  test("in a user namespace: a missing source is told with its place", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/true"],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind("/no/such/source", "/m"));
      }),
    );
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toMatch(/\/mounts\/6.*"\/no\/such\/source".*no such file or directory/);
  });

  test("in a user namespace: the flags that the source's mount has stay", async ({ box }) => {
    const source = owners(box);
    const script = `mkdir ${source}/in; mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime tmpfs ${source}/in`;
    const report = await withHostMounts(
      box,
      script,
      ["mounts"],
      inUserNamespaceWith((config) => {
        config.mounts.push(bind(join(source, "in"), "/m", "ro"), bind(join(source, "in"), "/n", "noexec"));
      }),
    );
    for (const at of ["/m", "/n"])
      expect(mountAt(report, at)?.options).toEqual(
        expect.arrayContaining(["ro", "nosuid", "nodev", "noexec", "noatime"]),
      );
  });

  // The runtime is in a user namespace itself: the flags of the mounts that it has been given are locked.
  const locked: [string[], string[], RegExp | undefined][] = [
    [[], ["ro", "nosuid", "nodev", "noatime"], undefined],
    [["ro", "noexec"], ["ro", "nosuid", "nodev", "noatime", "noexec"], undefined],
    [["exec"], ["ro", "nosuid"], undefined],
    [["rw"], [], /\/mounts\/6.*cannot clear locked flags/],
    [["dev"], [], /\/mounts\/6.*cannot clear locked flags/],
    [["relatime"], [], /\/mounts\/6.*cannot clear locked flags/],
  ];
  for (const [options, has, refused] of locked) {
    const result = refused === undefined ? "keeps what is locked" : "is refused";
    test(`below a user namespace a bind with ${options.join(",") || "no option"} ${result}`, async ({ box }) => {
      const source = box.path("locked");
      mkdirSync(source);
      const bundle = box.bundle(probeArgs("mounts"), {
        config: (config) => {
          config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
          for (const mount of config.mounts) mount.options = mount.options?.filter((word) => word !== "gid=5") ?? [];
          config.mounts.push(bind(source, "/m", ...options));
        },
      });
      const prepare = `mount -t tmpfs -o ro,nosuid,nodev,noatime tmpfs ${source}; exec unshare -Urm "$@"`;
      const command = box.argv("--cgroup-manager", "disabled", "run", "--bundle", bundle, box.newId());
      const argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", prepare, "sh", ...command];
      const { code, stdout, stderr } = await run(argv, { env: box.environment });
      if (refused !== undefined) {
        expect(code).toBe(1);
        expect(stderr).toMatch(refused);
        return;
      }
      expect(code, stderr).toBe(0);
      expect(mountAt(parseReport(stdout), "/m")?.options).toEqual(expect.arrayContaining(has));
    });
  }

  test("an owner that a user namespace doesn't have is told as such", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/true"],
      inUserNamespaceWith((config) => {
        config.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options: ["uid=70000"] });
      }),
    );
    const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
    expect(stderr).toMatch(/\/mounts\/6.*uid=70000.*not mapped in the user namespace/);
  });

  test("in a user namespace with the host's network and ipc: sysfs and mqueue are the host's, read-only", async ({
    box,
  }) => {
    const report = await box.probe(
      ["mounts", ["creat", "/sys"], ["ls", "/sys"]],
      inUserNamespaceWith((config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "network" && type !== "ipc");
        if (!existsSync("/dev/mqueue")) config.mounts = config.mounts.filter(({ type }) => type !== "mqueue");
      }),
    );
    expect(mountAt(report, "/sys")?.type).toBe("sysfs");
    expect(mountAt(report, "/sys")?.options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    expect(report.ls["/sys"]).toEqual(expect.arrayContaining(["kernel", "fs"]));
    if (existsSync("/dev/mqueue")) expect(mountAt(report, "/dev/mqueue")).toBeDefined();
  });

  test("in a user namespace with the host's pids: proc is the host's", async ({ box }) => {
    const report = await box.probe(
      ["mounts", ["read", "/proc/1/comm"]],
      inUserNamespaceWith((config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
        config.linux.maskedPaths = [];
        config.linux.readonlyPaths = [];
      }),
    );
    expect(mountAt(report, "/proc")?.type).toBe("proc");
    expect(report.read["/proc/1/comm"]?.text).toBe(execFileSync("cat", ["/proc/1/comm"], { encoding: "utf8" }));
  });

  // ---- options ----

  for (const [what, padding] of [
    ["a name", 20],
    ["a page", 90],
  ] as const) {
    test(`an option string longer than ${what}: an overlay of forty directories`, async ({ box }) => {
      const lower = Array.from({ length: 40 }, (_, i) => {
        const path = box.path(`layer-${String(i).padStart(padding, "0")}`);
        mkdirSync(path);
        writeFileSync(join(path, `file${i}`), "");
        return path;
      });
      const options = [`lowerdir=${lower.join(":")}`, "nosuid", "ro"];
      expect((options[0]?.length ?? 0) > 4096).toBe(what === "a page");
      const report = await box.probe([["ls", "/m"], ["creat", "/m"], "mounts"], {
        config: mounting({ destination: "/m", type: "overlay", source: "overlay", options }),
      });
      expect(report.ls["/m"]).toHaveLength(40);
      expect(report.creat).toEqual({ "/m": "EROFS" });
      const mount = mountAt(report, "/m");
      expect(mount?.options).toContain("nosuid");
      for (const flag of ["nodev", "noexec"]) expect(mount?.options).not.toContain(flag);
      expect(parseMounts(report.mounts.text ?? "").filter(({ at }) => at === "/m")).toHaveLength(1);
    });
  }

  test("a thousand mounts", async ({ box }) => {
    const source = owners(box);
    const mounts = Array.from({ length: 1000 }, (_, i) => bind(source, `/m/${i}`, "ro", "rprivate"));
    const report = await box.probe([["stat", "/m/0/7", "/m/999/7"]], { config: mounting(...mounts) });
    expect(report.stat["/m/999/7"]).toMatchObject({ uid: 7 });
  });

  test("new mounts inside earlier ones, which may be of any kind", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe(["mounts", ["stat", "/a/b/c/7"], ["creat", "/a", "/a/b"]], {
      config: mounting(
        { destination: "/a", type: "tmpfs", source: "tmpfs", options: ["ro", "mode=755"] },
        { destination: "/a/b", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
        bind(source, "/a/b/c", "ro"),
      ),
    });
    expect(report.stat["/a/b/c/7"]).toMatchObject({ uid: 7 });
    expect(report.creat).toEqual({ "/a": "EROFS", "/a/b": "ok" });
  });

  test("a new tmpfs with rro has room for mounts in it first, and is read-only then", async ({ box }) => {
    const report = await box.probe(
      [
        ["creat", "/a", "/a/b", "/c"],
        ["stat", "/a/b/7"],
      ],
      {
        config: mounting(
          { destination: "/a", type: "tmpfs", source: "tmpfs", options: ["rro", "mode=755"] },
          bind(owners(box), "/a/b"),
          { destination: "/c", type: "tmpfs", source: "tmpfs", options: ["ro", "rrw", "mode=755"] },
        ),
      },
    );
    expect(report.creat).toEqual({ "/a": "EROFS", "/a/b": "ok", "/c": "ok" });
    expect(report.stat["/a/b/7"]).toMatchObject({ uid: 7 });
  });

  test("a bind onto a file and one into a place that is missing", async ({ box }) => {
    const source = owners(box);
    const report = await box.probe([["stat", "/etc/passwd", "/x/y/z"]], {
      config: mounting(bind(join(source, "7"), "/etc/passwd"), bind(join(source, "1"), "/x/y/z")),
    });
    expect(report.stat).toMatchObject({ "/etc/passwd": { uid: 7 }, "/x/y/z": { uid: 1 } });
  });

  test("a cgroup mount in a cgroup namespace shows the container's own cgroup as the root", async ({ box }) => {
    const report = await box.probe(["mounts", ["read", "/proc/self/cgroup"], ["ls", "/sys/fs/cgroup"]], {
      config: (config) => {
        config.linux.namespaces.push({ type: "cgroup" });
      },
    });
    const paths = (report.read["/proc/self/cgroup"]?.text ?? "")
      .trim()
      .split("\n")
      .map((line) => line.split(":")[2]);
    expect(new Set(paths)).toEqual(new Set(["/"]));
    const hierarchies = parseMounts(report.mounts.text ?? "").filter(({ type }) => type.startsWith("cgroup"));
    expect(hierarchies.length).toBeGreaterThan(0);
    for (const { root, at } of hierarchies) expect(root, at).toBe("/");
  });
});
