/** Podman, and with it conmon (CRI-O's, too): `podman --runtime dist/tsrunc`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Result } from "../harness/command.ts";
import { chosenRuntimes } from "../harness/runtimes.ts";
import { EngineLab } from "./lab.ts";

const UNCONFINED = ["--security-opt", "seccomp=unconfined"];

for (const runtime of chosenRuntimes().filter(({ name }) => name !== "crun")) {
  describe(`podman [${runtime.name}]`, () => {
    const lab = new EngineLab("podman", runtime);
    const env: Record<string, string> = {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: lab.directory,
      CONTAINERS_CONF: lab.path("containers.conf"),
      CONTAINERS_STORAGE_CONF: lab.path("storage.conf"),
    };

    function podman(...args: string[]): Promise<Result> {
      return lab.call(
        [
          "podman",
          "--tmpdir",
          lab.path("tmp"),
          "--network-config-dir",
          lab.path("net"),
          "--runtime",
          lab.runtime,
          ...args,
        ],
        { env },
      );
    }

    const start = (...args: string[]): Promise<Result> =>
      podman("run", "--network", "none", "--cgroup-parent", `/${lab.tag}`, ...UNCONFINED, ...args);

    beforeAll(async () => {
      mkdirSync(lab.path("net"));
      writeFileSync(
        lab.path("containers.conf"),
        `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
infra_image = "localhost/pause:1"
`,
      );
      writeFileSync(
        lab.path("storage.conf"),
        `[storage]
driver = "overlay"
graphroot = "${lab.path("graph")}"
runroot = "${lab.path("run")}"
`,
      );
      for (const name of ["bb", "pause"] as const) {
        const loaded = await podman("load", "-qi", lab.image(name));
        expect(loaded.code, loaded.stderr).toBe(0);
      }
    });

    afterAll(async () => {
      await podman("rm", "-af", "-t", "0");
      await lab.close();
    });

    test("run --rm prints and passes the exit code; the runtime was really called", async () => {
      const result = await start("--rm", "localhost/bb:1", "sh", "-c", "echo hello from $(hostname); exit 7");
      expect(result.stdout, result.stderr).toMatch(/^hello from \w+\n$/);
      expect(result.code).toBe(7);
      expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "delete"]));
    });

    test("a program that isn't there: exit code 127; one that can't be executed: 126", async () => {
      expect((await start("--rm", "localhost/bb:1", "/no/such")).code).toBe(127);
      expect((await start("--rm", "localhost/bb:1", "nosuchprogram")).code).toBe(127);
      expect((await start("--rm", "localhost/bb:1", "/etc/passwd")).code).toBe(126);
    });

    test("user, limits, read-only root, volume, tmpfs, hostname, environment", async () => {
      mkdirSync(lab.path("volume"), { recursive: true });
      writeFileSync(`${lab.path("volume")}/file`, "content");
      const result = await start(
        "--rm",
        "-m",
        "64m",
        "--pids-limit",
        "50",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--tmpfs",
        "/t",
        "-v",
        `${lab.path("volume")}:/data:ro`,
        "--user",
        "1000:1000",
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
        "creat",
        "/",
        "/t",
        "/data",
        ",",
        "read",
        "/data/file",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      );
      expect(result.code, result.stderr).toBe(0);
      const report = JSON.parse(result.stdout);
      expect(report.ids.uid).toEqual([1000, 1000, 1000]);
      expect(report.uts.hostname).toBe("limited");
      expect(report.caps.bounding).toBe("0000000000000000");
      expect(report.creat).toMatchObject({ "/": "EROFS", "/data": "EROFS" });
      expect(report.read["/data/file"].text).toBe("content");
    });

    test("-t gives a terminal", async () => {
      const result = await start("--rm", "-t", "localhost/bb:1", "sh", "-c", "sleep 0.5; tty");
      expect(result.stdout, result.stderr).toContain("/dev/pts/0");
    });

    test("detached: logs, kill, wait, rm", async () => {
      expect((await start("-d", "--name", "one", "localhost/bb:1", "sh", "-c", "echo started; sleep 1000")).code).toBe(
        0,
      );
      expect((await podman("inspect", "-f", "{{.State.Status}}", "one")).stdout).toBe("running\n");
      expect((await podman("kill", "-s", "KILL", "one")).code).toBe(0);
      expect((await podman("wait", "one")).stdout).toBe("137\n");
      expect((await podman("logs", "one")).stdout).toBe("started\n");
      expect((await podman("rm", "one")).code).toBe(0);
    });

    test("stop with a handler, stop without one, start again", async () => {
      await start(
        "-d",
        "--name",
        "two",
        "localhost/bb:1",
        "sh",
        "-c",
        "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done",
      );
      for (let tries = 0; tries < 50 && !(await podman("logs", "two")).stdout.includes("ready"); tries++);
      const stopped = await podman("stop", "-t", "5", "two");
      expect(stopped.stderr).toBe("");
      expect((await podman("inspect", "-f", "{{.State.ExitCode}}", "two")).stdout).toBe("5\n");
      expect((await podman("start", "two")).code).toBe(0);
      expect((await podman("rm", "-f", "-t", "0", "two")).code).toBe(0);
      await start("-d", "--name", "three", "localhost/bb:1", "sleep", "1000");
      await podman("stop", "-t", "1", "three");
      expect((await podman("inspect", "-f", "{{.State.ExitCode}}", "three")).stdout).toBe("137\n");
      expect((await podman("rm", "three")).code).toBe(0);
    });

    test("--init", async () => {
      const result = await start("--rm", "--init", "localhost/bb:1", "sh", "-c", "echo pid $$");
      expect(result.stdout, result.stderr).toMatch(/^pid [2-9]/);
    });

    test("a pod: its container joins the infra container's namespaces", async () => {
      const created = await podman(
        "pod",
        "create",
        "--name",
        "pod1",
        "--network",
        "none",
        "--share",
        "pid,ipc,net,uts",
        "--cgroup-parent",
        `/${lab.tag}`,
        ...UNCONFINED,
      );
      expect(created.code, created.stderr).toBe(0);
      const result = await podman(
        "run",
        "--rm",
        "--pod",
        "pod1",
        ...UNCONFINED,
        "localhost/bb:1",
        "cat",
        "/proc/1/comm",
      );
      expect(result.stdout, result.stderr).toBe("pause\n");
      expect((await podman("pod", "rm", "-f", "-t", "0", "pod1")).code).toBe(0);
    });

    test("info shows the runtime's version", async () => {
      const result = await podman("info", "--format", "{{.Host.OCIRuntime.Version}}");
      expect(result.stdout, result.stderr).toContain("version");
    });
  });
}
