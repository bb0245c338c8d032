/**
 * What `docker` and `podman` have in common: their command lines. The same tests for both, each of which asks the
 * container itself, or the kernel, whether what the flag promises is so.
 */
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { type Result, sleep } from "../harness/command.ts";
import { parseMounts, type Report } from "../harness/probe.ts";
import type { Column } from "./features.ts";
import type { EngineLab } from "./lab.ts";

/** `docker` or `podman`, with all that makes it use the lab and the runtime under test. */
export interface Client {
  readonly name: "docker" | "podman";
  /** The command before its first own argument. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Flags for `run` that choose runtime and cgroup parent. */
  readonly flags: string;
}

/** The image, in command lines. */
const BB = "localhost/bb:1";
/** A server on port 80, as a command in the image. */
export const answering = "nc -ll -p 80 -e /bin/echo answer";

/** A script that counts, in memory and in a file: a restored one goes on, a started one begins again at 1. */
export const counting = "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.1; done";

export class CommandLine {
  readonly client: Client;
  readonly #lab: EngineLab;
  #outputs = 0;

  constructor(lab: EngineLab, client: Client) {
    this.#lab = lab;
    this.client = client;
  }

  /** A command: its words in one string, then arguments that have spaces in them. */
  call(words: string, ...more: string[]): Promise<Result> {
    return this.#lab.call([...this.client.argv, ...split(words), ...more], { env: this.client.env });
  }

  /** A command that has to succeed. @returns what it printed */
  async ok(words: string, ...more: string[]): Promise<string> {
    const result = await this.call(words, ...more);
    if (result.code !== 0) throw new Error(`${words}: exit ${result.code}\n${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  /** `run` with flags and a command in the busybox image. */
  run(flags: string, ...command: string[]): Promise<Result> {
    return this.call(`run --network none ${this.client.flags} ${flags} ${BB}`, ...command);
  }

  /** `run` that has to succeed. */
  start(flags: string, ...command: string[]): Promise<string> {
    return this.ok(`run --network none ${this.client.flags} ${flags} ${BB}`, ...command);
  }

  /**
   * What a command in a new container says, from the engine's log. For a program that ends at once the log is the only
   * safe place: conmon handles the SIGCHLD of the runtime that created the container, finds the program ended, too, if
   * it was quick, and leaves its loop without having accepted Podman's connection, so Podman prints nothing.
   */
  async output(flags: string, ...command: string[]): Promise<Result> {
    const name = `said${++this.#outputs}`;
    const result = await this.run(`--name ${name} ${flags}`, ...command);
    const logged = await this.call(`logs ${name}`);
    await this.remove(name);
    return { ...result, stdout: logged.stdout, stderr: logged.stderr || result.stderr };
  }

  /** Runs the probe in a new container. */
  async probe(flags: string, questions: string): Promise<Report> {
    const { code, stdout, stderr } = await this.output(flags, "/probe", ...split(questions));
    if (code !== 0) throw new Error(`probe: exit ${code}\n${stderr}${stdout}`);
    return JSON.parse(stdout);
  }

  /** A field of `inspect`. */
  async inspect(name: string, field: string): Promise<string> {
    return (await this.ok("inspect -f", `{{${field}}}`, name)).trimEnd();
  }

  /** Asks until a field of `inspect` has the value; the engine's own clockwork decides when. */
  async until(name: string, field: string, value: string): Promise<void> {
    let found = "";
    for (let tries = 0; tries < 150; tries++) {
      found = await this.inspect(name, field);
      if (found === value) return;
      await sleep(100);
    }
    throw new Error(`${name}: ${field} is "${found}", not "${value}"`);
  }

  /** Waits for a word in a container's log. */
  async logged(name: string, word: string): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      if ((await this.ok(`logs ${name}`)).includes(word)) return;
      await sleep(50);
    }
    throw new Error(`${name} doesn't say "${word}"`);
  }

