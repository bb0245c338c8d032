/** mounts add and mounts remove: all or nothing, in a container whose programs may be hostile, and only there. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Box, BundleOptions, Container } from "../harness/box.ts";
import { eventually, type Result, run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";
import {
  type Mount,
  parseMounts,
  parseReport,
  probeArgs,
  type Question,
  type Report,
  type Stat,
} from "../harness/probe.ts";

const SLEEP = ["/bin/sleep", "1000"];

/** An entry of the document: right or wrong. */
type Entry = Record<string, unknown>;

const bind = (source: string, destination: string, ...options: string[]): Entry => ({
  destination,
  source,
  options: ["bind", ...options],
});
const tmpfs = (destination: string, ...options: string[]): Entry => ({ destination, type: "tmpfs", options });

/** Writes the document; the arguments of the command. */
function command(box: Box, action: string, id: string, entries: readonly Entry[]): string[] {
  const file = box.path(`${action}.json`);
  writeFileSync(file, JSON.stringify(entries));
  return ["mounts", action, id, file];
}

const add = (box: Box, { id }: Container, ...entries: Entry[]): Promise<Result> =>
  box.ok(command(box, "add", id, entries));
const refusesToAdd = (box: Box, { id }: Container, ...entries: Entry[]): Promise<string> =>
  box.fails(command(box, "add", id, entries));
const remove = (box: Box, { id }: Container, ...places: string[]): Promise<Result> =>
  box.ok(
    command(
      box,
      "remove",
      id,
      places.map((destination) => ({ destination })),
    ),
  );
const refusesToRemove = (box: Box, { id }: Container, ...places: string[]): Promise<string> =>
  box.fails(
    command(
      box,
      "remove",
      id,
      places.map((destination) => ({ destination })),
    ),
  );

/** Asks the probe in a container that runs. */
async function ask(box: Box, { id }: Container, ...questions: Question[]): Promise<Report> {
  return parseReport((await box.ok(["exec", id, ...probeArgs(...questions)])).stdout);
}

