/** Many commands at once on the same ids (security-cases 4, "Concurrency on one id"). */
import { mkdirSync } from "node:fs";
import { expect } from "vitest";
import type { State } from "../harness/box.ts";
import { describeRuntimes } from "../harness/describe.ts";

const SLEEP = ["/bin/sleep", "1000"];

/** A small generator with a seed, so that a failure can be repeated (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describeRuntimes("concurrency", ({ test, differs, runtime }) => {
  test("creates of one id: one wins, the others don't touch it", async ({ box }) => {
    const bundle = box.bundle(SLEEP);
    const id = box.newId();
    const creates = await Promise.all(Array.from({ length: 6 }, () => box.call(["create", "--bundle", bundle, id])));
    expect(creates.filter(({ code }) => code === 0)).toHaveLength(1);
    for (const { code, stderr } of creates)
      if (code !== 0 && runtime.name !== "crun") expect(stderr).toContain("already exists");
    expect(await box.state(id)).toMatchObject({ status: "created" });
    await box.ok(["delete", id]);
    expect(box.leftovers()).toEqual([]);
  });

  test("twelve containers at once", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"]);
    const results = await Promise.all(
      Array.from({ length: 12 }, () => box.call(["run", "--bundle", bundle, box.newId()])),
    );
    expect(results.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(results.map(() => "0 "));
    expect(box.leftovers()).toEqual([]);
  });

  differs({ runc: "some fail", crun: "some fail" })(
    "delete --force six times at once: all succeed",
    async ({ box }) => {
      const container = await box.start(SLEEP);
      const deletes = await Promise.all(Array.from({ length: 6 }, () => box.call(["delete", "--force", container.id])));
      expect(deletes.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(deletes.map(() => "0 "));
      expect(box.leftovers()).toEqual([]);
    },
  );

  test("delete at once from two: one removes, the other says it does not exist", async ({ box }) => {
    const container = await box.create(SLEEP);
    const deletes = await Promise.all([box.call(["delete", container.id]), box.call(["delete", container.id])]);
    expect(deletes.some(({ code }) => code === 0)).toBe(true);
    for (const { code, stderr } of deletes) if (code !== 0 && runtime.ours) expect(stderr).toContain("does not exist");
    expect(box.leftovers()).toEqual([]);
  });

  test("state and list while a container comes and goes never fail for another reason than 'does not exist' (case 17)", async ({
    box,
  }) => {
    if (!runtime.ours) return;
    mkdirSync(box.root); // a root that was named but isn't there is an error of list
    const bundle = box.bundle(["/bin/true"]);
    const id = box.newId();
    let over = false;
    const statuses = new Set<string>();
    const watch = async (): Promise<void> => {
      while (!over) {
        const [state, list] = await Promise.all([box.call(["state", id]), box.call(["list", "--format", "json"])]);
        if (state.code === 0) statuses.add((JSON.parse(state.stdout) as State).status);
        else expect(state.stderr).toContain("does not exist");
        expect(list.code, list.stderr).toBe(0);
        JSON.parse(list.stdout);
      }
    };
    const watching = watch();
    const making = (async () => {
      for (let i = 0; i < 15 || (statuses.size === 0 && i < 200); i++) await box.ok(["run", "--bundle", bundle, id]);
    })().finally(() => {
      over = true;
    });
    await Promise.all([watching, making]);
    expect(statuses.size).toBeGreaterThan(0);
  });

  differs({ runc: "leaves things, start hangs", crun: "leaves things" })(
    "random commands on three ids, four at a time, from a seed",
    async ({ box }) => {
      const seed = 20260731;
      const next = random(seed);
      const bundle = box.bundle(SLEEP);
      const ids = [box.newId(), box.newId(), box.newId()];
      const commands: ((id: string) => string[])[] = [
        (id) => ["create", "--bundle", bundle, id],
        (id) => ["create", "--bundle", bundle, id],
        (id) => ["start", id],
        (id) => ["start", id],
        (id) => ["kill", id, "9"],
        (id) => ["kill", "--all", id, "9"],
        (id) => ["state", id],
        (id) => ["delete", id],
        (id) => ["delete", "--force", id],
        () => ["list"],
      ];
      const worker = async (): Promise<void> => {
        for (let i = 0; i < 40; i++) {
          const id = ids[Math.floor(next() * ids.length)] ?? "";
          const args = (commands[Math.floor(next() * commands.length)] ?? commands[0])?.(id) ?? [];
          const { code, stderr } = await box.call(args);
          expect([0, 1], `${args.join(" ")}: ${stderr}`).toContain(code); // never a signal, never a hang
          if (code === 0) expect(stderr, args.join(" ")).toBe("");
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
      for (const id of ids) await box.ok(["delete", "--force", id]);
      expect(box.leftovers()).toEqual([]);
    },
  );
});