  /** Waits until the counting script has come so far; it must never be seen beginning again. */
  async counted(name: string, least: number): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const { code, stdout } = await this.call(`exec ${name} cat /tmp/count`);
      if (code === 0 && Number(stdout) >= least) return;
      if (code === 0 && least > 5 && stdout !== "" && Number(stdout) < 5) throw new Error(`${name} began again`);
      await sleep(50);
    }
    throw new Error(`${name} doesn't count to ${least}`);
  }

  /**
   * Removes containers. Podman 4.3 starts a clean-up of its own when a container ends, and trips over it when it is to
   * remove the container at the same time, whatever the runtime: then once more.
   */
  async remove(...names: string[]): Promise<void> {
    const words = `rm -f ${this.client.name === "podman" ? "-t 0" : ""}`;
    let result = await this.call(words, ...names);
    for (let tries = 0; tries < 20 && result.stderr.includes("device or resource busy"); tries++) {
      await sleep(100);
      result = await this.call(words, ...names);
    }
    if (result.code !== 0) throw new Error(`${words} ${names.join(" ")}: ${result.stderr}`);
  }

  onTerminal(words: string, ...more: string[]): Promise<Result> {
    return this.#lab.onTerminal([...this.client.argv, ...split(words), ...more], { env: this.client.env });
  }
}

function split(words: string): string[] {
  return words.split(" ").filter((word) => word !== "");
}

/** A cgroup v1 setting of the container with this pid. */
export function cgroupValue(pid: string | number, controller: string, file: string): string {
  const line = readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .split("\n")
    .find((each) => each.split(":")[1]?.split(",").includes(controller));
  const path = line?.slice(line.lastIndexOf(":") + 1) ?? "";
  return readFileSync(`/sys/fs/cgroup/${controller}${path}/${file}`, "utf8").trim();
}

/** The everyday part, cheap enough to be run with both hosts of the runtime. */
export function everyday(cli: CommandLine, lab: EngineLab, column: Column): void {
  column.test("run", "--rm prints and passes the exit code; the runtime was really called", async () => {
    const result = await cli.run("--rm", "sh", "-c", "sleep 0.3; echo hello; echo problem >&2; exit 7");
    expect(result).toMatchObject({ stdout: "hello\n", stderr: "problem\n", code: 7 });
    expect(lab.commands()).toEqual(expect.arrayContaining(["create", "start", "delete"]));
  });

  column.test("run", "a program that isn't there: 127; one that can't be executed: 126", async () => {
    expect((await cli.run("--rm", "/no/such")).code).toBe(127);
    expect((await cli.run("--rm", "nosuchprogram")).code).toBe(127);
    expect((await cli.run("--rm", "/etc/passwd")).code).toBe(126);
  });

  column.test("limits", "with user, read-only root, volume, tmpfs, init, all in one", async () => {
    mkdirSync(lab.path("volume"), { recursive: true });
    writeFileSync(`${lab.path("volume")}/file`, "content");
    const report = await cli.probe(
      "-m 64m --memory-swap 64m --cpus 0.5 --pids-limit 50 --read-only --cap-drop ALL --cap-add CHOWN --tmpfs /t --init " +
        `-v ${lab.path("volume")}:/data:ro --user 1000:1000 --security-opt no-new-privileges -w /tmp -e A=b --hostname limited`,
      "ids , uts , caps , cwd , env , creat / /data , process , read /data/file /proc/self/cgroup",
    );
    expect(report).toMatchObject({
      cwd: "/tmp",
      uts: { hostname: "limited" },
      creat: { "/": "EROFS", "/data": "EROFS" },
      process: { noNewPrivs: 1 },
      caps: { bounding: "0000000000000001" },
      read: { "/data/file": { text: "content" } },
    });
    expect(report.ids.uid).toEqual([1000, 1000, 1000]);
    expect(report.env).toContain("A=b");
    expect(report.process.pid).not.toBe(1);
  });

  column.test("terminal", "-t gives one, of the container's own", async () => {
    const result = await cli.run("--rm -t", "sh", "-c", "sleep 0.5; tty");
    expect(result.stdout, result.stderr).toContain("/dev/pts/0");
  });

  column.test("detached", "logs, stop with a handler, start again, kill, wait, rm", async () => {
    await cli.start("-d --name one", "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done");
    await cli.logged("one", "ready");
    await cli.ok("stop -t 5 one");
    expect(await cli.inspect("one", ".State.ExitCode")).toBe("5");
    await cli.ok("start one");
    expect(await cli.inspect("one", ".State.Status")).toBe("running");
    await cli.ok("kill one");
    expect(await cli.ok("wait one")).toBe("137\n");
    await cli.ok("rm one");
  });
}