const mountsOf = ({ pid }: Container): Mount[] => parseMounts(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
const mountAt = (container: Container, path: string): Mount | undefined =>
  mountsOf(container).findLast(({ at }) => at === path);
const places = (container: Container): string[] => mountsOf(container).map(({ id, at }) => `${id} ${at}`);

/** Waits until no init joins the container any more: it has the container's mounts, but isn't a process of it. */
async function quiet({ pid }: Container): Promise<void> {
  const own = readlinkSync(`/proc/${pid}/ns/mnt`);
  const joined = (): boolean =>
    readdirSync("/proc").some((name) => {
      try {
        return (
          readFileSync(`/proc/${name}/comm`, "utf8") === "tsrunc:init\n" && readlinkSync(`/proc/${name}/ns/mnt`) === own
        );
      } catch {
        return false; // no process, or not any more
      }
    });
  await eventually("nobody mounts", () => (joined() ? undefined : true));
}

/** A directory of the host with a file in it. */
function source(box: Box): string {
  const path = box.path("source");
  mkdirSync(join(path, "sub"), { recursive: true });
  writeFileSync(join(path, "file"), "hello");
  return path;
}

const inUserNamespace: BundleOptions = {
  rootfs: (path) => {
    for (const entry of ["", ...readdirSync(path)]) chownSync(join(path, entry), 100000, 100000);
  },
  config: (config: Config) => {
    config.linux.namespaces.push({ type: "user" });
    config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    config.mounts = config.mounts.filter(({ type }) => type !== "cgroup");
  },
};

describeRuntimes("mounts of a running container", ({ differs, runtime }) => {
  const test = differs({ runc: "has no mounts command", crun: "1.8 has no mounts command" });

  // ---- adding and removing ----

  test("a bind, a file, a read-only bind and a tmpfs come and go", async ({ box }) => {
    const from = source(box);
    const container = await box.start(SLEEP);
    const before = places(container);
    const made = [
      bind(from, "/new/rw"),
      bind(from, "/new/ro", "ro", "nosuid"),
      bind(join(from, "file"), "/etc/file"),
      tmpfs("/scratch", "size=64k", "mode=700", "noexec"),
    ];
    await add(box, container, ...made);
    const report = await ask(
      box,
      container,
      ["read", "/new/ro/file", "/etc/file"],
      ["creat", "/new/rw/sub", "/new/ro/sub", "/scratch"],
      ["stat", "/scratch"],
    );
    expect(report.read).toEqual({ "/new/ro/file": { text: "hello" }, "/etc/file": { text: "hello" } });
    expect(report.creat).toEqual({ "/new/rw/sub": "ok", "/new/ro/sub": "EROFS", "/scratch": "ok" });
    expect((report.stat["/scratch"] as Stat).mode).toBe(0o700);
    expect(mountAt(container, "/new/ro")?.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
    expect(mountAt(container, "/scratch")).toMatchObject({ type: "tmpfs" });
    expect(mountAt(container, "/scratch")?.options).toContain("noexec");
    await remove(box, container, ...made.map(({ destination }) => destination as string));
    expect(places(container)).toEqual(before);
  });

  test("what is mounted into each other goes in the other direction", async ({ box }) => {
    const container = await box.start(SLEEP);
    await add(box, container, tmpfs("/outer"), tmpfs("/outer/inner"), bind(source(box), "/outer/inner/deep"));
    expect((await ask(box, container, ["read", "/outer/inner/deep/file"])).read).toEqual({
      "/outer/inner/deep/file": { text: "hello" },
    });
    await remove(box, container, "/outer", "/outer/inner", "/outer/inner/deep");
    expect(mountAt(container, "/outer")).toBeUndefined();
  });

  test("a read-only tmpfs is read-only from the beginning; a source may be relative to the bundle", async ({ box }) => {
    const container = await box.start(SLEEP);
    await add(box, container, tmpfs("/closed", "ro"), bind("rootfs/etc", "/copy"));
    const report = await ask(box, container, ["creat", "/closed", "/copy"]);
    expect(report.creat).toEqual({ "/closed": "EROFS", "/copy": "ok" });
  });

  test("a container that is created, and one that is paused, get them too", async ({ box }) => {
    const container = await box.create(["/bin/sh", "-c", "cat /a/file; exec sleep 1000"]);
    const from = source(box);
    await add(box, container, bind(from, "/a"));
    await container.start();
    await box.ok(["pause", container.id]);
    await add(box, container, bind(from, "/b"));
    expect(mountAt(container, "/b")).toBeDefined();
    await remove(box, container, "/b");
    expect(mountAt(container, "/b")).toBeUndefined();
    await box.ok(["resume", container.id]);
    expect((await ask(box, container, ["read", "/a/file"])).read).toEqual({ "/a/file": { text: "hello" } });
    expect(container.output.stdout).toBe("hello");
  });

  test("in a user namespace: a tmpfs is its root's, a bind's source needs not be within its reach", async ({ box }) => {
    const secret = box.path("secret");
    mkdirSync(join(secret, "inner"), { recursive: true, mode: 0o700 });
    const container = await box.start(SLEEP, inUserNamespace);
    await add(
      box,
      container,
      tmpfs("/t"),
      bind(join(secret, "inner"), "/i"),
      bind(join(secret, "inner"), "/m", "idmap"),
    );
    const report = await ask(box, container, ["creat", "/t", "/i", "/m"], ["stat", "/t", "/i", "/m"]);
    expect((report.stat["/t"] as Stat).uid).toBe(0);
    expect((report.stat["/i"] as Stat).uid).toBe(65534);
    expect((report.stat["/m"] as Stat).uid).toBe(0);
    expect(report.creat).toEqual({ "/t": "ok", "/i": "EACCES", "/m": "ok" });
    await remove(box, container, "/t", "/i", "/m");
    expect(mountAt(container, "/i")).toBeUndefined();
  });

  test("a bind of what the host shares is its slave: what the container mounts there stays in it", async ({ box }) => {
    const from = box.path("shared");
    mkdirSync(from);
    const container = await box.start(SLEEP);
    const argv = command(box, "add", container.id, [bind(from, "/a"), { ...bind(from, "/b"), options: ["rbind"] }]);
    const script = `set -e; mount -t tmpfs tmpfs ${from}; mkdir ${from}/in; mount -t tmpfs tmpfs ${from}/in
      mount --make-rshared ${from}; "$@"; cat /proc/${container.pid}/mountinfo`;
    const shell = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"];
    const result = await run([...shell, ...box.argv(...argv)], { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
    const added = parseMounts(result.stdout).filter(({ at }) => /^\/[ab]/.test(at));
    expect(added.map(({ at }) => at)).toEqual(["/a", "/b", "/b/in"]);
    for (const { propagation } of added) expect(propagation).toEqual([expect.stringMatching(/^master:/)]);
  });

  test("in a user namespace: its root can't undo what the host has read-only or hidden", async ({ box }) => {
    const from = source(box);
    const container = await box.start(SLEEP, {
      ...inUserNamespace,
      config: (config: Config) => {
        inUserNamespace.config?.(config);
        for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_SYS_ADMIN");
      },
    });
    const argv = command(box, "add", container.id, [
      { ...bind(from, "/m"), options: ["rbind"] },
      { ...bind(from, "/mapped"), options: ["rbind", "idmap"] },
    ]);
    const script = 'set -e; mount -t tmpfs tmpfs $0/sub; mount -o remount,bind,ro $0/sub; exec "$@"';
    const shell = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, from];
    const result = await run([...shell, ...box.argv(...argv)], { env: box.environment });
    expect(result.code, result.stderr).toBe(0);
    const attempt =
      "for m in /m/sub /mapped/sub; do umount $m && echo uncovered; mount -o remount,bind,rw $m && touch $m/x; done; true";
    const { stderr } = await box.ok(["exec", container.id, "/bin/sh", "-c", attempt]);
    expect(stderr.match(/Invalid argument/g)).toHaveLength(2);
    expect(stderr.match(/permission denied/g)).toHaveLength(2);
  });

  // ---- all or nothing ----

  test("when the second fails the first is taken back", async ({ box }) => {
    const from = source(box);
    const container = await box.start(SLEEP);
    const before = places(container);
    for (const [second, says] of [
      [bind(box.path("nowhere"), "/b"), '/1: bind mount "'],
      [tmpfs("/b", "size=many"), "size=many"],
      [bind(from, "/probe/below"), "/1: bind mount"],
      [bind(join(from, "file"), "/tmp"), '"/tmp" is a directory'],
    ] as const) {
      const stderr = await refusesToAdd(box, container, bind(from, "/a"), second);
      expect(stderr).toContain(says);
      expect(places(container), stderr).toEqual(before);
    }
  });

  test("nothing is removed when one of them isn't there", async ({ box }) => {
    const container = await box.start(SLEEP);
    await add(box, container, tmpfs("/a"), tmpfs("/b"));
    const before = places(container);
    expect(await refusesToRemove(box, container, "/a", "/etc", "/b")).toContain(
      '/1/destination: remove the mount on "/etc": umount2: "/etc" is no mount point',
    );
    expect(await refusesToRemove(box, container, "/a", "/nowhere")).toContain("/1/destination");
    expect(places(container)).toEqual(before);
  });

  differs({
    runc: "has no mounts command",
    crun: "1.8 has no mounts command",
    node: "thousands of calls before it begins",
  })(
    "killed at each of its system calls: both mounts are there, or none",
    async ({ box }) => {
      const container = await box.start(SLEEP);
      const before = places(container).length;
      const argv = box.argv(...command(box, "add", container.id, [bind(source(box), "/a"), tmpfs("/b")]));
      const killed = (at: number): Promise<Result> =>
        run([compile("test/harness/killat.c"), String(at), ...argv], { cwd: box.directory, env: box.environment });
      const calls = Number(/calls (\d+)/.exec((await killed(0)).stderr)?.[1]);
      expect(calls).toBeGreaterThan(20);
      await remove(box, container, "/a", "/b");
      const seen = new Set<number>();
      for (let at = 1; at <= calls; at++) {
        await killed(at);
        // a lock is what the kernel gives back when the runtime is dead; init takes a moment longer
        await quiet(container);
        const more = places(container).length - before;
        expect([0, 2], `killed at call ${at} of ${calls}`).toContain(more);
        seen.add(more);
        if (more === 2) await remove(box, container, "/a", "/b");
      }
      expect(seen).toEqual(new Set([0, 2]));
    },
    120_000,
  );

  // ---- a hostile container ----

  test("a link in the destination leads nowhere but into the container", async ({ box }) => {
    const victim = source(box);
    const container = await box.start(SLEEP, {
      rootfs: (path) => {
        symlinkSync(victim, join(path, "absolute"));
        symlinkSync(`../../../../../../../../..${victim}`, join(path, "upwards"));
        symlinkSync("/proc/1/root", join(path, "magic"));
      },
    });
    const picture = (): string[] => readdirSync(victim, { recursive: true }).map(String).sort();
    const before = picture();
    await add(box, container, tmpfs("/absolute/x"), tmpfs("/upwards/y"));
    expect(picture()).toEqual(before);
    expect(mountAt(container, `${victim}/x`)?.type).toBe("tmpfs");
    expect(mountAt(container, `${victim}/y`)?.type).toBe("tmpfs");
    expect(await refusesToAdd(box, container, tmpfs("/magic/z"))).toMatch(/too many levels of symbolic links/);
  });

  test("nothing is mounted on / or inside /proc, by whatever way", async ({ box }) => {
    const container = await box.start(SLEEP, {
      rootfs: (path) => {
        symlinkSync("/", join(path, "slash"));
        symlinkSync("/proc/sys", join(path, "settings"));
      },
    });
    const before = places(container);
    for (const destination of ["/", "/slash", "/proc", "/proc/self/attr", "/settings", "/settings/kernel"]) {
      expect(await refusesToAdd(box, container, tmpfs(destination)), destination).toMatch(/\/0/);
    }
    expect(places(container)).toEqual(before);
  });

  test("the container can't have a mask removed in the place of a mount", async ({ box }) => {
    const container = await box.start(SLEEP);
    await add(box, container, tmpfs("/data/keys"));
    await box.ok(["exec", container.id, "/bin/sh", "-c", "mv /data /moved; ln -s /proc /data"]);
    const before = places(container);
    expect(before.some((place) => place.endsWith(" /proc/keys"))).toBe(true);
    expect(await refusesToRemove(box, container, "/data/keys")).toContain("is a link");
    expect(await refusesToRemove(box, container, "/data/../moved/keys", "/")).toContain("/1/destination");
    expect(places(container)).toEqual(before);
    await remove(box, container, "/moved/keys");
  });

  test("a program that swaps directory and link meanwhile gets nothing of the host", async ({ box }) => {
    const victim = source(box);
    const swap = `while :; do mkdir /d 2>/dev/null; rmdir /d; ln -s ${victim} /d; rm /d; done`;
    const container = await box.start(["/bin/sh", "-c", swap]);
    const rounds = runtime.name === "node" ? 5 : 40;
    for (let round = 0; round < rounds; round++) {
      const result = await box.call(command(box, "add", container.id, [tmpfs("/d/x")]));
      expect(readdirSync(victim).sort()).toEqual(["file", "sub"]);
      if (result.code !== 0) expect(result.stderr).toContain("/0: mount tmpfs");
    }
  });

  test("nobody in the container sees who mounts, and nothing of it stays", async ({ box }) => {
    const watch =
      "while :; do for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null; done | grep -m1 tsrunc > /tmp/seen";
    const container = await box.start(["/bin/sh", "-c", watch]);
    for (let round = 0; round < 10; round++) {
      await add(box, container, tmpfs("/x"), bind(source(box), "/y"));
      await remove(box, container, "/x", "/y");
    }
    expect(readFileSync(join(container.bundle, "rootfs/tmp/seen"), "utf8")).toBe("");
    expect(box.leftovers().filter((line) => line.includes("tsrunc:init"))).toEqual([]);
  });

  // ---- what is refused ----

  test("a container that has stopped, one that isn't there", async ({ box }) => {
    const container = await box.start(["/bin/true"]);
    await container.until("stopped");
    expect(await refusesToAdd(box, container, tmpfs("/a"))).toContain("container not running");
    expect(await refusesToRemove(box, container, "/a")).toContain("container not running");
    expect(await box.fails(command(box, "add", "nobody", []))).toContain("does not exist");
  });

  test("what is wrong with the document is told with its place", async ({ box }) => {
    const container = await box.start(SLEEP);
    const before = places(container);
    for (const [entry, says] of [
      [{ source: "/" }, "/0/destination: is missing"],
      [{ destination: "/a", options: ["bind"] }, "/0/source: must be given for a bind mount"],
      [{ destination: "/a", type: "ext4", source: "/dev/vda" }, '/0/type: is "ext4"'],
      [{ destination: "/a", type: "proc" }, '/0/type: is "proc"'],
      [{ destination: "/a", type: "overlay", options: ["lowerdir=/etc"] }, '/0/type: is "overlay"'],
      [{ destination: "/a" }, "/0/type: must be given"],
      [tmpfs("/a", "tmpcopyup"), '/0/options/0: is "tmpcopyup"'],
      [tmpfs("/a", "remount"), '/0/options/0: is "remount"'],
      [tmpfs("/a", `size=${"1".repeat(300)}`), "/0/options/0: has a value of more than 255 bytes"],
      [bind("/etc", "/a", "size=1"), "filesystem-specific options"],
    ] as const) {
      expect(await refusesToAdd(box, container, entry as Entry)).toContain(
        `invalid mounts file: ${says}`.slice(-says.length),
      );
    }
    expect(await refusesToRemove(box, container, "/a", "/a/")).toContain("/1/destination: is that of /0, too");
    writeFileSync(box.path("add.json"), '{"mounts": []}');
    expect(await box.fails(["mounts", "add", container.id, box.path("add.json")])).toContain("must be an array");
    expect(await box.fails(["mounts", "list", container.id, box.path("add.json")])).toContain("use add or remove");
    expect(existsSync(join(container.bundle, "rootfs/a"))).toBe(false);
    expect(places(container)).toEqual(before);
  });
});
