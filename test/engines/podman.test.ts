/** Podman, and with it conmon (CRI-O's, too): the runtime by its name from containers.conf. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { membership, v2 } from "../harness/cgroup.ts";
import { eventually } from "../harness/command.ts";
import type { Report } from "../harness/probe.ts";
import { answersAtPort, CommandLine, counting, everyday, thorough } from "./commandline.ts";
import { criu } from "./criu.ts";
import { Column } from "./features.ts";
import { EngineLab, runtimesFor } from "./lab.ts";

for (const runtime of runtimesFor("podman", "podman", "conmon", "busybox")) {
  describe(`podman [${runtime.name}]`, () => {
    const lab = new EngineLab("podman", runtime, "own");
    const column = new Column("podman", runtime.name);
    const env: Record<string, string> = {
      PATH: `${criu.directory ?? ""}:${process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`,
      HOME: lab.directory,
      CONTAINERS_CONF: lab.path("containers.conf"),
      CONTAINERS_STORAGE_CONF: lab.path("storage.conf"),
    };
    const flags = `--cgroup-parent /${lab.tag}`;
    const words = ["podman", "--tmpdir", lab.path("tmp"), "--network-config-dir", lab.path("net")];
    const client = { name: "podman", argv: [] as string[], env, flags } as const;
    const cli = new CommandLine(lab, client);

    beforeAll(async () => {
      client.argv.push(...(await lab.startNetwork()), ...words);
      mkdirSync(lab.path("net"));
      const settings = lab.deployed("podman/tsrunc.conf").replace("[engine]", `[engine]\n${ownSettings}`);
      writeFileSync(lab.path("containers.conf"), `${limits}\n${settings}`);
      writeFileSync(
        lab.path("storage.conf"),
        `[storage]\ndriver = "overlay"\ngraphroot = "${lab.path("graph")}"\nrunroot = "${lab.path("run")}"\n`,
      );
      for (const name of ["bb", "pause"] as const) await cli.ok("load -qi", lab.image(name));
    });

    afterAll(async () => {
      await cli.call("pod rm -af -t 0");
      await cli.call("rm -af -t 0");
      column.write((await cli.call("version --format", "Podman {{.Client.Version}}")).stdout.trim());
      await lab.close();
    });

    everyday(cli, lab, column);
    if (runtime.name === "node") return; // the same code: one host is enough for the long list
    thorough(cli, lab, column);

    column.test("network", "a bridge made by CNI plugins: address, route, a published port", async () => {
      await cli.ok("network create --subnet 10.79.0.0/24 bridged");
      const inside = client.argv.slice(0, 2);
      await answersAtPort(cli, lab, { inside, port: 8082, network: "--network bridged" });
      await cli.ok("network rm bridged");
    });

    column.test("health", "a check is an exec: healthy, then not", async () => {
      const check = ["--health-cmd=test -e /ok", "--health-interval=disable"];
      const words = `run -d --name hea --network none ${flags}`;
      await cli.ok(words, ...check, "localhost/bb:1", "sh", "-c", "touch /ok; echo ready; sleep 1000");
      await cli.logged("hea", "ready");
      expect((await cli.call("healthcheck run hea")).code).toBe(0);
      await cli.ok("exec hea rm /ok");
      expect((await cli.call("healthcheck run hea")).code).toBe(1);
      await cli.remove("hea");
    });

    column.test("userns", "--uidmap; keep-groups leaves the caller's groups", async () => {
      const mapped = await cli.probe("--uidmap 0:100000:5000 --gidmap 0:100000:5000", "ids , read /proc/self/uid_map");
      expect(mapped.ids.uid).toEqual([0, 0, 0]);
      expect(mapped.read["/proc/self/uid_map"]?.text).toMatch(/0\s+100000\s+5000/);
      const grouped = await lab.call(
        [
          "setpriv",
          "--groups",
          "4321",
          ...client.argv,
          "run",
          "--rm",
          "--network",
          "none",
          ...flags.split(" "),
          "--group-add",
          "keep-groups",
          "localhost/bb:1",
          "/probe",
          "ids",
        ],
        { env },
      );
      expect(grouped.code, grouped.stderr).toBe(0);
      expect(JSON.parse(grouped.stdout).ids.groups).toContain(4321);
    });

    column.test("userns", "--userns=auto: a range for each container, none of them another's", async () => {
      const ids = "containers:200000:4096\n";
      const before = lab.calls().length;
      const seeing = await lab.startWithFiles({ "/etc/subuid": ids, "/etc/subgid": ids });
      const auto = new CommandLine(lab, { ...client, argv: [...seeing, ...client.argv] });
      for (const name of ["auto1", "auto2"]) {
        await auto.start(`-d --name ${name} --userns=auto:size=1024 -v ${name}:/data:U --tmpfs /t`, "sleep", "1000");
      }
      const ranges: number[] = [];
      for (const name of ["auto1", "auto2"]) {
        const questions = "ids , read /proc/self/uid_map /proc/self/gid_map , creat / /data /t".split(" ");
        const report: Report = JSON.parse(await auto.ok(`exec ${name} /probe`, ...questions));
        expect(report.ids.uid).toEqual([0, 0, 0]);
        expect(report.creat).toEqual({ "/": "ok", "/data": "ok", "/t": "ok" });
        const [inner, outer = 0, size] = (report.read["/proc/self/uid_map"]?.text ?? "")
          .trim()
          .split(/\s+/)
          .map(Number);
        expect([inner, size]).toEqual([0, 1024]);
        expect(outer >= 200_000 && outer + 1024 <= 204_096, `begins at ${outer}`).toBe(true);
        expect(report.read["/proc/self/gid_map"]?.text).toBe(report.read["/proc/self/uid_map"]?.text);
        const pid = await auto.inspect(name, ".State.Pid");
        expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(new RegExp(`^Uid:\\s+${outer}\\b`, "m"));
        ranges.push(outer);
      }
      expect(Math.abs((ranges[0] ?? 0) - (ranges[1] ?? 0))).toBeGreaterThanOrEqual(1024);
      expect(lab.commands().slice(before)).toEqual(expect.arrayContaining(["create", "start", "exec"]));
      await auto.remove("auto1", "auto2");
      await auto.ok("volume rm auto1 auto2");
    });

    column.test("pods", "containers join the infra container's namespaces; stop and start of the whole", async () => {
      await cli.ok(`pod create --name pod1 --network none --share pid,ipc,net,uts --hostname together ${flags}`);
      expect(await cli.ok("run --rm --pod pod1 localhost/bb:1 cat /proc/1/comm")).toBe("pause\n");
      await cli.ok("run -d --name member --pod pod1 localhost/bb:1 sleep 1000");
      expect(await cli.ok("exec member hostname")).toBe("together\n");
      await cli.ok("pod pause pod1");
      expect(await cli.inspect("member", ".State.Status")).toBe("paused");
      await cli.ok("pod unpause pod1");
      await cli.ok("pod stop -t 0 pod1");
      await cli.ok("pod start pod1");
      expect(await cli.inspect("member", ".State.Status")).toBe("running");
      await cli.ok("pod rm -f -t 0 pod1");
    });

    column.test("kube", "play kube: a pod from a manifest, with limits and a security context", async () => {
      writeFileSync(lab.path("pod.yaml"), manifest);
      await cli.ok(`play kube --network none ${lab.path("pod.yaml")}`);
      const pid = await cli.inspect("web-main", ".State.Pid");
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\s+1000/m);
      await cli.logged("web-main", "EROFS");
      expect(await cli.ok("logs web-main")).toContain("from the manifest");
      await cli.ok(`play kube --down ${lab.path("pod.yaml")}`);
    });

    column.test("nocgroup", "--cgroups=disabled: the container stays in the caller's cgroup", async () => {
      const own = readFileSync("/proc/self/cgroup", "utf8");
      const inside = await cli.ok(
        "run --rm --network none --cgroups=disabled --cgroupns host localhost/bb:1 cat /proc/self/cgroup",
      );
      const memory = (text: string) => /^\d+:memory:(.*)$/m.exec(text)?.[1];
      expect(memory(inside)).toBe(memory(own));
      expect(lab.calls().some((call) => call.includes("--cgroup-manager") && call.includes("disabled"))).toBe(true);
    });

    column.test(
      "nocgroup",
      "--cgroups=split: one below the caller's cgroup for conmon, one for the container",
      async () => {
        const join = [...membership("self").keys()].map((controller) => {
          const at = v2 ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${cgroupMount(controller)}`;
          return `enter ${at}`;
        });
        const argv = ["sh", "-c", `${entering(lab.tag)}\n${join.join("\n")}\nexec "$@"`, "sh", ...client.argv];
        const split = new CommandLine(lab, { ...client, argv });
        const before = lab.calls().length;
        await split.ok("run -d --name spl --network none --cgroups=split localhost/bb:1 sleep 1000");
        const id = await cli.inspect("spl", ".Id");
        for (const [process, name] of [
          [".State.Pid", `libpod-payload-${id}`],
          [".State.ConmonPid", "runtime"],
        ] as const) {
          const paths = membership(Number(await cli.inspect("spl", process)));
          expect(paths.get(v2 ? "" : "memory"), process).toBe(`/${lab.tag}/split/${name}`);
        }
        expect(await cli.ok("exec spl echo in")).toBe("in\n");
        await cli.ok("stop -t 0 spl");
        await cli.remove("spl");
        expect(lab.commands().slice(before)).toEqual(expect.arrayContaining(["create", "start", "exec", "delete"]));
      },
    );

    column.test("secrets", "as a file and as a variable", async () => {
      writeFileSync(lab.path("secret"), "hidden");
      await cli.ok(`secret create sec ${lab.path("secret")}`);
      const result = await cli.output(
        "--secret sec --secret sec,type=env,target=SEC",
        "sh",
        "-c",
        "cat /run/secrets/sec; echo $SEC",
      );
      expect(result.stdout, result.stderr).toBe("hiddenhidden\n");
      await cli.ok("secret rm sec");
    });

    column.test("build", "RUN steps run in the runtime (buildah's OCI isolation)", async () => {
      mkdirSync(lab.path("context"));
      writeFileSync(
        `${lab.path("context")}/Dockerfile`,
        'FROM localhost/bb:1\nRUN ["/bin/sh", "-c", "echo built > /tmp/made"]\nCMD ["cat", "/tmp/made"]\n',
      );
      const before = lab.calls().length;
      await cli.ok(
        `build -q --isolation oci --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -t made:1 ${lab.path("context")}`,
      );
      expect(lab.commands().slice(before)).toEqual(expect.arrayContaining(["create", "start", "delete"]));
      expect(await cli.ok(`run --rm --network none ${flags} made:1`)).toBe("built\n");
    });

    if (criu.directory === undefined) column.absent("checkpoint", criu.reason);
    else {
      column.test("checkpoint", "restored in place; exported, and imported under another name", async () => {
        await cli.start("-d --name chk", "sh", "-c", counting);
        await cli.counted("chk", 5);
        await cli.ok("container checkpoint chk");
        await cli.ok("container restore chk");
        await cli.counted("chk", 6);
        await cli.ok(`container checkpoint -e ${lab.path("chk.tar")} chk`);
        await cli.remove("chk");
        await cli.ok(`container restore -i ${lab.path("chk.tar")} -n chk2`);
        await cli.counted("chk2", 7);
        await cli.remove("chk2");
        expect(lab.commands()).toEqual(expect.arrayContaining(["checkpoint", "restore"]));
      });
    }

    column.test("crash", "a killed conmon: the container can still be stopped and removed", async () => {
      await cli.start("-d --name cra", "sleep", "1000");
      const pid = await cli.inspect("cra", ".State.Pid");
      const conmon = await cli.inspect("cra", ".State.ConmonPid");
      process.kill(Number(conmon), "SIGKILL");
      const id = await cli.inspect("cra", ".Id");
      await cli.ok("rm -f -t 0 cra");
      await eventually("the container is gone", () => (existsSync(`/proc/${pid}/exe`) ? undefined : true), 20_000);
      // Podman 4.3 forgets to tell the runtime, whichever it is.
      expect(await lab.call([lab.runtime, "delete", "--force", id])).toMatchObject({ code: 0, stderr: "" });
    });

    column.test("version", "info shows ours", async () => {
      const own = execFileSync(lab.runtime, ["--version"], { encoding: "utf8" });
      const shown = await cli.ok(
        "info --format",
        "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}",
      );
      expect(shown).toContain(`tsrunc ${lab.runtime}`);
      expect(shown).toContain(own.split("\n")[0]);
    });
  });
}

/** This kind of machine can't raise hard limits. */
const limits = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
cni_plugin_dirs = ["/usr/lib/cni"]`;

/** The name of a controller's hierarchy among the mounts. */
const cgroupMount = (controller: string): string => {
  if (controller === "") return "unified";
  return controller.startsWith("name=") ? controller.slice("name=".length) : controller;
};

/** A shell function that puts the shell into a cgroup of the lab's; a cpuset takes nobody in before it has CPUs. */
const entering = (tag: string): string => `enter() {
  [ -d $1 ] || return 0
  mkdir -p $1/${tag}/split
  for f in cpuset.cpus cpuset.mems; do
    [ ! -e $1/$f ] || { cat $1/$f >$1/${tag}/$f; cat $1/$f >$1/${tag}/split/$f; }
  done
  echo $$ >$1/${tag}/split/cgroup.procs
}`;

const ownSettings = `cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
infra_image = "localhost/pause:1"`;

const manifest = `apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: main
    image: localhost/bb:1
    imagePullPolicy: Never
    command: ["sh", "-c", "echo $GREETING; /probe creat /; sleep 1000"]
    env:
    - name: GREETING
      value: from the manifest
    resources:
      limits:
        memory: 64Mi
        cpu: 500m
    securityContext:
      runAsUser: 1000
      readOnlyRootFilesystem: true
      capabilities:
        drop: ["ALL"]
  restartPolicy: Never
`;
