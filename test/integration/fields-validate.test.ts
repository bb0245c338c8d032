/** validate and features: what is wrong with a bundle, where, and what the runtime says it can do. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { Box } from "../harness/box.ts";
import { run } from "../harness/command.ts";
import type { Config } from "../harness/config.ts";
import { describeRuntimes } from "../harness/describe.ts";
import { repository } from "../harness/paths.ts";

interface Answer {
  file: string;
  valid: boolean;
  problems: {
    severity: string;
    at: string;
    line: number;
    column: number;
    message: string;
    rule: string;
    section: string;
  }[];
}

/** A bundle whose config is written over several lines, as people write it. */
function bundle(box: Box, change: (config: Config) => void): string {
  const directory = box.bundle(["/bin/true"], { config: change });
  const file = join(directory, "config.json");
  writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file, "utf8")), null, 2));
  return directory;
}

async function validate(box: Box, directory: string, ...flags: string[]): Promise<Answer & { code: number }> {
  const { code, stdout, stderr } = await box.call(["validate", "--bundle", directory, "--json", ...flags]);
  expect(stderr).toBe("");
  return { code, ...(JSON.parse(stdout) as Answer) };
}

const broken = (config: Config): void => {
  config.linux.namespaces.push({ type: "pid" });
  config.process.cwd = "relative";
  config.mounts.push({ destination: "/", type: "tmpfs", source: "tmpfs", options: [] });
};

