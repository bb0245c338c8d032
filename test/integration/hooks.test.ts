/** Hooks: what they are given, in which order and place they run, and what their failures do (security-cases 5, H1-H7). */
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { alive, type Box } from "../harness/box.ts";
import { eventually, exitCode, start as spawn } from "../harness/command.ts";
import type { Config, HookConfig } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";

const stages = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
type Stage = (typeof stages)[number];

/** A hook that runs a shell script of the host. */
function hook(box: Box, name: string, script: string, more: Partial<HookConfig> = {}): HookConfig {
  const path = box.path(`hook-${name}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, ...more };
}

/** A startContainer hook: the same, but it's the container's shell and the container's files. */
const inside = (script: string): HookConfig => ({ path: "/bin/sh", args: ["sh", "-c", script] });

const hooks = (given: NonNullable<Config["hooks"]>) => ({
  config: (config: Config): void => {
    config.hooks = given;
  },
});

/** One hook for a stage, host or container side. */
function at(box: Box, stage: Stage, script: string, more: Partial<HookConfig> = {}): NonNullable<Config["hooks"]> {
  return { [stage]: [stage === "startContainer" ? { ...inside(script), ...more } : hook(box, stage, script, more)] };
}

const SLEEP = ["/bin/sleep", "1000"];

describeRuntimes("hooks", ({ test, differs, runtime }) => {
  differs({ runc: "1.1 runs poststart hooks in create" })(
    "all six kinds run, in order, and several of a kind in the order of the list",
    async ({ box }) => {
      const log = box.path("log");
      const note = (name: string): HookConfig => hook(box, name, `cat >/dev/null; echo ${name} >> ${log}`);
      const container = await box.create(
        SLEEP,
        hooks({
          prestart: [note("prestart1"), note("prestart2")],
          createRuntime: [note("createRuntime")],
          createContainer: [note("createContainer")],
          startContainer: [inside("echo startContainer > /tmp/started")],
          poststart: [note("poststart")],
          poststop: [note("poststop1"), note("poststop2")],
        }),
      );
      const lines = (): string[] => readFileSync(log, "utf8").trim().split("\n");
      expect(lines()).toEqual(["prestart1", "prestart2", "createRuntime", "createContainer"]);
      await container.start();
      expect(lines()).toEqual(["prestart1", "prestart2", "createRuntime", "createContainer", "poststart"]);
      expect(readFileSync(join(container.bundle, "rootfs/tmp/started"), "utf8")).toBe("startContainer\n");
      await container.kill("KILL");
      await container.until("stopped");
      await container.delete();
      expect(lines().slice(-2)).toEqual(["poststop1", "poststop2"]); // finished when delete has returned (case 22)
    },
  );

  differs({ runc: "1.1 runs poststart hooks in create" })(
    "state on stdin: id, bundle, pid, status, annotations",
    async ({ box }) => {
      const save = (stage: string): HookConfig => hook(box, stage, `cat > ${box.path(stage)}`);
      const container = await box.start(SLEEP, {
        config: (config) => {
          config.annotations = { "com.example": "yes" };
          config.hooks = {
            prestart: [save("prestart")],
            createRuntime: [save("createRuntime")],
            createContainer: [save("createContainer")],
            startContainer: [inside("cat > /tmp/state")],
            poststart: [save("poststart")],
            poststop: [save("poststop")],
          };
        },
      });
      await container.kill("KILL");
      await container.until("stopped");
      await container.delete();
      const read = (stage: string): Record<string, unknown> =>
        JSON.parse(
          readFileSync(
            stage === "startContainer" ? join(container.bundle, "rootfs/tmp/state") : box.path(stage),
            "utf8",
          ),
        );
      for (const stage of stages) {
        expect(read(stage), stage).toMatchObject({
          id: container.id,
          bundle: container.bundle,
          annotations: { "com.example": "yes" },
        });
      }
      for (const stage of ["prestart", "createRuntime", "poststart"])
        expect(read(stage)["pid"], stage).toBe(container.pid);
      expect(read("poststart")["status"]).toBe("running");
      expect(read("poststop")["status"]).toBe("stopped");
      if (runtime.name !== "crun") {
        for (const stage of ["prestart", "createRuntime", "createContainer"])
          expect(read(stage)["status"], stage).toBe("creating");
        expect(read("startContainer")["status"]).toBe("created");
      }
    },
  );

  test("args are the argv as given, argv[0] too (case 18); env is exactly the hook's", async ({ box }) => {
    const show = hook(
      box,
      "show",
      `cat >/dev/null; tr '\\0' '\\n' < /proc/$$/cmdline > ${box.path("argv")}; env > ${box.path("env")}`,
    );
    await box.ok([
      "run",
      "--bundle",
      box.bundle(
        ["/bin/true"],
        hooks({
          createRuntime: [
            {
              path: "/bin/busybox",
              args: ["sh", "-c", `tr '\\0' '\\n' < /proc/$$/cmdline > ${box.path("zero")}; true`],
              env: ["A=1"],
            },
            { ...show, args: [show.path, "one", "two words"], env: ["PATH=/usr/bin:/bin", "B=2"] },
          ],
        }),
      ),
      box.newId(),
    ]);
    expect(readFileSync(box.path("zero"), "utf8").split("\n")[0]).toBe("sh");
    expect(readFileSync(box.path("argv"), "utf8").trim().split("\n").slice(-2)).toEqual(["one", "two words"]);
    const env = readFileSync(box.path("env"), "utf8")
      .trim()
      .split("\n")
      .filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line));
    expect(env.sort()).toEqual(["B=2", "PATH=/usr/bin:/bin"]);
  });

  differs({ runc: "hands on its own environment", crun: "hands on its own environment" })(
    "a hook without env has an empty one (V21)",
    async ({ box }) => {
      const script = `cat >/dev/null; tr '\\0' '\\n' < /proc/$$/environ > ${box.path("env")}; true`;
      const bundle = box.bundle(["/bin/true"], {
        config: (config) => {
          config.process.env.push("LD_PRELOAD=/evil.so", "BASH_ENV=/evil");
          config.hooks = at(box, "createRuntime", script);
        },
      });
      await box.ok(["run", "--bundle", bundle, box.newId()], { env: { ...box.environment, CALLER: "1" } });
      expect(readFileSync(box.path("env"), "utf8")).toBe("");
    },
  );

  test("where they run: namespaces and root of each kind", async ({ box }) => {
    const show = (stage: string): HookConfig =>
      hook(box, stage, `cat >/dev/null; readlink /proc/self/ns/mnt /proc/self/ns/uts > ${box.path(stage)}`);
    const container = await box.start(
      SLEEP,
      hooks({
        createRuntime: [show("createRuntime")],
        poststart: [show("poststart")],
        startContainer: [
          inside("readlink /proc/self/ns/mnt > /tmp/ns; readlink /proc/self/ns/uts >> /tmp/ns; pwd > /tmp/cwd"),
        ],
      }),
    );
    const own = `${execNs("mnt")}\n${execNs("uts")}\n`;
    expect(readFileSync(box.path("createRuntime"), "utf8")).toBe(own);
    expect(readFileSync(box.path("poststart"), "utf8")).toBe(own);
    const theirs = ["mnt", "uts"].map((type) => `${readlinkSync(`/proc/${container.pid}/ns/${type}`)}\n`).join("");
    expect(readFileSync(join(container.bundle, "rootfs/tmp/ns"), "utf8")).toBe(theirs);
  });

  test("at createRuntime the container's namespaces exist (docker's network hook)", async ({ box }) => {
    const script = `pid=$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net > ${box.path("net")}; readlink /proc/$pid/ns/uts >> ${box.path("net")}`;
    const container = await box.create(SLEEP, hooks(at(box, "createRuntime", script)));
    expect(readFileSync(box.path("net"), "utf8")).toBe(
      ["net", "uts"].map((type) => `${readlinkSync(`/proc/${container.pid}/ns/${type}`)}\n`).join(""),
    );
  });

  // ---- the stage table: what a failure does ----

  const failures: [string, string][] = [
    ["exits with 3", "echo reason >&2; exit 3"],
    ["dies of a signal", "kill -9 $$"],
  ];
  for (const stage of ["prestart", "createRuntime", "createContainer"] as const) {
    for (const [how, script] of failures) {
      test(`a ${stage} hook that ${how}: create fails, nothing is left`, async ({ box }) => {
        const bundle = box.bundle(SLEEP, hooks(at(box, stage, script)));
        const id = box.newId();
        const stderr = await box.fails(["create", "--bundle", bundle, "--pid-file", "pid", id]);
        if (runtime.ours) expect(stderr).toContain(`/hooks/${stage}/0`);
        if (script.includes("reason") && runtime.name !== "crun") expect(stderr).toContain("reason");
        expect(existsSync(box.path("pid"))).toBe(false);
        expect(await box.state(id)).toBeUndefined();
        expect(box.leftovers()).toEqual([]);
      });
    }

    differs({ crun: "doesn't run them" })(
      `a failed ${stage} hook is followed by the poststop hooks`,
      async ({ box }) => {
        const bundle = box.bundle(
          SLEEP,
          hooks({ ...at(box, stage, "exit 1"), poststop: [hook(box, "poststop", `echo ran > ${box.path("ran")}`)] }),
        );
        await box.fails(["create", "--bundle", bundle, box.newId()]);
        expect(readFileSync(box.path("ran"), "utf8")).toBe("ran\n");
      },
    );

    test(`a missing ${stage} program fails create`, async ({ box }) => {
      const bundle = box.bundle(SLEEP, hooks({ [stage]: [{ path: "/no/such/hook" }] }));
      await box.refuses(["create", "--bundle", bundle, box.newId()], /no such file/);
      expect(box.leftovers()).toEqual([]);
    });
  }

  differs({ runc: "start returns 0", crun: "start returns 0" })(
    "a failed startContainer hook fails start; the container is stopped until delete",
    async ({ box }) => {
      const container = await box.create(SLEEP, hooks({ startContainer: [inside("echo reason >&2; exit 3")] }));
      expect(await box.fails(["start", container.id])).toContain("/hooks/startContainer/0");
      await container.until("stopped");
      await container.delete();
    },
  );

  differs({ runc: "1.1.5 leaves the state", crun: "1.8.1 only warns" })(
    "a failed poststart hook fails start, kills the process and removes the container",
    async ({ box }) => {
      const container = await box.create(
        SLEEP,
        hooks({
          ...at(box, "poststart", "exit 1"),
          poststop: [hook(box, "poststop", `echo ran > ${box.path("ran")}`)],
        }),
      );
      await box.fails(["start", container.id]);
      expect(alive(container.pid)).toBe(false);
      expect(existsSync(box.path("ran"))).toBe(true);
      expect(box.leftovers()).toEqual([]);
    },
  );

  differs({ runc: "delete fails" })("failed poststop hooks are a warning; the others still run", async ({ box }) => {
    const container = await box.create(
      SLEEP,
      hooks({ poststop: [hook(box, "one", "exit 1"), hook(box, "two", `echo ran > ${box.path("ran")}`)] }),
    );
    await container.delete("--force");
    expect(existsSync(box.path("ran"))).toBe(true);
    expect(box.leftovers()).toEqual([]);
  });

  // ---- H-cases ----

  differs({ runc: "waits for the grandchild's pipe" })(
    "a timeout kills the hook's whole group at once (H2)",
    async ({ box }) => {
      const bundle = box.bundle(
        SLEEP,
        hooks(at(box, "createRuntime", `export TSRUNC_TEST=${box.tag}; sleep 30 & sleep 30`, { timeout: 1 })),
      );
      const from = Date.now();
      const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
      expect(Date.now() - from).toBeLessThan(3000);
      if (runtime.ours) expect(stderr).toMatch(/1 s|timeout|timed out|time/);
      expect(Date.now() - from).toBeGreaterThan(900);
      expect(runtime.name === "crun" ? [] : box.leftovers()).toEqual([]);
    },
  );

  differs({ runc: "waits for the pipe", crun: "waits for the pipe" })(
    "a hook is done at its exit, even if a child keeps its output open (H3)",
    async ({ box }) => {
      const bundle = box.bundle(
        ["/bin/true"],
        hooks(at(box, "createRuntime", `sleep 2 & echo $! > ${box.path("child")}; exit 0`)),
      );
      const from = Date.now();
      await box.ok(["run", "--bundle", bundle, box.newId()]);
      expect(Date.now() - from).toBeLessThan(1500);
      const child = Number(readFileSync(box.path("child"), "utf8"));
      await eventually("the hook's child ends by itself", () => (alive(child) ? undefined : true));
    },
  );

  test("a hook that doesn't read its stdin (H4)", async ({ box }) => {
    const bundle = box.bundle(["/bin/true"], {
      config: (config) => {
        config.annotations = { large: "x".repeat(200_000) };
        config.hooks = at(box, "createRuntime", "exec 0<&-; sleep 0.1; exit 0");
      },
    });
    const result = await box.call(["run", "--bundle", bundle, box.newId()]);
    if (runtime.name !== "crun") expect(result.code, result.stderr.slice(0, 500)).toBe(0); // it dies of SIGPIPE
  });

  differs({ runc: "prints all of it", crun: "1.8.1 lets it through" })(
    "a flood of output ends in a short error (H5)",
    async ({ box }) => {
      const bundle = box.bundle(
        SLEEP,
        hooks(at(box, "createRuntime", "head -c 30000000 /dev/zero | tr '\\0' x; echo the end >&2; exit 1")),
      );
      const stderr = await box.fails(["create", "--bundle", bundle, box.newId()]);
      expect(stderr.length).toBeLessThan(8191);
      expect(stderr).toContain("the end");
    },
  );

  test("hooks see none of our descriptors", async ({ box }) => {
    const bundle = box.bundle(
      ["/bin/true"],
      hooks(at(box, "createRuntime", `cat >/dev/null; ls /proc/self/fd > ${box.path("fds")}`)),
    );
    await box.ok(["run", "--bundle", bundle, box.newId()]);
    const fds = readFileSync(box.path("fds"), "utf8").trim().split("\n");
    expect(fds).toEqual(["0", "1", "2", "3"]); // 3 is ls looking
  });

  differs({ runc: "goes on waiting", crun: "leaves the hook" })(
    "a hook that never ends is over when the runtime is told to stop (H1)",
    async ({ box }) => {
      const bundle = box.bundle(
        SLEEP,
        hooks(at(box, "createRuntime", `export TSRUNC_TEST=${box.tag}; echo > ${box.path("running")}; sleep 1000`)),
      );
      const id = box.newId();
      const child = spawn(box.argv("create", "--bundle", bundle, id), "ignore", { env: box.environment });
      const ended = exitCode(child, ["create"]);
      while (!existsSync(box.path("running"))) await new Promise((resolve) => setTimeout(resolve, 10));
      process.kill(child.pid ?? 0, "SIGTERM");
      expect(await ended).not.toBe(0);
      expect(box.leftovers()).toEqual([]);
    },
  );

  for (const [what, bad] of [
    ["a relative path", { path: "bin/true" }],
    ["timeout 0", { path: "/bin/true", timeout: 0 }],
    ["a negative timeout", { path: "/bin/true", timeout: -1 }],
    ["no path", {}],
  ] as const) {
    differs({ runc: "finds some of these when it runs them", crun: "the same" })(
      `a hook with ${what} is refused before anything happens`,
      async ({ box }) => {
        const bundle = box.bundle(
          SLEEP,
          hooks({ prestart: [hook(box, "first", `echo > ${box.path("ran")}`)], poststop: [bad as HookConfig] }),
        );
        expect(await box.fails(["create", "--bundle", bundle, box.newId()])).toContain("/hooks/poststop/0");
        expect(existsSync(box.path("ran"))).toBe(false);
        expect(box.leftovers()).toEqual([]);
      },
    );
  }

  test("poststop hooks run although the bundle is gone (case 22)", async ({ box }) => {
    const container = await box.start(
      SLEEP,
      hooks({ poststop: [hook(box, "poststop", `cat > ${box.path("stdin")}`)] }),
    );
    renameSync(container.bundle, `${container.bundle}-gone`);
    mkdirSync(container.bundle);
    await container.delete("--force");
    expect(JSON.parse(readFileSync(box.path("stdin"), "utf8"))).toMatchObject({ id: container.id, status: "stopped" });
  });
});

/** The runner's own namespace of a type. */
function execNs(type: string): string {
  return readlinkSync(`/proc/self/ns/${type}`);
}
