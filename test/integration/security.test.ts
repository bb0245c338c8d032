/** Holes that runtimes had, which aren't about one config field: the runtime's own file, and files of the image (V01, V22). */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { describeRuntimes } from "../harness/describe.ts";

const hash = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

describeRuntimes("security", ({ test, differs, runtime }) => {
  const program = runtime.argv.at(-1) ?? "";

  // ---- V01: the runtime's own file ----

  test("a program that is a script of /proc/self/exe fails cleanly (V01)", async ({ box }) => {
    const before = hash(program);
    const bundle = box.bundle(["/e"], {
      rootfs: (path) => writeFileSync(join(path, "e"), "#!/proc/self/exe\n", { mode: 0o755 }),
    });
    const result = await box.call(["run", "--bundle", bundle, box.newId()]);
    expect(result.code).not.toBe(0);
    expect(result.code).toBeLessThan(256);
    expect(hash(program)).toBe(before);
    expect(box.leftovers()).toEqual([]);
  });

  test("a program that is a link to /proc/self/exe fails cleanly (V01)", async ({ box }) => {
    const bundle = box.bundle(["/e", "--version"], {
      rootfs: (path) => symlinkSync("/proc/self/exe", join(path, "e")),
    });
    const result = await box.call(["run", "--bundle", bundle, box.newId()]);
    if (runtime.ours) expect(result.code).not.toBe(0);
    expect(result.stdout).not.toContain("tsrunc version");
    expect(box.leftovers()).toEqual([]);
  });

  test("the waiting init isn't the runtime's file, and can't be written (V01)", async ({ box }) => {
    const script =
      "readlink /proc/1/exe > /tmp/exe; (echo x > /proc/1/exe) 2>/tmp/write || true; dd if=/dev/zero of=/proc/1/exe bs=1 count=1 2>/tmp/dd && echo written > /tmp/written; true";
    const container = await box.start(["/bin/sleep", "1000"], {
      config: (config) => {
        config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin"] }] };
      },
    });
    const inside = join(container.bundle, "rootfs/tmp");
    expect(readFileSync(join(inside, "exe"), "utf8")).not.toContain(program);
    expect(existsSync(join(inside, "written"))).toBe(false);
  });

  test("the created container's exe is a memfd, sealed (V01)", async ({ box }) => {
    if (!runtime.ours) return;
    const container = await box.create(["/bin/sleep", "1000"]);
    const exe = execFileSync("readlink", [`/proc/${container.pid}/exe`], { encoding: "utf8" });
    expect(exe).toMatch(/memfd:|deleted/);
    for (const action of [
      () => openSync(`/proc/${container.pid}/exe`, "r+"),
      () => openSync(`/proc/${container.pid}/exe`, "w"),
    ])
      expect(action).toThrow(/ETXTBSY|EPERM|EACCES/);
  });

  test("the waiting init holds nothing of the host but its fifos (V02)", async ({ box }) => {
    if (!runtime.ours) return;
    const container = await box.create(["/bin/sleep", "1000"]);
    const links = execFileSync("sh", ["-c", `for f in /proc/${container.pid}/fd/*; do readlink $f; done`], {
      encoding: "utf8",
    })
      .trim()
      .split("\n");
    for (const link of links)
      expect(link).toMatch(/\/stdout$|\/stderr$|^\/dev\/null|fifo|memfd|\(deleted\)|^(pipe|socket|anon_inode)|^\/$/);
    expect(
      links.filter((link) => link.startsWith("/sys") || link.includes("config.json") || link.includes("state.json")),
    ).toEqual([]);
    const environ = readFileSync(`/proc/${container.pid}/environ`, "utf8");
    expect(environ).toBe("");
    const memory = readFileSync(`/proc/${container.pid}/cmdline`, "utf8");
    expect(memory).not.toContain(box.directory);
  });

  // ---- V22: files of the image that are read while setting up ----

  const passwds: [string, (path: string) => void, string | undefined][] = [
    [
      "a FIFO",
      (path) => {
        execFileSync("mkfifo", [path]);
      },
      "HOME=/",
    ],
    ["a directory", (path) => mkdirSync(path), "HOME=/"],
    ["a link to /dev/zero", (path) => symlinkSync("/dev/zero", path), "HOME=/"],
    ["a link to /dev/tty", (path) => symlinkSync("/dev/tty", path), "HOME=/"],
    ["a link to /proc/kmsg", (path) => symlinkSync("/proc/kmsg", path), "HOME=/"],
    ["a link to itself", (path) => symlinkSync("passwd", path), "HOME=/"],
    [
      "a sparse file of 3 GB",
      (path) => {
        const fd = openSync(path, "w");
        ftruncateSync(fd, 3e9);
        closeSync(fd);
      },
      "HOME=/",
    ],
    ["without a newline", (path) => writeFileSync(path, "root:x:0:0::/here:/bin/sh"), "HOME=/here"],
    ["full of NULs", (path) => writeFileSync(path, "\0".repeat(5000)), "HOME=/"],
    [
      "malformed before the right line",
      (path) =>
        writeFileSync(
          path,
          "root\n::::\nroot:x:zero:0::/bad:\nroot:x:4294967296:0::/bad:\nroot:x:0:0::/good:/bin/sh\n",
        ),
      "HOME=/good",
    ],
    [
      "a million lines",
      (path) => writeFileSync(path, "user:x:1000:1000::/home/user:/bin/sh\n".repeat(1_000_000)),
      undefined,
    ],
    ["missing", () => undefined, "HOME=/"],
  ];
  for (const [what, make, home] of passwds) {
    const hang =
      what === "a FIFO"
        ? { runc: "hangs", crun: "hangs" }
        : what.startsWith("a link to /dev") ||
            what.includes("kmsg") ||
            what.includes("3 GB") ||
            what.includes("NUL") ||
            what.includes("malformed") ||
            what === "a directory" ||
            what.includes("itself") ||
            what.includes("million")
          ? { runc: "fails or reads it", crun: "fails or reads it" }
          : {};
    differs(hang)(`/etc/passwd is ${what} (V22)`, async ({ box }) => {
      const bundle = box.bundle(["/bin/env"], {
        rootfs: (path) => {
          rmSync(join(path, "etc/passwd"));
          make(join(path, "etc/passwd"));
        },
      });
      const from = Date.now();
      const result = await box.ok(["run", "--bundle", bundle, box.newId()]);
      expect(Date.now() - from).toBeLessThan(3000);
      const found = result.stdout.split("\n").find((line) => line.startsWith("HOME="));
      if (home !== undefined) expect(found).toBe(home);
    });
  }

  // ---- V23: endpoints ----

  test("no abstract socket, no world-readable state (V23)", async ({ box }) => {
    if (!runtime.ours) return;
    await box.create(["/bin/sleep", "1000"]);
    expect(
      readFileSync("/proc/net/unix", "utf8")
        .split("\n")
        .filter((line) => /@.*(tsrunc|init)/.test(line)),
    ).toEqual([]);
    expect(execFileSync("find", [box.root, "-perm", "/077", "-not", "-type", "l"], { encoding: "utf8" })).toBe("");
  });

  test("a state directory of another user is refused, by every command and through a link (V23)", async ({ box }) => {
    if (!runtime.ours) return;
    const bundle = box.bundle(["/bin/true"]);
    mkdirSync(box.root);
    chownSync(box.root, 1000, 1000);
    symlinkSync(box.root, box.path("link"));
    const id = box.newId();
    for (const root of [box.root, box.path("link")]) {
      for (const args of [["run", "--bundle", bundle, id], ["state", id], ["delete", "--force", id], ["list"]]) {
        const stderr = await box.fails(["--root", root, ...args]);
        expect(stderr.trim()).toContain(`the state directory ${root} belongs to user 1000, who could put any process`);
      }
    }
    expect(readdirSync(box.root)).toEqual([]);
    // what has nothing to do with it works
    await box.ok(["features"]);
  });

  for (const mode of [0o770, 0o1777]) {
    test(`a state directory of mode ${mode.toString(8)} is told in the log, and stays so (V23)`, async ({ box }) => {
      if (!runtime.ours) return;
      mkdirSync(box.root);
      chmodSync(box.root, mode);
      const log = box.path("log");
      const result = await box.ok(["--log", log, "run", "--bundle", box.bundle(["/bin/true"]), box.newId()]);
      expect(result.stderr).toBe("");
      const told = readFileSync(log, "utf8").match(/others may write to the state directory .* \(mode \d+\)/g);
      expect(told).toEqual([
        `others may write to the state directory ${box.root} (mode ${mode.toString(8).padStart(4, "0")})`,
      ]);
      expect(statSync(box.root).mode & 0o7777).toBe(mode);
      await box.ok(["--log", box.path("log2"), "list"]);
      chmodSync(box.root, 0o755);
      await box.ok(["--log", box.path("log3"), "list"]);
      expect(readFileSync(box.path("log3"), "utf8")).toBe("");
    });
  }

  test("secrets of the config aren't in the debug log or any command line (V23)", async ({ box }) => {
    const secret = `secret-${box.tag.slice(1)}`;
    const bundle = box.bundle(["/bin/sleep", "1000"], {
      config: (config) => {
        config.process.env.push(`PASSWORD=${secret}`);
      },
    });
    const log = box.path("debug.log");
    const result = await box.call(["--debug", "--log", log, "create", "--bundle", bundle, box.newId()]);
    expect(result.code, result.stderr).toBe(0);
    expect(existsSync(log) ? readFileSync(log, "utf8") : "").not.toContain(secret);
  });
});
