/** gc: what crashed commands and earlier boots have left goes, what is in use or might be somebody else's stays. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box, type Container } from "../harness/box.ts";
import { eventually, run, sleep } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { compile } from "../harness/paths.ts";

const SLEEP = ["/bin/sleep", "1000"];
const ours = { runc: "has no gc", crun: "has no gc" };

/** Rewrites a JSON file of a container's state. */
function edit(box: Box, id: string, file: string, change: (record: Record<string, unknown>) => void): void {
  const path = join(box.root, id, file);
  const record = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  change(record);
  writeFileSync(path, JSON.stringify(record));
}

/** Makes the state look as if its create had died before the commit. */
function unmake(box: Box, { id }: Container): void {
  rmSync(join(box.root, id, "state.json"));
}

/** The container's cgroup directories that are there. */
function cgroups(box: Box, id: string): string[] {
  return box.leftovers().filter((line) => line.startsWith("cgroup") && line.includes(id));
}

async function removeCgroups(box: Box, id: string): Promise<void> {
  const paths = cgroups(box, id).map((line) => line.slice("cgroup ".length));
  await run(["rmdir", ...paths.reverse()]);
}

async function killInit({ pid }: Container): Promise<void> {
  process.kill(pid, "SIGKILL");
  await eventually("init ends", () => (alive(pid) ? undefined : true));
}