describeRuntimes("validate", ({ test }) => {
  test("a good bundle: exit 0, one line", async ({ box }) => {
    const directory = bundle(box, () => undefined);
    const { stdout, stderr } = await box.ok(["validate", "--bundle", directory]);
    expect([stdout, stderr]).toEqual([`${directory}/config.json: valid\n`, ""]);
    expect(await validate(box, directory, "--host")).toMatchObject({ code: 0, valid: true, problems: [] });
    expect(box.leftovers()).toEqual([]);
  });

  test("all errors at once, in the file's order, each with its line", async ({ box }) => {
    const directory = bundle(box, broken);
    const answer = await validate(box, directory);
    expect(answer).toMatchObject({ code: 1, valid: false, file: `${directory}/config.json` });
    expect(answer.problems.map(({ at }) => at)).toEqual([
      "/process/cwd",
      "/mounts/7/destination",
      "/linux/namespaces/5",
    ]);
    const lines = readFileSync(join(directory, "config.json"), "utf8").split("\n");
    for (const { line, column, at } of answer.problems) {
      const text = lines[line - 1]?.slice(column - 1) ?? "";
      expect(text, at).toMatch(/^("cwd": "relative"|"destination": "\/"|\{)/);
    }
  });

  test("as text: the offending lines with a mark below them, and a count", async ({ box }) => {
    const directory = bundle(box, broken);
    const { code, stdout } = await box.call(["validate", "--bundle", directory]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /error: \/process\/cwd: .*\[[a-z-]+, config\.md#process\]\n +\d+ \| +"cwd": "relative",\n +\| +\^\n/,
    );
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(`${directory}/config.json: 3 errors`);
  });

  test("a config on a single line, with foreign bytes in it", async ({ box }) => {
    const directory = box.bundle(["/bin/true"], {
      config: (config) => {
        config.annotations = { padding: "x".repeat(5000) };
        config.linux["rootfsPropagation"] = "\u001b[31mred\u202e";
      },
    });
    const { stdout } = await box.call(["validate", "--bundle", directory]);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(300);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("/linux/rootfsPropagation");
  });

  const schema: [string, (config: Config) => void, string, RegExp][] = [
    [
      "a wrong type",
      (config) => {
        config.process.args = "sh" as never;
      },
      "/process/args",
      /is "sh", must be an array/,
    ],
    [
      "a missing member",
      (config) => {
        delete (config.process as { cwd?: string }).cwd;
      },
      "/process/cwd",
      /is missing/,
    ],
    [
      "a misspelt one",
      (config) => {
        config.linux["MaskedPaths"] = [];
      },
      "/linux/MaskedPaths",
      /maskedPaths/,
    ],
    [
      "an unknown word",
      (config) => {
        config.linux["rootfsPropagation"] = "sharde";
      },
      "/linux/rootfsPropagation",
      /must be private, .* or/,
    ],
  ];
  for (const [what, change, at, words] of schema) {
    test(`the schema: ${what}`, async ({ box }) => {
      const { code, problems } = await validate(box, bundle(box, change));
      expect(code).toBe(1);
      expect(problems).toEqual([expect.objectContaining({ at, rule: "schema", severity: "error" })]);
      expect(problems[0]?.message).toMatch(words);
      expect(problems[0]?.line).toBeGreaterThan(1);
    });
  }

  test("a text that isn't JSON: the line and column of the mistake", async ({ box }) => {
    const directory = bundle(box, () => undefined);
    const file = join(directory, "config.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"cwd": "/"', '"cwd": "/",,'));
    const { code, problems } = await validate(box, directory);
    expect(code).toBe(1);
    expect(problems).toEqual([expect.objectContaining({ rule: "json", at: "", severity: "error" })]);
    const { line = 0, column = 0 } = problems[0] ?? {};
    expect(readFileSync(file, "utf8").split("\n")[line - 1]?.slice(0, column)).toMatch(/"cwd": "\/",,$/);
  });

  test("warnings alone are no failure", async ({ box }) => {
    const directory = bundle(box, (config) => {
      config.mounts.push({ destination: "relative", type: "tmpfs", source: "tmpfs" });
    });
    const answer = await validate(box, directory);
    expect(answer).toMatchObject({ code: 0, valid: true });
    expect(answer.problems).toEqual([expect.objectContaining({ severity: "warning", at: "/mounts/7/destination" })]);
    expect((await box.ok(["validate", "--bundle", directory])).stdout).toMatch(
      /config\.json: valid, with 1 warning\n$/,
    );
  });

  test("a root file system that is missing; a seccomp profile that can't be compiled; what the plan refuses", async ({
    box,
  }) => {
    const directory = bundle(box, (config) => {
      config.linux["seccomp"] = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_S390X"] };
    });
    rmSync(join(directory, "rootfs"), { recursive: true });
    const { problems, code } = await validate(box, directory);
    expect(code).toBe(1);
    expect(problems.map(({ at, rule }) => [at, rule])).toEqual([
      ["/root/path", "root"],
      ["/linux/seccomp/architectures/0", "plan"],
    ]);
    const other = bundle(box, (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "mount");
    });
    expect((await validate(box, other)).problems.map(({ message }) => message).join()).toMatch(
      /without a private MNT namespace/,
    );
  });

  test("--host adds what this machine doesn't have", async ({ box }) => {
    const directory = bundle(box, (config) => {
      config.mounts.push({ destination: "/a", type: "bind", source: "/no/such/source", options: ["bind"] });
      config.mounts.push({ destination: "/b", type: "nosuchfs", source: "x" });
      config.hooks = { poststop: [{ path: "/no/such/hook" }], prestart: [{ path: "/etc/passwd" }] };
      config.linux["netDevices"] = { nosuch0: {} };
      config.linux.namespaces = config.linux.namespaces.map((entry) =>
        entry.type === "ipc" ? { type: "ipc", path: "/no/such/ns" } : entry,
      );
      config.linux.resources = { cpu: { cpus: "0,500" } };
      config.linux["memoryPolicy"] = { mode: "MPOL_BIND", nodes: "77" };
      config.process["execCPUAffinity"] = { initial: "0,700" };
      config.process["apparmorProfile"] = "docker-default";
      config.linux["intelRdt"] = { closID: "x", schemata: ["L3:0=f"] };
      config.linux.sysctl = { "net.no_such_key": "1" };
    });
    expect(await validate(box, directory)).toMatchObject({ code: 0, valid: true });
    const { code, problems } = await validate(box, directory, "--host");
    expect(code).toBe(1);
    const found = problems.map(({ severity, at }) => `${severity} ${at}`);
    for (const expected of [
      "error /mounts/7/source",
      "warning /mounts/8/type",
      "error /hooks/poststop/0/path",
      "error /hooks/prestart/0/path",
      "error /linux/netDevices/nosuch0",
      "error /linux/resources/cpu/cpus",
      "error /linux/memoryPolicy/nodes",
      "error /process/execCPUAffinity/initial",
      "error /linux/sysctl/net.no_such_key",
    ])
      expect(found).toContain(expected);
    expect(found.some((line) => /^error \/linux\/namespaces\/\d\/path$/.test(line))).toBe(true);
    expect(problems.find(({ at }) => at === "/linux/resources/cpu/cpus")?.message).toBe("this machine has no CPU 500");
  });

  test("no config.json, no bundle: an error, exit 1", async ({ box }) => {
    expect(await box.fails(["validate", "--bundle", box.path("nothing")])).toMatch(/no such file/);
  });
});

describeRuntimes("features", ({ test, runtime }) => {
  const schema = JSON.parse(readFileSync(join(repository, "schema/features.schema.json"), "utf8")) as object;

  test("a document of our schema, whoever asks and from wherever", async ({ box }) => {
    const { stdout, stderr } = await box.ok(["features"]);
    expect(stderr).toBe("");
    const check = new Ajv2020({ strict: false }).compile(schema);
    check(JSON.parse(stdout));
    expect(check.errors).toBeNull();
    // another user, without an environment, in a directory that is gone or not ours
    const bare = [
      "setpriv",
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "env",
      "-i",
      ...runtime.argv,
      "features",
    ];
    const other = await run(bare, { cwd: "/", env: { PATH: process.env["PATH"] ?? "" } });
    if (runtime.name === "tsrunc") expect([other.code, other.stdout]).toEqual([0, stdout]);
    const root = await box.ok(["--root", "/no/such/dir", "features"]);
    expect(root.stdout).toBe(stdout);
  });

  test("what engines look for is there", async ({ box }) => {
    const features = JSON.parse((await box.ok(["features"])).stdout);
    expect(features.ociVersionMin).toBe("1.0.0");
    expect(features.ociVersionMax).toBe("1.3.0");
    expect(features.mountOptions).toEqual(
      expect.arrayContaining(["rro", "idmap", "ridmap", "tmpcopyup", "copy-symlink"]),
    );
    expect(features.linux.mountExtensions.idmap.enabled).toBe(true);
    expect(features.linux.namespaces).toEqual(expect.arrayContaining(["user", "time", "cgroup"]));
    expect(features.linux.capabilities).toHaveLength(41);
    expect(features.linux.seccomp.supportedFlags).toEqual(expect.arrayContaining(["SECCOMP_FILTER_FLAG_LOG"]));
  });

  test("each mount option that is listed is accepted, each one that isn't goes to the file system", async ({ box }) => {
    const { mountOptions } = JSON.parse((await box.ok(["features"])).stdout) as { mountOptions: string[] };
    const directory = bundle(box, (config) => {
      const binds = mountOptions.filter(
        (word) => !["idmap", "ridmap", "tmpcopyup", "bind", "rbind", "remount"].includes(word),
      );
      config.mounts.push(
        ...binds.map((word, index) => ({
          destination: `/m${index}`,
          type: "bind",
          source: "/tmp",
          options: ["bind", word],
        })),
        { destination: "/n", type: "bind", source: "/tmp", options: ["bind", "nosuchoption"] },
      );
    });
    const { problems } = await validate(box, directory);
    expect(problems.map(({ message }) => message).join()).toMatch(
      /^bind mounts cannot have any filesystem-specific options applied: "nosuchoption"[^,]*$/,
    );
  });

  test("the drivers that are listed are those that work", async ({ box }) => {
    const { linux } = JSON.parse((await box.ok(["features"])).stdout);
    const directory = bundle(box, (config) => {
      config.linux.cgroupsPath = `system.slice:tsrunc:${box.tag}`;
    });
    const result = await box.call(["--systemd-cgroup", "create", "--bundle", directory, box.newId()]);
    if (linux.cgroup.systemd) expect(result.stderr).not.toMatch(/not supported by this version/);
    else expect(result.stderr).toMatch(/not supported by this version/);
  });
});
