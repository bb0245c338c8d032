/** dockerd with `--add-runtime`: the runtime as Docker's users get it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Result } from "../harness/command.ts";
import { chosenRuntimes } from "../harness/runtimes.ts";
import { EngineLab } from "./lab.ts";

for (const runtime of chosenRuntimes().filter(({ name }) => name !== "crun")) {
  describe(`docker [${runtime.name}]`, () => {
    const lab = new EngineLab("docker", runtime);
    const socket = lab.path("d.sock");
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: lab.directory, DOCKER_HOST: `unix://${socket}` };

    const docker = (...args: string[]): Promise<Result> => lab.call(["/usr/bin/docker", ...args], { env });
    const start = (...args: string[]): Promise<Result> =>
      docker(
        "run",
        "--runtime=tsrunc",
        "--network=none",
        "--cgroup-parent",
        `/${lab.tag}`,
        "--security-opt",
        "seccomp=unconfined",
        ...args,
      );

    beforeAll(async () => {
      writeFileSync(lab.path("none.json"), "{}");
      await lab.daemon(
        [
          "dockerd",
          "--data-root",
          lab.path("data"),
          "--exec-root",
          lab.path("exec"),
          "--pidfile",
          lab.path("pid"),
          "-H",
          `unix://${socket}`,
          "--config-file",
          lab.path("none.json"),
          "--add-runtime",
          `tsrunc=${lab.runtime}`,
          "--bridge=none",
          "--iptables=false",
          "--ip6tables=false",
        ],
        socket,
        env,
      );
      let loaded = await docker("load", "-qi", lab.image("bb"));
      for (let tries = 0; tries < 50 && loaded.code !== 0; tries++)
        loaded = await docker("load", "-qi", lab.image("bb"));
      expect(loaded.code, loaded.stderr).toBe(0);
    });

    afterAll(async () => {
      const ids = (await docker("ps", "-aq")).stdout.split("\n").filter((id) => id !== "");
      if (ids.length > 0) await docker("rm", "-f", ...ids);
      await lab.close();
    });

    test("run --rm prints and passes the exit code; the runtime was really called", async () => {
      const result = await start("--rm", "localhost/bb:1", "sh", "-c", "echo hello; exit 7");
      expect(result.stdout, result.stderr).toBe("hello\n");
      expect(result.code).toBe(7);
      expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "delete"]));
    });

    test("exit codes 126 and 127 come from the runtime's words", async () => {
      expect((await start("--rm", "localhost/bb:1", "nosuchprogram")).code).toBe(127);
      expect((await start("--rm", "localhost/bb:1", "/etc/passwd")).code).toBe(126);
    });

    test("limits, user, read-only, capabilities, tmpfs, volume, init", async () => {
      mkdirSync(lab.path("volume"), { recursive: true });
      const result = await start(
        "--rm",
        "-m",
        "64m",
        "--memory-swap",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "50",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CHOWN",
        "--tmpfs",
        "/t",
        "-v",
        `${lab.path("volume")}:/data:ro`,
        "--init",
        "--user",
        "1000:1000",
        "--security-opt",
        "no-new-privileges",
        "-w",
        "/tmp",
        "-e",
        "A=b",
        "--hostname",
        "limited",
        "localhost/bb:1",
        "/probe",
        "ids",
        ",",
        "uts",
        ",",
        "caps",
        ",",
        "cwd",
        ",",
        "creat",
        "/",
        "/data",
        ",",
        "process",
        ",",
        "read",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      );
      expect(result.code, result.stderr).toBe(0);
      const report = JSON.parse(result.stdout);
      expect(report).toMatchObject({
        cwd: "/tmp",
        uts: { hostname: "limited" },
        creat: { "/": "EROFS", "/data": "EROFS" },
        process: { noNewPrivs: 1 },
      });
      expect(report.ids.uid).toEqual([1000, 1000, 1000]);
      expect(report.caps.bounding).toBe("0000000000000001");
      expect(report.process.pid).not.toBe(1);
    });

    test("-t gives a terminal", async () => {
      const result = await start("--rm", "-t", "localhost/bb:1", "tty");
      expect(result.stdout, result.stderr).toContain("/dev/pts/0");
    });

    test("detached: logs, stop with a handler, restart, kill, rm", async () => {
      expect(
        (
          await start(
            "-d",
            "--name",
            "one",
            "localhost/bb:1",
            "sh",
            "-c",
            "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done",
          )
        ).code,
      ).toBe(0);
      for (let tries = 0; tries < 50 && !(await docker("logs", "one")).stdout.includes("ready"); tries++);
      expect((await docker("stop", "-t", "5", "one")).code).toBe(0);
      expect((await docker("inspect", "-f", "{{.State.ExitCode}}", "one")).stdout).toBe("5\n");
      expect((await docker("start", "one")).code).toBe(0);
      expect((await docker("kill", "one")).code).toBe(0);
      expect((await docker("wait", "one")).stdout).toBe("137\n");
      expect((await docker("rm", "one")).code).toBe(0);
    });

    test("an OOM kill is seen", async () => {
      await start(
        "--name",
        "oom",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "localhost/bb:1",
        "sh",
        "-c",
        "/probe alloc 100; exit 3",
      );
      expect((await docker("inspect", "-f", "{{.State.OOMKilled}}", "oom")).stdout).toBe("true\n");
      expect((await docker("rm", "oom")).code).toBe(0);
    });
  });
}
