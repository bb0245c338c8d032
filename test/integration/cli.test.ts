/** Output that others read: list, spec, --version, completion. runc's own output is the measure where it is there. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { State } from "../harness/box.ts";
import { run } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { repository } from "../harness/paths.ts";
import { peer } from "../harness/runtimes.ts";

const SLEEP = ["/bin/sleep", "1000"];

describeRuntimes("output", ({ test }) => {
  test("a reader that has gone ends a command as SIGPIPE does, without a word", async ({ box }) => {
    const command = box.argv("spec", "--help").map((word) => `'${word}'`);
    const script = `{ sleep 0.3; ${command.join(" ")}; echo "status $?" >&2; } | true`;
    const { stderr } = await run(["bash", "-c", script], { env: box.environment });
    expect(stderr).toBe("status 141\n");
  });
});

describeRuntimes("list", ({ test, differs }) => {
  differs({ crun: "has columns of its own" })("the table has runc's columns", async ({ box }) => {
    const container = await box.start(SLEEP);
    const { stdout } = await box.ok(["list"]);
    const [header = "", row = "", ...rest] = stdout.split("\n");
    expect(rest).toEqual([""]);
    expect(header.split(/ +/)).toEqual(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    const created = (await box.state(container.id))?.created ?? "";
    const cells = [container.id, String(container.pid), "running", container.bundle, created, "root"];
    expect(row.trimEnd().split(/ +/)).toEqual(cells);
    // a column is 12 wide, or 3 more than the widest of it
    const widths = cells.slice(0, -1).map((cell) => Math.max(12, cell.length + 3));
    const starts = widths.map((_, index) => widths.slice(0, index).reduce((sum, width) => sum + width, 0));
    starts.forEach((at, index) => {
      expect(row.slice(at).startsWith(cells[index] ?? "")).toBe(true);
      expect(header.slice(at)).toMatch(/^[A-Z]/);
    });
  });

  test("-q: an id a line; nothing when there is none", async ({ box }) => {
    const ids = [(await box.create(SLEEP)).id, (await box.create(SLEEP)).id];
    const { stdout } = await box.ok(["list", "-q"]);
    expect(stdout).toBe(`${ids.sort().join("\n")}\n`);
    expect((await box.ok(["list", "--quiet"])).stdout).toBe(stdout);
    for (const id of ids) await box.ok(["delete", "--force", id]);
    expect((await box.ok(["list", "-q"])).stdout).toBe("");
  });

  differs({ crun: "has other keys" })("json: what state says, and the owner's name", async ({ box }) => {
    const container = await box.start(SLEEP, {
      config: (config) => {
        config.annotations = { "org.example": "x" };
      },
    });
    for (const flags of [["-f", "json"], ["--format=json"]]) {
      const { stdout } = await box.ok(["list", ...flags]);
      expect(stdout.indexOf("\n")).toBe(stdout.length - 1);
      const [entry, ...rest] = JSON.parse(stdout) as State[];
      expect(rest).toEqual([]);
      expect(entry).toEqual({ ...(await box.state(container.id)), owner: "root" });
      expect(Object.keys(entry ?? {})).toEqual([
        "ociVersion",
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
        "annotations",
        "owner",
      ]);
    }
    await container.delete("--force");
    expect(JSON.parse((await box.ok(["list", "-f", "json"])).stdout) ?? []).toEqual([]);
  });

  differs({ crun: "has its own header", runc: "1.1 takes a missing root for an empty one" })(
    "a root that is named must exist; without containers there is a header",
    async ({ box }) => {
      expect(await box.fails(["list"])).toMatch(/no such file or directory/);
      mkdirSync(box.root);
      expect((await box.ok(["list"])).stdout).toBe(
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
      );
    },
  );

  differs({ runc: "1.1 says it in the log only", crun: "stops there" })(
    "a damaged container is told, the others are listed",
    async ({ box }) => {
      const { id } = await box.create(SLEEP);
      mkdirSync(`${box.root}/broken`);
      writeFileSync(`${box.root}/broken/state.json`, "{");
      const { code, stdout, stderr } = await box.call(["list", "-q"]);
      rmSync(`${box.root}/broken`, { recursive: true });
      expect([code, stdout]).toEqual([0, `${id}\n`]);
      expect(stderr).toMatch(/broken/);
    },
  );
});

describeRuntimes("spec", ({ test, differs }) => {
  const runc = peer("runc");
  interface Template {
    process: { capabilities: { ambient?: unknown } };
    linux: { maskedPaths: string[] };
  }

  /** Without what is ours to say, and what runc has changed since 1.1: no ambient capabilities, another order. */
  const alike = (text: string): object => {
    const config = JSON.parse(text) as Template;
    delete config.process.capabilities.ambient;
    config.linux.maskedPaths.sort();
    return { ...config, ociVersion: "", hostname: "" };
  };

  for (const flags of [[], ["--rootless"]]) {
    const words = ["spec", ...flags];
    (runc === undefined ? test.skip : differs({ crun: "has another template" }))(
      `${words.join(" ")}: runc's template${runc === undefined ? " [runc is not installed]" : ""}`,
      async ({ box }) => {
        mkdirSync(box.path("ours"));
        mkdirSync(box.path("theirs"));
        const { stdout } = await box.ok([...words, "--bundle", box.path("ours")]);
        expect(stdout).toBe("");
        await run([...(runc?.argv ?? []), ...words, "--bundle", box.path("theirs")], { env: box.environment });
        const ours = readFileSync(box.path("ours/config.json"), "utf8");
        expect(alike(ours)).toEqual(alike(readFileSync(box.path("theirs/config.json"), "utf8")));
        expect(ours).toMatch(/^\{\n\t"ociVersion": "/);
      },
    );
  }

  test("into the current directory; never over a config.json", async ({ box }) => {
    await box.ok(["spec"]);
    const text = readFileSync(box.path("config.json"), "utf8");
    await box.refuses(["spec"], /config\.json exists\. Remove it first/);
    expect(readFileSync(box.path("config.json"), "utf8")).toBe(text);
  });

  test("a bundle that isn't there", async ({ box }) => {
    await box.refuses(["spec", "--bundle", box.path("nosuch")], /no such file or directory/);
  });

  differs({ runc: "its template has a terminal", crun: "its template has a terminal" })(
    "the template is valid and makes a plan",
    async ({ box }) => {
      await box.ok(["spec"]);
      mkdirSync(box.path("rootfs"));
      expect((await box.ok(["validate"])).stdout).toMatch(/valid\n$/);
      expect((await box.ok(["plan"])).stdout).toMatch(/change_root|pivot/);
    },
  );
});