describeRuntimes("gc", ({ differs, runtime }) => {
  const test = differs(ours);

  test("nothing to do: says nothing, also without a root", async ({ box }) => {
    const { code, stdout, stderr } = await run([...runtime.argv, "gc"], {
      env: { ...box.environment, XDG_RUNTIME_DIR: box.path("none") },
    });
    if (stdout === "") expect([code, stderr]).toEqual([0, ""]); // the machine's own root may have something
    expect(await box.fails(["gc"])).toMatch(/no such file or directory/);
    mkdirSync(box.root);
    expect((await box.ok(["gc"])).stdout).toBe("");
  });

  test("a create that died with its init: gone with its cgroup, and only told with --dry-run", async ({ box }) => {
    const container = await box.create(SLEEP);
    await killInit(container);
    unmake(box, container);
    const line = `${container.id}: its creation was interrupted\n`;
    expect((await box.ok(["gc", "--dry-run"])).stdout).toBe(`would remove ${line}`);
    expect(cgroups(box, container.id).length).toBeGreaterThan(0);
    expect((await box.ok(["gc"])).stdout).toBe(`removed ${line}`);
    expect(box.leftovers()).toEqual([]);
    expect((await box.ok(["gc"])).stdout).toBe("");
  });

  test("one whose init still lives is left alone, and so is what has stopped or runs", async ({ box }) => {
    const living = await box.create(SLEEP);
    unmake(box, living);
    const stopped = await box.create(SLEEP);
    await killInit(stopped);
    const running = await box.start(SLEEP);
    expect((await box.ok(["gc"])).stdout).toBe("");
    expect(alive(living.pid)).toBe(true);
    expect(await stopped.status()).toBe("stopped");
    expect(await running.status()).toBe("running");
  });

  test("of an earlier boot: gone, but not a cgroup that is now somebody else's", async ({ box }) => {
    const container = await box.start(SLEEP);
    edit(box, container.id, "state.json", (record) => {
      record["bootId"] = "00000000-0000-0000-0000-000000000000";
    });
    expect((await box.ok(["gc"])).stdout).toBe(`removed ${container.id}: of an earlier boot\n`);
    expect(await container.status()).toBeUndefined();
    // as far as this boot can tell the processes are not the container's
    expect(alive(container.pid)).toBe(true);
    expect(cgroups(box, container.id).length).toBeGreaterThan(0);
    process.kill(container.pid, "SIGKILL");
    await eventually("its process ends", () => (alive(container.pid) ? undefined : true));
    await removeCgroups(box, container.id);
  });

  test("a cgroup that may not be its own: told, status 1, left alone", async ({ box }) => {
    const other = await box.start(SLEEP);
    const container = await box.create(SLEEP);
    await killInit(container);
    unmake(box, container);
    const state = JSON.parse(readFileSync(join(box.root, other.id, "state.json"), "utf8")) as Record<string, unknown>;
    const before = readFileSync(join(box.root, container.id, "intent.json"), "utf8");
    edit(box, container.id, "intent.json", (record) => {
      const { inode: _, ...cgroup } = state["cgroup"] as Record<string, unknown>;
      record["cgroup"] = cgroup;
    });
    const { code, stdout, stderr } = await box.call(["gc"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/can't remove .*: its cgroup has processes that may not be its own/);
    expect(alive(other.pid)).toBe(true);
    writeFileSync(join(box.root, container.id, "intent.json"), before);
    await box.ok(["gc"]);
    expect(await other.status()).toBe("running");
  });

  test("a cgroup with another inode at the same path is not touched", async ({ box }) => {
    const container = await box.create(SLEEP);
    await killInit(container);
    unmake(box, container);
    edit(box, container.id, "intent.json", (record) => {
      record["cgroup"] = { ...(record["cgroup"] as object), inode: 1 };
    });
    const present = cgroups(box, container.id);
    expect((await box.ok(["gc"])).stdout).toMatch(/^removed/);
    expect(cgroups(box, container.id)).toEqual(present);
    await removeCgroups(box, container.id);
  });

  test("a directory that never got an intent, and the grave of a delete", async ({ box }) => {
    const container = await box.create(SLEEP); // so that there is a root
    for (const name of ["empty", "locked-once", "~web~999999999", "~other"]) mkdirSync(join(box.root, name));
    writeFileSync(join(box.root, "locked-once/lock"), "");
    writeFileSync(join(box.root, "~web~999999999/config.json"), "{}");
    const { stdout } = await box.ok(["gc"]);
    expect(stdout.split("\n").sort()).toEqual([
      "",
      "removed empty: its creation was interrupted at once",
      "removed locked-once: its creation was interrupted at once",
      "removed ~web~999999999: its deletion was interrupted",
    ]);
    expect(readdirSync(box.root).sort()).toEqual([container.id, "~other"]);
    rmSync(join(box.root, "~other"), { recursive: true });
  });

  test("a container whose id looks like a grave is one", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    for (const id of [`.${box.newId()}.1`, `.${box.newId()}`, `...${box.newId()}`]) {
      await box.ok(["run", "--detach", "--bundle", bundle, id]);
      expect((await box.ok(["gc"])).stdout).toBe("");
      expect((await box.ok(["list", "-q"])).stdout).toBe(`${id}\n`);
      await box.ok(["delete", "--force", id]);
    }
  });

  test("a damaged state is not taken for garbage", async ({ box }) => {
    const container = await box.create(SLEEP);
    const path = join(box.root, container.id, "state.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.slice(0, 50));
    expect((await box.ok(["gc"])).stdout).toBe("");
    writeFileSync(path, text);
    expect(await container.status()).toBe("created");
  });

  test("what another command holds is left alone", async ({ box }) => {
    await box.create(SLEEP);
    mkdirSync(join(box.root, "held"));
    const holder = run(["flock", join(box.root, "held/lock"), "sleep", "4"]);
    await eventually("the lock is taken", () => (existsSync(join(box.root, "held/lock")) ? true : undefined));
    expect((await box.ok(["gc"])).stdout).toBe("");
    expect(existsSync(join(box.root, "held"))).toBe(true);
    await holder;
    expect((await box.ok(["gc"])).stdout).toBe("removed held: its creation was interrupted at once\n");
  });

  differs({ ...ours, node: "thousands of calls before it begins" })(
    "create killed at its later system calls: one gc cleans up after all of them",
    async ({ box }) => {
      const bundle = box.bundle(SLEEP);
      const create = (at: number, id: string) =>
        run([compile("test/harness/killat.c"), String(at), ...box.argv("create", "--bundle", bundle, id)], {
          cwd: box.directory,
          env: box.environment,
        });
      const whole = box.newId();
      const calls = Number(/calls (\d+)/.exec((await create(0, whole)).stderr)?.[1]);
      await box.ok(["delete", "--force", whole]);
      const ids: string[] = [];
      for (let at = Math.floor(calls / 3); at < calls; at += 5) {
        const id = box.newId();
        ids.push(id);
        await create(at, id);
      }
      await sleep(500); // an init without its runtime ends by itself
      await box.ok(["gc"]);
      for (const id of ids) {
        const state = await box.state(id);
        if (state === undefined) continue;
        // committed before the kill: a container like any other
        expect(state.status).toBe("created");
        await box.ok(["delete", "--force", id]);
      }
      expect(box.leftovers()).toEqual([]);
    },
    60_000,
  );
});
