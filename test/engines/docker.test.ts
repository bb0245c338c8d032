/** dockerd with `--add-runtime`: the runtime as Docker's users get it. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { eventually, sleep } from "../harness/command.ts";
import { answersAtPort, CommandLine, counting, everyday, thorough } from "./commandline.ts";
import { criu } from "./criu.ts";
import { Column } from "./features.ts";
import { EngineLab, runtimesFor } from "./lab.ts";

for (const runtime of runtimesFor("docker", "docker", "dockerd", "containerd", "busybox")) {
  describe(`docker [${runtime.name}]`, () => {
    const lab = new EngineLab("docker", runtime, "exec/runtime-runc");
    const column = new Column("docker", runtime.name);
    const socket = lab.path("d.sock");
    const env = {
      PATH: `${lab.path("bin")}:${criu.directory ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin`, // bin/runc is ours: BuildKit in the daemon calls that
      HOME: lab.directory,
      DOCKER_HOST: `unix://${socket}`,
    };
    const client = { name: "docker", argv: ["/usr/bin/docker"], env, flags: `--cgroup-parent /${lab.tag}` } as const;
    const cli = new CommandLine(lab, client);
    let inside: string[];

    const configuration = {
      ...JSON.parse(lab.deployed("docker/daemon.json")),
      "live-restore": true,
      experimental: true, // for checkpoints
      "data-root": lab.path("data"),
      "exec-root": lab.path("exec"),
      pidfile: lab.path("pid"),
      "cgroup-parent": `/${lab.tag}`,
      bip: "10.77.0.1/24",
    };

    async function startDaemon(): Promise<void> {
      rmSync(socket, { force: true });
      const argv = [...inside, "dockerd", "-H", `unix://${socket}`, "--config-file", lab.path("daemon.json")];
      await lab.daemon(argv, socket, env);
      for (let tries = 0; tries < 100 && (await cli.call("version")).code !== 0; tries++) await sleep(100);
    }

    beforeAll(async () => {
      inside = await lab.startNetwork();
      mkdirSync(lab.path("bin"));
      symlinkSync(lab.runtime, `${lab.path("bin")}/runc`);
      writeFileSync(lab.path("daemon.json"), JSON.stringify(configuration));
      await startDaemon();
      await cli.ok("load -qi", lab.image("bb"));
    });

    afterAll(async () => {
      const ids = (await cli.call("ps -aq")).stdout.split("\n").filter((id) => id !== "");
      if (ids.length > 0) await cli.call("rm -f", ...ids);
      column.write((await cli.call("version --format", "Docker {{.Server.Version}}")).stdout.trim());
      await lab.close();
    });

    everyday(cli, lab, column);
    if (runtime.name === "node") return; // the same code: one host is enough for the long list
    thorough(cli, lab, column);

    column.test("network", "a bridge: address, route, a published port", async () => {
      const report = await answersAtPort(cli, lab, { inside, port: 8081, network: "" });
      expect(report.read["/proc/net/route"]?.text).toContain("eth0\t00000000\t01004D0A");
    });

    column.test("health", "healthy, and unhealthy when the check fails", async () => {
      const check = ["--health-cmd=test -e /ok", "--health-interval=0.5s", "--health-retries=2"];
      const words = `run -d --name hea --network none ${client.flags}`;
      await cli.ok(words, ...check, "localhost/bb:1", "sh", "-c", "touch /ok; sleep 1000");
      await cli.until("hea", ".State.Health.Status", "healthy");
      await cli.ok("exec hea rm /ok");
      await cli.until("hea", ".State.Health.Status", "unhealthy");
      await cli.remove("hea");
    });

    column.test("build", "with the classic builder and with BuildKit: RUN steps run in the runtime", async () => {
      mkdirSync(lab.path("context"));
      writeFileSync(
        `${lab.path("context")}/Dockerfile`,
        'FROM localhost/bb:1\nARG HOW\nRUN ["/bin/sh", "-c", "echo built $HOW > /tmp/made"]\nCMD ["cat", "/tmp/made"]\n',
      );
      for (const [how, kit] of [
        ["classic", "0"],
        ["buildkit", "1"],
      ] as const) {
        const before = lab.calls().length;
        const argv = [
          ...client.argv,
          "build",
          "-q",
          "--no-cache",
          "--build-arg",
          `HOW=${how}`,
          "-t",
          `made:${how}`,
          lab.path("context"),
        ];
        const built = await lab.call(argv, { env: { ...env, DOCKER_BUILDKIT: kit } });
        expect(built.code, built.stderr).toBe(0);
        expect(lab.commands().slice(before)).toContain(kit === "0" ? "create" : "run");
        expect(await cli.ok(`run --rm --network none ${client.flags} made:${how}`)).toBe(`built ${how}\n`);
      }
    });

    column.test("crash", "the daemon is restarted: the container goes on, and is still the daemon's", async () => {
      await cli.start("-d --name liv", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done");
      const pid = await cli.inspect("liv", ".State.Pid");
      await lab.stopDaemon();
      expect(existsSync(`/proc/${pid}/exe`)).toBe(true);
      await startDaemon();
      expect(await cli.inspect("liv", ".State.Pid")).toBe(pid);
      expect(await cli.ok("exec liv echo still")).toBe("still\n");
      await cli.ok("stop -t 5 liv");
      expect(await cli.inspect("liv", ".State.ExitCode")).toBe("5");
      await cli.remove("liv");
    });

    column.test("crash", "a killed shim: the container is cleaned up", async () => {
      await cli.start("-d --name shi", "sleep", "1000");
      const pid = Number(await cli.inspect("shi", ".State.Pid"));
      const shim = execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" });
      process.kill(Number(shim), "SIGKILL");
      await eventually("the container is gone", () => (existsSync(`/proc/${pid}/exe`) ? undefined : true), 20_000);
      await cli.until("shi", ".State.Status", "exited");
      await cli.ok("start shi");
      await cli.remove("shi");
    });

    column.test("version", "info and version show ours; the runtime is the default", async () => {
      const own = (await lab.call([lab.runtime, "--version"])).stdout;
      const version = /version (\S+)/.exec(own)?.[1] ?? "no version";
      const shown = await cli.ok("version --format", "{{range .Server.Components}}{{.Name}} {{.Version}};{{end}}");
      expect(shown).toContain(`tsrunc ${version};`);
      expect(await cli.ok("info --format", "{{.DefaultRuntime}} {{json .Runtimes}}")).toContain(lab.runtime);
    });

    if (criu.directory === undefined) column.absent("checkpoint", criu.reason);
    else {
      column.test("checkpoint", "a container is stopped with one, and goes on from there", async () => {
        await cli.start("-d --name chk --security-opt seccomp=unconfined", "sh", "-c", counting);
        await cli.counted("chk", 5);
        await cli.ok("checkpoint create chk one");
        await cli.until("chk", ".State.Status", "exited");
        // Docker puts the checkpoint into containerd's store again, which refuses it until it has forgotten the first
        for (let tries = 0; ; tries++) {
          const { code, stderr } = await cli.call("start --checkpoint one chk");
          if (code === 0) break;
          if (tries === 40 || !/upload checkpoint.*already exists/.test(stderr)) throw new Error(stderr);
          await sleep(250);
        }
        await cli.counted("chk", 6);
        expect(lab.commands()).toEqual(expect.arrayContaining(["checkpoint", "restore"]));
        await cli.remove("chk");
      });
    }

    column.test("userns", "a daemon with userns-remap: run, exec, a volume, a tmpfs, stop", async () => {
      // "daemon" is an account that every Debian has; its subordinate ids are only there for this daemon
      const ids = "daemon:300000:65536\n";
      const seeing = await lab.startWithFiles({ "/etc/subuid": ids, "/etc/subgid": ids });
      const remapped = lab.path("remapped.sock");
      const before = lab.calls().length;
      const places = { "data-root": lab.path("data2"), "exec-root": lab.path("exec2"), pidfile: lab.path("pid2") };
      const { bip: _bridge, ...rest } = configuration;
      const settings = { ...rest, ...places, "live-restore": false, bridge: "none", "userns-remap": "daemon" };
      writeFileSync(lab.path("remapped.json"), JSON.stringify(settings));
      const argv = ["dockerd", "-H", `unix://${remapped}`, "--config-file", lab.path("remapped.json")];
      await lab.daemon([...seeing, ...inside, ...argv], remapped, env);
      const user = new CommandLine(lab, { ...client, env: { ...env, DOCKER_HOST: `unix://${remapped}` } });
      for (let tries = 0; tries < 100 && (await user.call("version")).code !== 0; tries++) await sleep(100);
      await user.ok("load -qi", lab.image("bb"));

      const report = await user.probe(
        "-v vol:/data --tmpfs /t",
        "ids , read /proc/self/uid_map , creat / /data /t /sys",
      );
      expect(report.ids.uid).toEqual([0, 0, 0]);
      expect(report.read["/proc/self/uid_map"]?.text).toMatch(/^\s*0\s+300000\s+65536\n$/);
      expect(report.creat).toEqual({ "/": "ok", "/data": "ok", "/t": "ok", "/sys": "EROFS" });
      await user.start("-d --name rem -v vol:/data", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done");
      await user.ok("exec rem touch /data/made");
      const volume = (await user.ok("volume inspect -f", "{{.Mountpoint}}", "vol")).trim();
      expect(volume).toContain("/300000.300000/");
      expect(statSync(`${volume}/made`)).toMatchObject({ uid: 300_000, gid: 300_000 });
      const pid = await user.inspect("rem", ".State.Pid");
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\s+300000\b/m);
      expect(await user.ok("exec -u 1000:1000 rem id")).toContain("uid=1000");
      expect(JSON.parse(await user.ok("exec --privileged rem /probe ids")).ids.uid).toEqual([0, 0, 0]);
      await user.ok("stop -t 5 rem");
      expect(await user.inspect("rem", ".State.ExitCode")).toBe("5");
      await user.ok("start rem");
      await user.remove("rem");
      await user.ok("volume rm vol");
      const called = lab.commands().slice(before);
      expect(called).toEqual(expect.arrayContaining(["create", "start", "exec", "kill", "delete"]));
      await lab.stopDaemon();
      expect(
        existsSync(`${lab.path("exec2")}/runtime-runc/moby`) && readdirSync(`${lab.path("exec2")}/runtime-runc/moby`),
      ).toEqual([]);
    });

    column.absent("pods", "Docker has none; --network container: and its like are under namespaces");
    column.absent("kube", "Docker has no part of it");
    column.absent("nocgroup", "Docker has no such option");
    column.absent("secrets", "Docker has them in swarm mode alone");
  });
}
