/** deploy/kubernetes/install.sh, on nodes that are directories; and containerd reads what it has written. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { repository } from "../harness/paths.ts";

const k3s = "var/lib/rancher/k3s/agent/etc/containerd";

describe("installer", () => {
  let node: string;

  beforeEach(() => {
    node = mkdtempSync(join(tmpdir(), "tsrunc-node-"));
  });
  afterEach(() => rmSync(node, { recursive: true }));

  function install(...args: string[]): { code: number | null; stdout: string; stderr: string } {
    const argv = [join(repository, "deploy/kubernetes/install.sh"), ...args, node];
    const { status, stdout, stderr } = spawnSync("sh", argv, { encoding: "utf8" });
    return { code: status, stdout, stderr };
  }

  function put(path: string, text: string): string {
    const file = join(node, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  test.each(["2", "3"])("containerd, version %s: added once, taken away without a trace", (version) => {
    const before = `version = ${version}\n# mine\n`;
    const config = put("etc/containerd/config.toml", before);
    expect(install()).toMatchObject({ code: 0, stderr: "" });
    const installed = join(node, "usr/local/bin/tsrunc");
    expect(statSync(installed).mode & 0o777).toBe(0o755);
    expect(readFileSync(installed).equals(readFileSync(join(repository, "dist/tsrunc")))).toBe(true);
    expect(readFileSync(config, "utf8")).toContain('BinaryName = "/usr/local/bin/tsrunc"');
    expect(install()).toMatchObject({ code: 0, stdout: "nothing to do\n" });
    expect(install("--remove")).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(config, "utf8")).toBe(before);
    expect(existsSync(installed)).toBe(false);
  });

  test.skipIf(!existsSync("/usr/bin/containerd"))("containerd reads the handler out of it", () => {
    const config = put("etc/containerd/config.toml", "version = 2\n");
    install();
    const dump = execFileSync("containerd", ["--config", config, "config", "dump"], { encoding: "utf8" });
    const handler = dump.slice(dump.indexOf("containerd.runtimes.tsrunc.options]"));
    expect(handler.slice(0, 400)).toContain('BinaryName = "/usr/local/bin/tsrunc"');
  });

  test("CRI-O: a file of its own", () => {
    mkdirSync(join(node, "etc/crio"), { recursive: true });
    expect(install()).toMatchObject({ code: 0, stderr: "" });
    const config = join(node, "etc/crio/crio.conf.d/10-tsrunc.conf");
    expect(readFileSync(config, "utf8")).toContain('runtime_path = "/usr/local/bin/tsrunc"');
    expect(install()).toMatchObject({ stdout: "nothing to do\n" });
    install("--remove");
    expect(existsSync(config)).toBe(false);
  });

  test("k3s: a template; somebody else's is left alone", () => {
    mkdirSync(join(node, k3s), { recursive: true });
    expect(install()).toMatchObject({ code: 0, stderr: "" });
    const template = join(node, k3s, "config-v3.toml.tmpl");
    expect(readFileSync(template, "utf8")).toMatch(/^\{\{ template "base" \. \}\}/);
    writeFileSync(template, "mine\n");
    expect(install()).toMatchObject({ code: 1, stderr: expect.stringContaining("somebody else's") });
    expect(readFileSync(template, "utf8")).toBe("mine\n");
  });

  test("a node without an engine, or with an unknown version of its file, is refused", () => {
    expect(install()).toMatchObject({ code: 1, stderr: expect.stringContaining("no k3s, CRI-O or containerd") });
    put("etc/containerd/config.toml", "version = 1\n");
    expect(install()).toMatchObject({ code: 1, stderr: expect.stringContaining('version "1"') });
  });
});