/** Everything else, with the static binary alone. */
export function thorough(cli: CommandLine, lab: EngineLab, column: Column): void {
  column.test("terminal", "-i passes standard input; -it connects both ways", async () => {
    const argv = [...cli.client.argv, "run", ...split(cli.client.flags), "--network", "none", "--rm", "-i", BB, "cat"];
    const { stdout } = await lab.call(argv, { env: cli.client.env, input: "through\n" });
    expect(stdout).toBe("through\n");
    const both = await cli.onTerminal(
      `run ${cli.client.flags} --network none --rm -it ${BB}`,
      "sh",
      "-c",
      "sleep 1; tty",
    );
    expect(both.stdout).toContain("/dev/pts/0");
  });

  column.test("exec", "user, environment, directory, exit codes, terminal, detached", async () => {
    await cli.start("-d --name ex -w /tmp", "sleep", "1000");
    const inside = await cli.call(
      "exec -u 1000:1000 -e B=c -w /etc ex",
      "sh",
      "-c",
      'echo $(id -u) $B $(pwd) "$0"; exit 9',
    );
    expect(inside).toMatchObject({ stdout: "1000 c /etc sh\n", code: 9 });
    const missing = cli.client.name === "docker" ? 126 : 127; // Docker's own, with any runtime
    expect((await cli.call("exec ex nosuchprogram")).code).toBe(missing);
    expect((await cli.call("exec ex /etc/passwd")).code).toBe(126);
    expect((await cli.onTerminal("exec -it ex", "sh", "-c", "sleep 1; tty")).stdout).toContain("/dev/pts/");
    await cli.ok("exec -d ex", "sh", "-c", "touch /tmp/was-here");
    let found = await cli.call("exec ex ls /tmp/was-here");
    for (let tries = 0; tries < 20 && found.code !== 0; tries++) found = await cli.call("exec ex ls /tmp/was-here");
    expect(found.code).toBe(0);
    await cli.remove("ex");
    expect(lab.calls().some((call) => call.includes("exec") && call.includes("--process"))).toBe(true);
  });

  column.test("signals", "kill -s reaches the handler; stop of one that won't listen kills; restart", async () => {
    await cli.start("-d --name sig", "sh", "-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done");
    await cli.logged("sig", "ready");
    await cli.ok("kill -s USR1 sig");
    await cli.logged("sig", "usr1");
    const before = await cli.inspect("sig", ".State.Pid");
    await cli.ok("restart -t 0 sig");
    expect(await cli.inspect("sig", ".State.Pid")).not.toBe(before);
    await cli.ok("stop -t 1 sig");
    expect(await cli.inspect("sig", ".State.ExitCode")).toBe("137");
    await cli.remove("sig");
  });

  column.test("pause", "the kernel's freezer holds it; resumed, it goes on", async () => {
    await cli.start("-d --name pau", "sleep", "1000");
    const pid = await cli.inspect("pau", ".State.Pid");
    await cli.ok("pause pau");
    expect(await cli.inspect("pau", ".State.Status")).toBe("paused");
    expect(cgroupValue(pid, "freezer", "freezer.state")).toBe("FROZEN");
    await cli.ok("unpause pau");
    expect(cgroupValue(pid, "freezer", "freezer.state")).toBe("THAWED");
    await cli.remove("pau");
    expect(lab.commands()).toEqual(expect.arrayContaining(["pause", "resume"]));
  });

  column.test("limits", "are what the kernel has; an OOM kill is seen", async () => {
    await cli.start(
      "-d --name lim -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --pids-limit 50 --cpu-shares 512 --cpuset-cpus 0",
      "sleep",
      "1000",
    );
    const pid = await cli.inspect("lim", ".State.Pid");
    expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).toBe(String(64 << 20));
    expect(cgroupValue(pid, "memory", "memory.memsw.limit_in_bytes")).toBe(String(96 << 20));
    expect(cgroupValue(pid, "memory", "memory.soft_limit_in_bytes")).toBe(String(32 << 20));
    expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).toBe("50000");
    expect(cgroupValue(pid, "cpu", "cpu.shares")).toBe("512");
    expect(cgroupValue(pid, "cpuset", "cpuset.cpus")).toBe("0");
    expect(cgroupValue(pid, "pids", "pids.max")).toBe("50");
    await cli.remove("lim");
    if (cli.client.name === "podman") return; // 4.3 says "false" on cgroup v1, with any runtime
    await cli.run("--name oom -m 16m --memory-swap 16m", "sh", "-c", "sleep 0.5; /probe alloc 100; exit 3");
    expect(await cli.inspect("oom", ".State.OOMKilled")).toBe("true");
    await cli.remove("oom");
  });

  column.test("update", "memory, cpu and pids of a running container", async () => {
    await cli.start("-d --name upd -m 64m --memory-swap 64m", "sleep", "1000");
    const pid = await cli.inspect("upd", ".State.Pid");
    const memory = cli.client.name === "docker" ? "-m 128m --memory-swap 128m --pids-limit 77" : "";
    await cli.ok(`update ${memory} --cpus 0.3 upd`);
    expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).toBe("30000");
    if (memory !== "") {
      expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).toBe(String(128 << 20));
      expect(cgroupValue(pid, "pids", "pids.max")).toBe("77");
    }
    await cli.remove("upd");
    expect(lab.commands()).toContain("update");
  });

  column.test("stats", "memory and number of processes; top lists them", async () => {
    await cli.start("-d --name sta", "sh", "-c", "sleep 998 & exec sleep 997");
    const format = cli.client.name === "docker" ? "{{.MemUsage}} {{.PIDs}}" : "{{.MemUsage}} {{.PIDS}}";
    const line = await cli.ok("stats --no-stream --format", format, "sta");
    expect(line).toMatch(/\d+(\.\d+)?[kKM]i?B \/ .* 2\n/);
    const top = await cli.ok("top sta");
    expect(top).toContain("sleep 998");
    expect(top).toContain("sleep 997");
    await cli.remove("sta");
  });

  column.test("user", "by name, more groups, capabilities, no-new-privileges", async () => {
    const questions = "ids , caps , process";
    const named = await cli.probe("--user user --group-add 2000 --group-add 3000", questions);
    expect(named.ids.uid).toEqual([1000, 1000, 1000]);
    expect(named.ids.groups).toEqual(expect.arrayContaining([2000, 3000]));
    expect(named.caps.effective).toBe("0000000000000000");
    const limited = await cli.probe("--cap-drop ALL --cap-add NET_ADMIN --security-opt no-new-privileges", questions);
    expect(limited.caps).toMatchObject({ effective: "0000000000001000", bounding: "0000000000001000" });
    expect(limited.process.noNewPrivs).toBe(1);
  });

  column.test("seccomp", "the default profile refuses what it lists; unconfined there is no filter", async () => {
    const guarded = await cli.probe("", "process , keyring , mounts");
    expect(guarded.process.seccomp).toBe(2);
    const free = await cli.probe("--security-opt seccomp=unconfined", "process , mounts");
    expect(free.process.seccomp).toBe(0);
    const profile = lab.path("profile.json");
    writeFileSync(
      profile,
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["sethostname"], action: "SCMP_ACT_ERRNO", errnoRet: 38 }],
      }),
    );
    const own = await cli.probe(`--cap-add SYS_ADMIN --security-opt seccomp=${profile}`, "sethostname other , process");
    expect(own).toMatchObject({ sethostname: "ENOSYS", process: { seccomp: 2 } });
  });

  column.test("mounts", "a volume outlives its container; tmpfs with options; devices; read-only parts", async () => {
    await cli.ok("volume create vol");
    await cli.start("--rm -v vol:/v", "sh", "-c", "echo kept > /v/file");
    expect((await cli.output("-v vol:/v:ro", "cat", "/v/file")).stdout).toBe("kept\n");
    await cli.ok("volume rm vol");
    const report = await cli.probe(
      "--mount type=tmpfs,dst=/tt,tmpfs-size=1m --tmpfs /t2:noexec,size=2m --device /dev/fuse:/dev/other --shm-size 3m " +
        `-v ${lab.path("volume")}:/data`,
      "mounts , stat /dev/other /dev/shm , creat /tt /t2 /data",
    );
    const mounts = parseMounts(report.mounts.text ?? "");
    const at = (path: string) => mounts.find((mount) => mount.at === path);
    expect(at("/tt")).toMatchObject({ type: "tmpfs" });
    expect(at("/t2")?.options).toContain("noexec");
    expect(report.stat["/dev/other"]).toMatchObject({ type: "char", major: 10, minor: 229 });
    expect(report.creat).toMatchObject({ "/tt": "ok", "/t2": "ok", "/data": "ok" });
  });

  column.test("network", "none has a loopback alone; host is the host's", async () => {
    expect(Object.keys((await cli.probe("", "net")).net)).toEqual(["lo"]);
    const own = await cli.ok(`run --rm --network host ${cli.client.flags} ${BB} /probe ns`);
    expect(JSON.parse(own).ns.net).toBe(lab.networkNamespace);
  });

  column.test("namespaces", "of the host, and of another container", async () => {
    const host = await cli.probe("--pid host --ipc host --uts host", "ns");
    for (const type of ["pid", "ipc", "uts"]) expect(host.ns[type]).toBe(readlinkSync(`/proc/self/ns/${type}`));
    await cli.start("-d --name first --ipc shareable", "sleep", "1000");
    const shared = `run --rm --network container:first --pid container:first --ipc container:first ${cli.client.flags}`;
    const second = JSON.parse(await cli.ok(`${shared} ${BB} /probe ns , read /proc/1/comm`));
    const pid = await cli.inspect("first", ".State.Pid");
    for (const type of ["pid", "ipc", "net"]) expect(second.ns[type]).toBe(readlinkSync(`/proc/${pid}/ns/${type}`));
    expect(second.read["/proc/1/comm"].text).toBe("sleep\n");
    await cli.remove("first");
  });

  column.test("settings", "host name, environment, sysctl, ulimit", async () => {
    writeFileSync(lab.path("env"), "FROM_FILE=1\n");
    const report = await cli.probe(
      `-h named --env-file ${lab.path("env")} --sysctl kernel.msgmax=9000 --ulimit nofile=512:600 --ulimit nproc=1000:1000 --ulimit core=0`,
      "uts , env , limits , read /proc/sys/kernel/msgmax",
    );
    expect(report.uts.hostname).toBe("named");
    expect(report.env).toContain("FROM_FILE=1");
    expect(report.limits["NOFILE"]).toEqual({ soft: "512", hard: "600" });
    expect(report.read["/proc/sys/kernel/msgmax"]?.text).toBe("9000\n");
  });

  column.test("restart", "on-failure:2 starts it twice more", async () => {
    await cli.start("-d --name res --restart on-failure:2", "sh", "-c", "echo began; exit 4");
    await cli.until("res", ".RestartCount", "2");
    await cli.until("res", ".State.Status", "exited");
    expect(await cli.inspect("res", ".State.ExitCode")).toBe("4");
    expect(await cli.ok("logs res")).toBe("began\nbegan\nbegan\n");
    await cli.remove("res");
  });

  column.test("init", "--init: a small init is process 1, and passes signals and exit codes on", async () => {
    const result = await cli.output("--init", "sh", "-c", "echo $$; exit 4");
    expect(result.stdout).toMatch(/^[2-9]\d*\n$/);
    expect(result.code).toBe(4);
    await cli.start("-d --name ini --init", "sleep", "1000");
    await cli.ok("stop -t 10 ini");
    expect(await cli.inspect("ini", ".State.ExitCode")).toBe("143");
    await cli.remove("ini");
  });

  column.test("many", "fifty containers, eight at a time", async () => {
    const outputs: string[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 50) {
        const number = next++;
        outputs.push((await cli.output("", "echo", String(number))).stdout);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(outputs.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });
}

/**
 * A container on a bridge answers at a port of the engine's network, and has a working interface.
 *
 * @param inside the command that goes into that network
 * @returns what the container knows of its network
 */
export async function answersAtPort(
  cli: CommandLine,
  lab: EngineLab,
  { inside, port, network }: { inside: readonly string[]; port: number; network: string },
): Promise<Report> {
  const { env, flags } = cli.client;
  await cli.ok(`run -d --name web ${flags} ${network} -p 127.0.0.1:${port}:80 ${BB} ${answering}`);
  const patient = `for i in $(seq 20); do busybox nc 127.0.0.1 ${port} </dev/null && break; sleep 0.2; done`;
  const reached = await lab.call([...inside, "sh", "-c", patient], { env });
  expect(reached.stdout, reached.stderr).toBe("answer\n");
  const report = JSON.parse(await cli.ok("exec web /probe net , read /proc/net/route")) as Report;
  expect(report.net).toMatchObject({ lo: "up", eth0: "up" });
  await cli.remove("web");
  return report;
}
