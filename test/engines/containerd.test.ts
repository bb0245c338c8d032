/** containerd and its shim, driven by `ctr run --runc-binary dist/tsrunc`. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, type Result } from "../harness/command.ts";
import { chosenRuntimes } from "../harness/runtimes.ts";
import { EngineLab } from "./lab.ts";

for (const runtime of chosenRuntimes().filter(({ name }) => name !== "crun")) {
  describe(`containerd [${runtime.name}]`, () => {
    const lab = new EngineLab("containerd", runtime);
    const socket = lab.path("c.sock");
    const env = { PATH: process.env["PATH"] ?? "", CONTAINERD_ADDRESS: socket, CONTAINERD_NAMESPACE: lab.tag };
    const binary = [`--runc-binary=${lab.runtime}`, `--runc-root=${lab.path("rtroot")}`];

    const ctr = (...args: string[]): Promise<Result> => lab.call(["ctr", ...args], { env });
    const start = (...args: string[]): Promise<Result> => ctr("run", ...binary, ...args);

    beforeAll(async () => {
      writeFileSync(
        lab.path("config.toml"),
        `version = 2
root = "${lab.path("root")}"
state = "${lab.path("state")}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${socket}"
`,
      );
      await lab.daemon(["containerd", "-c", lab.path("config.toml")], socket);
      const imported = await ctr("image", "import", lab.image("bb"));
      expect(imported.code, imported.stderr).toBe(0);
    });

    afterAll(() => lab.close());

    test("run --rm prints and passes the exit code; the runtime was really called", async () => {
      const result = await start("--rm", "localhost/bb:1", "c1", "/bin/sh", "-c", "echo hello; exit 7");
      expect(result.stdout, result.stderr).toBe("hello\n");
      expect(result.code).toBe(7);
      expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "delete"]));
      expect(lab.calls()[0]).toEqual(
        expect.arrayContaining(["--root", `${lab.path("rtroot")}/${lab.tag}`, "--log-format", "json"]),
      );
    });

    test("a program that isn't there fails with the classic text", async () => {
      const result = await start("--rm", "localhost/bb:1", "c2", "nosuchprogram");
      expect(result.code).not.toBe(0);
      expect(result.stderr).toContain("executable file not found in $PATH");
      await ctr("container", "delete", "c2");
    });

    test("detached: limits, task list, kill, delete", async () => {
      const started = await start(
        "-d",
        "--memory-limit",
        "33554432",
        "--cpus",
        "0.5",
        "localhost/bb:1",
        "c3",
        "/bin/sleep",
        "1000",
      );
      expect(started.code, started.stderr).toBe(0);
      expect((await ctr("task", "ls")).stdout).toMatch(/c3\s+\d+\s+RUNNING/);
      expect((await ctr("task", "metrics", "c3")).stdout).toContain("33554432");
      expect((await ctr("task", "kill", "-s", "SIGKILL", "c3")).code).toBe(0);
      let listing = "";
      for (let tries = 0; tries < 50 && !listing.includes("STOPPED"); tries++)
        listing = (await ctr("task", "ls")).stdout;
      expect(listing).toMatch(/c3\s+\d+\s+STOPPED/);
      const deleted = await ctr("task", "delete", "c3");
      expect(deleted.stderr).not.toContain("rror");
      expect((await ctr("container", "delete", "c3")).code).toBe(0);
    });

    test("a terminal", async () => {
      const line = ["ctr", "run", "--rm", "-t", ...binary, "localhost/bb:1", "c4", "/bin/tty"].join(" ");
      const result = await lab.call(["script", "-qec", line, "/dev/null"], { env: { ...env, SHELL: "/bin/sh" } });
      expect(result.stdout).toContain("/dev/pts/0");
    });

    test("read-only root, environment, host network, capabilities", async () => {
      const result = await start(
        "--rm",
        "--read-only",
        "--net-host",
        "--env",
        "A=b",
        "--cap-drop",
        "CAP_CHOWN",
        "localhost/bb:1",
        "c5",
        "/probe",
        "creat",
        "/",
        ",",
        "env",
        ",",
        "net",
        ",",
        "caps",
      );
      expect(result.code, result.stderr).toBe(0);
      const report = JSON.parse(result.stdout);
      expect(report.creat).toEqual({ "/": "EROFS" });
      expect(report.env).toContain("A=b");
      expect(Number.parseInt(report.caps.bounding.slice(-1), 16) & 1).toBe(0);
    });

    test("ten containers at once", async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, i) => start("--rm", "localhost/bb:1", `many${i}`, "/bin/echo", String(i))),
      );
      expect(results.map(({ stdout, stderr }) => `${stdout}${stderr}`)).toEqual(results.map((_, i) => `${i}\n`));
    });

    test("a killed shim: the container is cleaned up with delete --force", async () => {
      expect((await start("-d", "localhost/bb:1", "c6", "/bin/sleep", "1000")).code).toBe(0);
      const pid = Number(/c6\s+(\d+)/.exec((await ctr("task", "ls")).stdout)?.[1]);
      const shim = parentOf(pid);
      process.kill(shim, "SIGKILL");
      await eventually(
        "the shim's cleanup calls delete --force",
        () => {
          const found = lab
            .calls()
            .some((call) => call.includes("delete") && call.includes("--force") && call.includes("c6"));
          return found && !running(pid) ? true : undefined;
        },
        20_000,
      );
      await ctr("task", "delete", "-f", "c6");
      await ctr("container", "delete", "c6");
    });
  });
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

function running(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
