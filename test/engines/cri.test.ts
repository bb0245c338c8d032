/**
 * Kubernetes' side of containerd: the CRI plugin with a handler `tsrunc` beside runc, which is what a RuntimeClass
 * selects, driven over gRPC as a kubelet drives it. Pods get their network from CNI plugins.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { eventually, type Result, sleep } from "../harness/command.ts";
import { cgroupValue } from "./commandline.ts";
import { connect } from "./cri.mjs";
import { Column } from "./features.ts";
import { EngineLab, runtimesFor } from "./lab.ts";
import { stream } from "./stream.ts";

for (const runtime of runtimesFor("cri", "containerd", "ctr", "busybox").filter((each) => each.name !== "node")) {
  describe(`cri [${runtime.name}]`, () => {
    const lab = new EngineLab("cri", runtime, "rtroot");
    const column = new Column("cri", runtime.name);
    const socket = lab.path("c.sock");
    const env = { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", CONTAINERD_ADDRESS: socket };
    let cri: ReturnType<typeof connect>;
    let inside: string[];
    let pods = 0;

    beforeAll(async () => {
      inside = await lab.startNetwork();
      mkdirSync(lab.path("cni"));
      writeFileSync(lab.path("cni/10-lab.conflist"), JSON.stringify(network(lab)));
      writeFileSync(lab.path("config.toml"), configuration(lab));
      await startDaemon();
      for (const name of ["bb", "pause"] as const) await ok("-n", "k8s.io", "image", "import", lab.image(name));
    });

    afterAll(async () => {
      for (const { id } of (await cri.call("ListPodSandbox")).items ?? []) await removePod(id);
      column.write(`CRI of containerd ${(await cri.call("Version")).runtime_version}`);
      cri.close();
      await lab.close();
    });

    async function startDaemon(): Promise<void> {
      rmSync(socket, { force: true });
      await lab.daemon([...inside, "containerd", "-c", lab.path("config.toml")], socket, env);
      cri = connect(socket);
      await cri.ready();
    }

    async function ok(...args: string[]): Promise<Result> {
      const result = await lab.call(["ctr", ...args], { env });
      if (result.code !== 0) throw new Error(`ctr ${args.join(" ")}: ${result.stderr}`);
      return result;
    }

    interface Pod {
      readonly id: string;
      readonly config: object;
    }

    async function makePod(linux: object = {}, more: object = {}): Promise<Pod> {
      const config = {
        metadata: { name: `pod${++pods}`, namespace: "default", uid: `${lab.tag}-${pods}`, attempt: 0 },
        hostname: `pod${pods}`,
        log_directory: lab.directory,
        linux: { cgroup_parent: `/${lab.tag}/pod${pods}`, ...linux },
        ...more,
      };
      const made = await cri.call("RunPodSandbox", { config, runtime_handler: "tsrunc" });
      return { id: made.pod_sandbox_id, config };
    }

    async function makeContainer(pod: Pod, command: readonly string[], config: object = {}): Promise<string> {
      const made = await cri.call("CreateContainer", {
        pod_sandbox_id: pod.id,
        sandbox_config: pod.config,
        config: { metadata: { name: "main", attempt: 0 }, image: { image: "localhost/bb:1" }, command, ...config },
      });
      await cri.call("StartContainer", { container_id: made.container_id });
      return made.container_id;
    }

    async function exec(id: string, ...cmd: string[]): Promise<{ exit_code: number; stdout: string; stderr: string }> {
      const answer = await cri.call("ExecSync", { container_id: id, cmd, timeout: "20" });
      return { exit_code: answer.exit_code, stdout: String(answer.stdout), stderr: String(answer.stderr) };
    }

    const status = async (id: string) =>
      (await cri.call("ContainerStatus", { container_id: id, verbose: true })) as {
        status: { state: string; exit_code: number; reason: string };
        info: { key: string; value: string }[];
      };
    async function pidOf(id: string): Promise<number> {
      const { info } = await status(id);
      return JSON.parse(info.find(({ key }) => key === "info")?.value ?? "{}").pid;
    }

    /** Waits for a state, and where one is given for its reason, which containerd may hear of later. */
    async function until(id: string, state: string, reason?: string): Promise<void> {
      for (let tries = 0; tries < 100; tries++) {
        const { status: now } = await status(id);
        if (now.state === state && (reason === undefined || now.reason === reason)) return;
        await sleep(50);
      }
      throw new Error(`${id} isn't ${[state, reason ?? []].flat().join(" by ")}`);
    }

    async function removePod(id: string): Promise<void> {
      await cri.call("StopPodSandbox", { pod_sandbox_id: id });
      await cri.call("RemovePodSandbox", { pod_sandbox_id: id });
    }

    column.test("version", "the runtime and its networks are ready, with the handler there", async () => {
      const { status: ready } = await cri.call("Status");
      const conditions = ready.conditions as { type: string; status: boolean }[];
      expect(Object.fromEntries(conditions.map(({ type, status: good }) => [type, good]))).toMatchObject({
        RuntimeReady: true,
        NetworkReady: true,
      });
      await expect(cri.call("RunPodSandbox", { config: {}, runtime_handler: "nosuch" })).rejects.toThrow();
    });

    column.test(
      "kube",
      "a pod and a container as a kubelet makes them; the handler calls us, runc's doesn't",
      async () => {
        const pod = await makePod();
        const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
        expect(await exec(id, "/bin/hostname")).toMatchObject({ exit_code: 0, stdout: `pod${pods}\n` });
        await cri.call("StopContainer", { container_id: id, timeout: "0" });
        expect((await status(id)).status).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 137 });
        await cri.call("RemoveContainer", { container_id: id });
        await removePod(pod.id);
        expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "exec", "kill", "delete"]));
        expect(lab.calls()[0]).toEqual(expect.arrayContaining(["--root", `${lab.path("rtroot")}/k8s.io`]));
        const before = lab.calls().length;
        const config = {
          metadata: { name: "other", namespace: "default", uid: "other", attempt: 0 },
          linux: { cgroup_parent: `/${lab.tag}/other` },
        };
        const other = await cri.call("RunPodSandbox", { config, runtime_handler: "runc" });
        await removePod(other.pod_sandbox_id);
        expect(lab.calls()).toHaveLength(before);
      },
    );

    column.test("network", "the pod has an address of the bridge; a port of the host leads to it", async () => {
      const pod = await makePod({}, { port_mappings: [{ protocol: 0, container_port: 80, host_port: 8083 }] });
      const id = await makeContainer(pod, "nc -ll -p 80 -e /bin/echo answer".split(" "));
      const { status: shown } = await cri.call("PodSandboxStatus", { pod_sandbox_id: pod.id });
      expect(shown.network.ip).toMatch(/^10\.78\.0\.\d+$/);
      const attempt = "for i in $(seq 20); do busybox nc $0 $1 </dev/null && break; sleep 0.2; done";
      for (const [host, port] of [
        [shown.network.ip, "80"],
        ["10.78.0.1", "8083"],
      ]) {
        const reached = await lab.call([...inside, "sh", "-c", attempt, String(host), String(port)], { env });
        expect(reached.stdout, reached.stderr).toBe("answer\n");
      }
      expect(JSON.parse((await exec(id, "/probe", "net")).stdout).net).toMatchObject({ lo: "up", eth0: "up" });
      await removePod(pod.id);
    });

    column.test(
      "user",
      "with what a restricted pod asks for: user, read-only root, capabilities, seccomp",
      async () => {
        const pod = await makePod({ sysctls: [{ key: "net.ipv4.ip_unprivileged_port_start", value: "0" }] });
        const id = await makeContainer(pod, ["/bin/sleep", "1000"], {
          envs: [{ key: "PORT", value: "8080" }],
          linux: {
            resources: {
              memory_limit_in_bytes: "67108864",
              cpu_period: "100000",
              cpu_quota: "50000",
              cpu_shares: "512",
            },
            security_context: {
              run_as_user: { value: "1000" },
              run_as_group: { value: "1000" },
              supplemental_groups: ["2000"],
              readonly_rootfs: true,
              no_new_privs: true,
              capabilities: { drop_capabilities: ["ALL"] },
              seccomp: { profile_type: "RuntimeDefault" },
              masked_paths: ["/proc/kcore", "/proc/keys"],
              readonly_paths: ["/proc/sys", "/proc/sysrq-trigger"],
            },
          },
        });
        const questions =
          "ids , process , caps , creat / , env , read /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/keys";
        const report = JSON.parse((await exec(id, "/probe", ...questions.split(" "))).stdout);
        expect(report).toMatchObject({
          ids: { uid: [1000, 1000, 1000], gid: [1000, 1000, 1000] },
          process: { noNewPrivs: 1, seccomp: 2 },
          caps: { effective: "0000000000000000", bounding: "0000000000000000" },
          creat: { "/": "EROFS" },
        });
        expect(report.ids.groups).toContain(2000);
        expect(report.env).toContain("PORT=8080");
        expect(report.read["/proc/sys/net/ipv4/ip_unprivileged_port_start"].text).toBe("0\n");
        expect(report.read["/proc/keys"].text ?? "").toBe("");
        const pid = await pidOf(id);
        expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).toBe("67108864");
        expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).toBe("50000");
        await removePod(pod.id);
      },
    );

    column.test("exec", "synchronous: both streams, exit code, timeout", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      const both = await exec(id, "/bin/sh", "-c", "echo out; echo err >&2; exit 3");
      expect(both).toEqual({ exit_code: 3, stdout: "out\n", stderr: "err\n" });
      const slow = { container_id: id, cmd: ["/bin/sleep", "991"], timeout: "1" };
      await expect(cri.call("ExecSync", slow)).rejects.toMatchObject({ code: 4 }); // DEADLINE_EXCEEDED
      await expect(exec(id, "nosuchprogram")).rejects.toThrow("executable file not found in $PATH");
      await removePod(pod.id);
    });

    column.test("exec", "streaming, as kubectl exec: standard input, both outputs, exit code; a terminal", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      const script = "read line; echo got $line; echo problem >&2; exit 4";
      const open = async (cmd: string[], tty: boolean): Promise<string> =>
        (await cri.call("Exec", { container_id: id, cmd, tty, stdin: true, stdout: true, stderr: !tty })).url;
      const plain = await stream(await open(["/bin/sh", "-c", script], false), inside, "hello\n");
      expect(plain).toMatchObject({ stdout: "got hello\n", stderr: "problem\n", outcome: { status: "Failure" } });
      expect(plain.outcome.details?.causes).toContainEqual(expect.objectContaining({ message: "4" }));
      const terminal = await stream(await open(["/bin/sh", "-c", "read line; tty"], true), inside, "hello\n");
      expect(terminal.stdout).toMatch(/\/dev\/pts\/\d+\r\n/);
      expect(terminal.outcome.status).toBe("Success");
      await removePod(pod.id);
    });

    column.test("update", "limits of a running container", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      const linux = { memory_limit_in_bytes: "134217728", cpu_quota: "30000", cpu_period: "100000" };
      await cri.call("UpdateContainerResources", { container_id: id, linux });
      const pid = await pidOf(id);
      expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).toBe("134217728");
      expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).toBe("30000");
      expect(lab.calls().some((call) => call.includes("update") && call.includes("--resources"))).toBe(true);
      await removePod(pod.id);
    });

    column.test("stats", "of container and pod", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      const container = await cri.call("ContainerStats", { container_id: id });
      expect(Number(container.stats.memory.working_set_bytes.value)).toBeGreaterThan(0);
      expect(Number(container.stats.cpu.usage_core_nano_seconds.value)).toBeGreaterThan(0);
      const whole = await cri.call("PodSandboxStats", { pod_sandbox_id: pod.id });
      expect(Number(whole.stats.linux.process.process_count.value)).toBeGreaterThan(0);
      await removePod(pod.id);
    });

    column.test("pods", "two containers share what the pod says; logs in CRI's format", async () => {
      const pod = await makePod({ security_context: { namespace_options: { pid: 0 } } });
      const linux = { security_context: { namespace_options: { pid: 0 } } };
      await makeContainer(pod, ["/bin/sleep", "990"], { linux });
      const script = "echo seen; while :; do sleep 1; done";
      const second = await makeContainer(pod, ["/bin/sh", "-c", script], {
        metadata: { name: "second", attempt: 0 },
        log_path: "second.log",
        linux,
      });
      const list = (await exec(second, "/bin/ps")).stdout;
      expect(list).toContain("/pause");
      expect(list).toContain("sleep 990");
      expect(readFileSync(lab.path("second.log"), "utf8")).toMatch(/^\S+ stdout F seen\n$/);
      await removePod(pod.id);
    });

    column.test("signals", "StopContainer: TERM first, KILL after the timeout", async () => {
      const pod = await makePod();
      const handler = "trap 'exit 5' TERM; touch /tmp/ready; while :; do sleep 0.1; done";
      const id = await makeContainer(pod, ["/bin/sh", "-c", handler]);
      const pid = await pidOf(id);
      await eventually("the handler is set", () => (existsSync(`/proc/${pid}/root/tmp/ready`) ? true : undefined));
      await cri.call("StopContainer", { container_id: id, timeout: "10" });
      expect((await status(id)).status.exit_code).toBe(5);
      await removePod(pod.id);
    });

    column.test("limits", "an OOM kill is the reason that the kubelet sees", async () => {
      const pod = await makePod();
      const linux = { resources: { memory_limit_in_bytes: "16777216" } };
      // what happens before containerd begins to watch, when `start` has returned, it doesn't see
      const greedy = ["/bin/sh", "-c", "sleep 0.5; exec tail -c 100000000 /dev/zero"];
      const id = await makeContainer(pod, greedy, { linux });
      await until(id, "CONTAINER_EXITED", "OOMKilled");
      expect((await status(id)).status.exit_code).toBe(137);
      await removePod(pod.id);
    });

    column.test("terminal", "a container with a terminal", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sh", "-c", "tty; sleep 1000"], { tty: true, log_path: "tty.log" });
      await eventually("it answers", () => (existsSync(lab.path("tty.log")) ? true : undefined));
      await exec(id, "/bin/true");
      expect(readFileSync(lab.path("tty.log"), "utf8")).toContain("/dev/pts/0");
      await removePod(pod.id);
    });

    column.test("run", "a program that isn't there: the classic text reaches the kubelet", async () => {
      const pod = await makePod();
      await expect(makeContainer(pod, ["nosuchprogram"])).rejects.toThrow("executable file not found in $PATH");
      await removePod(pod.id);
    });

    column.test("namespaces", "of the host: network, pid, ipc", async () => {
      const options = { network: 2, pid: 2, ipc: 2 };
      const pod = await makePod({ security_context: { namespace_options: options } }, { hostname: "" });
      const linux = { security_context: { namespace_options: options } };
      const id = await makeContainer(pod, ["/bin/sleep", "1000"], { linux });
      const { ns } = JSON.parse((await exec(id, "/probe", "ns")).stdout);
      expect(ns.net).toBe(lab.networkNamespace);
      expect(ns.pid).toBe(execFileSync("readlink", ["/proc/self/ns/pid"], { encoding: "utf8" }).trim());
      await removePod(pod.id);
    });

    column.test("mounts", "volumes, one read-only; a device", async () => {
      mkdirSync(lab.path("volume"), { recursive: true });
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"], {
        mounts: [
          { container_path: "/data", host_path: lab.path("volume") },
          { container_path: "/fixed", host_path: lab.path("volume"), readonly: true },
        ],
        devices: [{ container_path: "/dev/fuse", host_path: "/dev/fuse", permissions: "rwm" }],
      });
      const report = JSON.parse((await exec(id, ..."/probe creat /data /fixed , stat /dev/fuse".split(" "))).stdout);
      expect(report.creat).toEqual({ "/data": "ok", "/fixed": "EROFS" });
      expect(report.stat["/dev/fuse"]).toMatchObject({ type: "char", major: 10, minor: 229 });
      await removePod(pod.id);
    });

    column.test("seccomp", "RuntimeDefault, Localhost, Unconfined", async () => {
      writeFileSync(
        lab.path("profile.json"),
        JSON.stringify({
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["mknod", "mknodat"], action: "SCMP_ACT_ERRNO", errnoRet: 38 }],
        }),
      );
      const pod = await makePod();
      const wanted = [
        { seccomp: { profile_type: 0 }, filter: 2 },
        { seccomp: { profile_type: 1 }, filter: 0 },
        { seccomp: { profile_type: 2, localhost_ref: lab.path("profile.json") }, filter: 2 },
      ];
      for (const [attempt, { seccomp, filter }] of wanted.entries()) {
        const linux = { security_context: { seccomp } };
        const metadata = { name: "main", attempt };
        const id = await makeContainer(pod, ["/bin/sleep", "1000"], { linux, metadata });
        const report = JSON.parse((await exec(id, ..."/probe process , mknod /tmp/n 1 3".split(" "))).stdout);
        expect(report.process.seccomp).toBe(filter);
        if (attempt === 2) expect(report.mknod.mknod).toBe("ENOSYS");
      }
      await removePod(pod.id);
    });

    column.test("many", "twenty pods with a container each, five at a time", async () => {
      let next = 0;
      const names: string[] = [];
      const worker = async (): Promise<void> => {
        while (next++ < 20) {
          const pod = await makePod();
          const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
          names.push((await exec(id, "/bin/hostname")).stdout);
          await removePod(pod.id);
        }
      };
      await Promise.all(Array.from({ length: 5 }, worker));
      expect(new Set(names).size).toBe(20);
    });

    column.test("crash", "a killed shim: the container has exited, another is made in its place", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      const shim = execFileSync("ps", ["-o", "ppid=", "-p", String(await pidOf(id))], { encoding: "utf8" });
      process.kill(Number(shim), "SIGKILL");
      await until(id, "CONTAINER_EXITED");
      await cri.call("RemoveContainer", { container_id: id });
      await removePod(pod.id);
      const again = await makePod();
      const second = await makeContainer(again, ["/bin/sleep", "1000"]);
      expect(await exec(second, "/bin/echo", "again")).toMatchObject({ stdout: "again\n" });
      await removePod(again.id);
    });

    column.test("crash", "the daemon is restarted: pods go on, and are still the daemon's", async () => {
      const pod = await makePod();
      const id = await makeContainer(pod, ["/bin/sleep", "1000"]);
      cri.close();
      await lab.stopDaemon();
      await startDaemon();
      expect((await status(id)).status.state).toBe("CONTAINER_RUNNING");
      expect(await exec(id, "/bin/echo", "still")).toMatchObject({ stdout: "still\n" });
      await removePod(pod.id);
    });
  });
}

/** The settings that a machine like this needs, then the handler's, from deploy/. */
function configuration(lab: EngineLab): string {
  return `version = 2
root = "${lab.path("root")}"
state = "${lab.path("state")}"
[grpc]
  address = "${lab.path("c.sock")}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${lab.path("cni")}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
${lab.deployed("containerd/tsrunc-v2.toml")}    Root = "${lab.path("rtroot")}"
`;
}

function network(lab: EngineLab): object {
  const subnet = { subnet: "10.78.0.0/24" };
  const ipam = { type: "host-local", dataDir: lab.path("ipam"), ranges: [[subnet]], routes: [{ dst: "0.0.0.0/0" }] };
  return {
    cniVersion: "0.4.0",
    name: "lab",
    plugins: [
      { type: "bridge", bridge: "labbr0", isGateway: true, ipMasq: true, ipam },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
