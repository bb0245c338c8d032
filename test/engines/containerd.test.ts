/** containerd and its shim, driven by `ctr run --runc-binary dist/tsrunc`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { eventually, type Result, sleep } from "../harness/command.ts";
import { cgroupValue } from "./commandline.ts";
import { criu } from "./criu.ts";
import { Column } from "./features.ts";
import { EngineLab, runtimesFor } from "./lab.ts";

for (const runtime of runtimesFor("containerd", "containerd", "ctr", "busybox")) {
  describe(`containerd [${runtime.name}]`, () => {
    const lab = new EngineLab("containerd", runtime, "rtroot");
    const column = new Column("containerd", runtime.name);
    const socket = lab.path("c.sock");
    const path = `${criu.directory ?? ""}:${process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`;
    const env = { PATH: path, CONTAINERD_ADDRESS: socket, CONTAINERD_NAMESPACE: lab.tag };
    const binary = `--runc-binary=${lab.runtime} --runc-root=${lab.path("rtroot")}`;

    /** A command of ctr: its words in one string, then arguments that have spaces in them. */
    const ctr = (words: string, ...more: string[]): Promise<Result> =>
      lab.call(["ctr", ...words.split(" "), ...more], { env });
    const start = (words: string, ...more: string[]): Promise<Result> => ctr(`run ${binary} ${words}`, ...more);

    async function ok(words: string, ...more: string[]): Promise<string> {
      const result = await ctr(words, ...more);
      if (result.code !== 0) throw new Error(`ctr ${words}: exit ${result.code}\n${result.stderr}${result.stdout}`);
      return result.stdout;
    }

    async function until(id: string, status: string): Promise<void> {
      let listing = "";
      for (let tries = 0; tries < 100; tries++) {
        listing = await ok("task ls");
        if (new RegExp(`^${id}\\s+\\d+\\s+${status}$`, "m").test(listing)) return;
        await sleep(50);
      }
      throw new Error(`${id} isn't ${status}:\n${listing}`);
    }

    async function pidOf(id: string): Promise<number> {
      return Number(new RegExp(`^${id}\\s+(\\d+)`, "m").exec(await ok("task ls"))?.[1]);
    }

    async function remove(id: string): Promise<void> {
      await ctr(`task kill -s SIGKILL ${id}`);
      await until(id, "STOPPED");
      await ctr(`task delete ${id}`); // its exit code is the container's
      await ok(`container delete ${id}`);
    }

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
      await lab.daemon(["containerd", "-c", lab.path("config.toml")], socket, { PATH: path });
      await ok("image import", lab.image("bb"));
    });

    afterAll(async () => {
      column.write((await ok("version")).replace(/^.*Server:\s+Version:\s+(\S+).*$/s, "containerd $1"));
      await lab.close();
    });

    column.test("run", "--rm prints and passes the exit code; the runtime was really called", async () => {
      const result = await start("--rm localhost/bb:1 c1", "/bin/sh", "-c", "echo hello; exit 7");
      expect(result).toMatchObject({ stdout: "hello\n", stderr: "", code: 7 });
      expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "delete"]));
      expect(lab.calls()[0]).toEqual(
        expect.arrayContaining(["--root", `${lab.path("rtroot")}/${lab.tag}`, "--log-format", "json"]),
      );
    });

    column.test("run", "a program that isn't there fails with the classic text", async () => {
      const result = await start("--rm localhost/bb:1 c2 nosuchprogram");
      expect(result.code).not.toBe(0);
      expect(result.stderr).toContain("executable file not found in $PATH");
      await ctr("container delete c2");
    });

    column.test("detached", "listed, killed, deleted", async () => {
      expect(await start("-d localhost/bb:1 c3 /bin/sleep 1000")).toMatchObject({ code: 0, stderr: "" });
      await until("c3", "RUNNING");
      await ok("task kill -s SIGKILL c3");
      await until("c3", "STOPPED");
      expect((await ctr("task delete c3")).stderr).not.toContain("rror");
      await ok("container delete c3");
    });

    column.test("terminal", "a terminal of the container's own", async () => {
      const argv = ["ctr", "run", "--rm", "-t", ...binary.split(" "), "localhost/bb:1", "c4", "/bin/tty"];
      expect((await lab.onTerminal(argv, { env })).stdout).toContain("/dev/pts/0");
    });

    column.test("mounts", "read-only root, environment, host network, capabilities, a mount, a device", async () => {
      mkdirSync(lab.path("volume"), { recursive: true });
      const flags =
        "--rm --read-only --net-host --env A=b --cap-drop CAP_CHOWN --device /dev/fuse " +
        `--mount type=bind,src=${lab.path("volume")},dst=/data,options=rbind:ro`;
      const result = await start(`${flags} localhost/bb:1 c5 /probe creat / /data , env , net , caps , stat /dev/fuse`);
      expect(result.code, result.stderr).toBe(0);
      const report = JSON.parse(result.stdout);
      expect(report.creat).toEqual({ "/": "EROFS", "/data": "EROFS" });
      expect(report.env).toContain("A=b");
      expect(Number.parseInt(report.caps.bounding.slice(-1), 16) & 1).toBe(0);
      expect(report.stat["/dev/fuse"]).toMatchObject({ type: "char", major: 10, minor: 229 });
    });

    column.test("crash", "a killed shim: the container is cleaned up with delete --force", async () => {
      await start("-d localhost/bb:1 c6 /bin/sleep 1000");
      const pid = await pidOf("c6");
      process.kill(parentOf(pid), "SIGKILL");
      const forced = (call: readonly string[]): boolean =>
        ["delete", "--force", "c6"].every((word) => call.includes(word));
      const cleaned = (): true | undefined => (lab.calls().some(forced) && !running(pid) ? true : undefined);
      await eventually("the shim's cleanup calls delete --force", cleaned, 20_000);
      await ctr("task delete -f c6");
      await ctr("container delete c6");
    });

    if (runtime.name === "node") return; // the same code: one host is enough for the long list

    column.test("exec", "exit code, terminal, detached and killed by its id", async () => {
      await start("-d localhost/bb:1 ex /bin/sleep 1000");
      const inside = await ctr(
        "task exec --exec-id e1 --user 1000 --cwd /etc ex",
        "/bin/sh",
        "-c",
        "id -u; pwd; exit 3",
      );
      expect(inside).toMatchObject({ stdout: "1000\n/etc\n", code: 3 });
      const argv = ["ctr", "task", "exec", "-t", "--exec-id", "e2", "ex", "/bin/tty"];
      expect((await lab.onTerminal(argv, { env })).stdout).toContain("/dev/pts/");
      await ok("task exec -d --exec-id e3 ex /bin/sleep 996");
      expect(await ok("task ps ex")).toContain("e3");
      await ok("task kill --exec-id e3 -s SIGTERM ex");
      let listing = await ok("task ps ex");
      for (let tries = 0; tries < 50 && listing.includes("e3"); tries++) listing = await ok("task ps ex");
      expect(listing).not.toContain("e3");
      const missing = await ctr("task exec --exec-id e4 ex nosuchprogram");
      expect(missing.stderr).toContain("executable file not found in $PATH");
      await remove("ex");
    });

    column.test("signals", "a handler's exit code; SIGKILL to all", async () => {
      const handler = "trap 'exit 5' TERM; touch /tmp/ready; while :; do sleep 0.1; done";
      const ended = start("--rm localhost/bb:1 sig", "/bin/sh", "-c", handler);
      await until("sig", "RUNNING");
      const pid = await pidOf("sig");
      await eventually("the handler is set", () => (existsSync(`/proc/${pid}/root/tmp/ready`) ? true : undefined));
      await ok("task kill -s SIGTERM sig");
      expect((await ended).code).toBe(5);
      await start("-d localhost/bb:1 all", "/bin/sh", "-c", "sleep 995 & sleep 994");
      await ok("task kill -a -s SIGKILL all");
      await until("all", "STOPPED");
      await ctr("task delete all");
      await ok("container delete all");
      expect(lab.calls().some((call) => call.includes("kill") && call.includes("--all"))).toBe(true);
    });

    column.test("pause", "the kernel's freezer holds it; resumed, it goes on", async () => {
      await start("-d localhost/bb:1 pau /bin/sleep 1000");
      const pid = await pidOf("pau");
      await ok("task pause pau");
      await until("pau", "PAUSED");
      expect(cgroupValue(pid, "freezer", "freezer.state")).toBe("FROZEN");
      await ok("task resume pau");
      await until("pau", "RUNNING");
      expect(cgroupValue(pid, "freezer", "freezer.state")).toBe("THAWED");
      await remove("pau");
    });

    column.test("limits", "memory and cpu are what the kernel has; an OOM kill is an event", async () => {
      await start("-d --memory-limit 33554432 --cpus 0.5 localhost/bb:1 lim /bin/sleep 1000");
      const pid = await pidOf("lim");
      expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).toBe("33554432");
      expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).toBe("50000");
      await remove("lim");
      const events = lab.call(["timeout", "8", "ctr", "events"], { env });
      await sleep(300);
      await start(
        "--rm --memory-limit 16777216 localhost/bb:1 oom",
        "/bin/sh",
        "-c",
        "sleep 0.5; /probe alloc 100; sleep 1",
      );
      expect((await events).stdout).toContain("/tasks/oom");
    });

    column.test("stats", "metrics from the cgroup; ps from the runtime", async () => {
      await start("-d --memory-limit 33554432 localhost/bb:1 sta", "/bin/sh", "-c", "sleep 993 & exec sleep 992");
      const metrics = JSON.parse(await ok("task metrics --format json sta"));
      expect(metrics.pids.current).toBe(2);
      expect(metrics.memory.usage.limit).toBe(33554432);
      expect((await ok("task ps sta")).trim().split("\n")).toHaveLength(3);
      expect(lab.commands()).toContain("ps");
      await remove("sta");
    });

    column.test("seccomp", "containerd's own profile", async () => {
      const guarded = JSON.parse((await start("--rm --seccomp localhost/bb:1 sec /probe process")).stdout);
      expect(guarded.process.seccomp).toBe(2);
      const free = JSON.parse((await start("--rm localhost/bb:1 sec2 /probe process")).stdout);
      expect(free.process.seccomp).toBe(0);
    });

    column.test("userns", "a config with mappings", async () => {
      await start("-d localhost/bb:1 cfg /bin/true");
      const made = JSON.parse(await ok("container info --spec cfg"));
      await until("cfg", "STOPPED");
      await ctr("task delete cfg");
      await ok("container delete cfg");
      made.root.path = lab.path("bb-root");
      made.process.args = ["/probe", "ids", ",", "read", "/proc/self/uid_map"];
      made.linux.namespaces.push({ type: "user" });
      made.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 5000 }];
      made.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 5000 }];
      made.linux.cgroupsPath = `/${lab.tag}/mapped`;
      writeFileSync(lab.path("spec.json"), JSON.stringify(made));
      const result = await start(`--rm --config ${lab.path("spec.json")} mapped`);
      expect(result.code, result.stderr).toBe(0);
      expect(JSON.parse(result.stdout).read["/proc/self/uid_map"].text).toMatch(/0\s+100000\s+5000/);
    });

    column.test("many", "fifty at once", async () => {
      const numbers = Array.from({ length: 50 }, (_, i) => i);
      const results = await Promise.all(numbers.map((i) => start(`--rm localhost/bb:1 many${i} /bin/echo ${i}`)));
      expect(results.map(({ stdout, stderr }) => `${stdout}${stderr}`)).toEqual(numbers.map((i) => `${i}\n`));
    });

    if (criu.directory === undefined) column.absent("checkpoint", criu.reason);
    else {
      column.test("checkpoint", "of a task, which is stopped and restored elsewhere", async () => {
        await start(
          "-d localhost/bb:1 chk",
          "/bin/sh",
          "-c",
          "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.1; done",
        );
        const count = (pid: number): number => Number(readFileSync(`/proc/${pid}/root/tmp/count`, "utf8") || 0);
        const pid = await pidOf("chk");
        const counted = (of: number, least: number) => (): true | undefined => {
          try {
            return count(of) >= least ? true : undefined;
          } catch {
            return undefined; // not written yet
          }
        };
        await eventually("it counts", counted(pid, 5));
        await ok("container checkpoint --task --rw --image chk localhost/chk:1");
        const reached = count(pid);
        await remove("chk");
        await ok("container restore --live --rw chk2 localhost/chk:1");
        await eventually("it goes on from there", counted(await pidOf("chk2"), reached));
        expect(lab.commands()).toEqual(expect.arrayContaining(["checkpoint", "restore"]));
        await remove("chk2");
      });
    }

    column.absent("update", "ctr 1.6 has no command for it; CRI has");
    column.absent("kube", "that is CRI's part");
  });
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

function running(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