describeRuntimes("--version", ({ differs, runtime }) => {
  differs({ crun: "has other lines" })("as go-runc, moby and nerdctl read it", async ({ box }) => {
    for (const flag of ["--version", "-v", "-version"]) {
      const { stdout } = await run([...runtime.argv, flag], { env: {}, cwd: box.directory });
      const lines = stdout.trimEnd().split("\n");
      const name = runtime.ours ? "tsrunc" : "runc";
      expect(lines[0]?.split(" ").slice(0, 2)).toEqual([name, "version"]);
      expect(lines[0]?.split(" ")).toHaveLength(3);
      expect(lines.filter((line) => line.includes("version"))).toHaveLength(1);
      expect(lines.filter((line) => /^commit: \S+$/.test(line))).toHaveLength(1);
      expect(lines.filter((line) => /^spec: \d+\.\d+\.\d+/.test(line))).toHaveLength(1);
      for (const line of lines.slice(1)) expect(line).toMatch(/^[a-z]+: \S+$/);
    }
  });

  differs({ crun: "has no package.json", runc: "has no package.json" })(
    "the release is the package's",
    async ({ box }) => {
      const { version } = JSON.parse(readFileSync(`${repository}/package.json`, "utf8")) as { version: string };
      expect((await box.ok(["--version"])).stdout.split("\n")[0]).toBe(`tsrunc version ${version}`);
    },
  );
});

describeRuntimes("completion", ({ differs }) => {
  differs({ crun: "has none", runc: "has none" })("bash can use what the command prints", async ({ box }) => {
    const { stdout: script } = await box.ok(["completion", "bash"]);
    const words = "COMP_WORDS=(tsrunc resu); COMP_CWORD=1; _tsrunc; printf '%s\\n' $COMPREPLY";
    const { stdout } = await run(["bash", "--norc", "-c", `${script}\n${words}`], { env: box.environment });
    expect(stdout).toBe("resume\n");
  });
});
