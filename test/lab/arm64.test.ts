/**
 * tsrunc for aarch64, built by the cross compiler and run on a kernel of that architecture, emulated. There is nothing else
 * in that guest but busybox: a shell script runs containers, and its output is looked at here.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { run } from "../harness/command.ts";
import { type Config, defaultConfig, podmanConfig } from "../harness/config.ts";
import { repository } from "../harness/paths.ts";

/** tools/arm64.sh's status where it can't be had. */
const UNAVAILABLE = 77;
const seconds = 1000;

interface Case {
  readonly name: string;
  /** Whose program runs, and what else is special about it */
  readonly args: readonly string[];
  readonly change?: (config: Config) => void;
  /** Shell commands; the bundle is the working directory, `$id` the container's id */
  readonly script: string;
  check(output: string): void;
}

const sleeper = ["sleep", "1000"];
const shell = (script: string): readonly string[] => ["sh", "-c", script];

const cases: readonly Case[] = [
  {
    name: "run: a process of its own in all namespaces",
    args: shell("uname -m; hostname; echo pid $$; grep -c . /proc/self/mountinfo; ls /dev | head -3; exit 3"),
    script: "tsrunc run $id; echo status $?; tsrunc list -q; ls /sys/fs/cgroup | grep -c $id",
    check: (output) => expect(output).toMatch(/^aarch64\ntsrunc-test\npid 1\n\d+\nfd\nfull\nmqueue\nstatus 3\n0\n$/),
  },
  {
    name: "an engine's way: create, state, start, exec, ps, pause, resume, update, events, kill, delete",
    args: sleeper,
    change: (config) => {
      config.linux.resources = { ...config.linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 30 } };
    },
    script: `
      tsrunc create --pid-file pid $id </dev/null >/dev/null 2>&1
      status() { tsrunc state $id | grep '"status"'; }
      status; tsrunc start $id; status
      tsrunc exec $id sh -c 'echo in exec; exit 7'; echo exec $?
      tsrunc ps --format json $id | grep -c $(cat pid)
      tsrunc pause $id; status; tsrunc resume $id; status
      cat /sys/fs/cgroup/$id/memory.max /sys/fs/cgroup/$id/pids.max
      tsrunc update --memory 33554432 $id; cat /sys/fs/cgroup/$id/memory.max
      tsrunc events --stats $id | grep -c '"limit":33554432'
      tsrunc kill $id KILL; while kill -0 $(cat pid) 2>/dev/null; do sleep 0.1; done
      status; tsrunc delete $id; echo delete $?; ls /sys/fs/cgroup | grep -c $id`,
    check: (output) => {
      const status = (name: string): string => `  "status": "${name}",\n`;
      const first = `${status("created")}${status("running")}in exec\nexec 7\n1\n${status("paused")}${status("running")}`;
      expect(output).toBe(`${first}67108864\n30\n33554432\n1\n${status("stopped")}delete 0\n0\n`);
    },
  },
  {
    name: "seccomp: our filter for aarch64 in the kernel, with conditions on arguments",
    args: shell("mkdir /tmp/a; kill -12 1; kill -0 1 && echo sent; grep Seccomp: /proc/self/status"),
    change: (config) => {
      config.linux["seccomp"] = {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        syscalls: [
          { names: ["mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 },
          { names: ["kill"], action: "SCMP_ACT_ERRNO", args: [{ index: 1, value: 12, op: "SCMP_CMP_EQ" }] },
        ],
      };
    },
    script: "tsrunc run $id 2>&1; tsrunc seccomp explain --syscall mkdirat",
    check: (output) => {
      expect(output).toContain("can't create directory '/tmp/a': Operation not supported\n");
      expect(output).toContain("Operation not permitted\nsent\nSeccomp:\t2\n");
      expect(output).toContain("SCMP_ARCH_AARCH64: number 34\n    errno 95 (EOPNOTSUPP) ");
    },
  },
  {
    name: "seccomp: podman's profile forbids what a capability would allow",
    args: shell("date -s @1000000000; grep Seccomp: /proc/self/status"),
    change: (config) => {
      for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_SYS_TIME");
      config.linux["seccomp"] = podmanConfig().linux.seccomp;
    },
    script: "tsrunc run $id 2>&1",
    check: (output) => expect(output).toMatch(/^date: .*Operation not permitted\n.*Seccomp:\t2\n$/s),
  },
  {
    name: "device rules: eBPF",
    args: shell("mknod /tmp/kmsg c 1 11; cat /tmp/kmsg; echo $?; echo x >/dev/null; echo $?"),
    change: (config) => {
      for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_MKNOD");
      const devices = [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
      ];
      config.linux.resources = { ...config.linux.resources, devices };
    },
    script: "tsrunc run $id 2>&1",
    check: (output) => expect(output).toMatch(/^cat: .*Operation not permitted\n1\n0\n$/),
  },
  {
    name: "a user namespace",
    args: shell("cat /proc/self/uid_map; id -u"),
    change: (config) => {
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    },
    script: "chown -R 100000:100000 rootfs; tsrunc run $id; chown -R 0:0 rootfs",
    check: (output) => expect(output).toMatch(/^ +0 +100000 +65536\n0\n$/),
  },
  {
    name: "a program for another processor is told as such, and nothing is left",
    args: ["/bin/foreign"],
    script: `
      head -c 18 /bin/busybox >rootfs/bin/foreign; printf '\\x3e\\x00' >>rootfs/bin/foreign
      tail -c +21 /bin/busybox >>rootfs/bin/foreign; chmod +x rootfs/bin/foreign
      tsrunc run $id 2>&1; echo status $?; tsrunc list -q; ls /sys/fs/cgroup | grep -c $id`,
    check: (output) => expect(output).toMatch(/^tsrunc run failed: .*foreign.*x86_64.*\nstatus 1\n0\n$/),
  },
];

interface Guest {
  readonly status: number;
  /** Of each case that came to its end */
  readonly outputs: readonly string[];
  readonly stderr: string;
}

describe("aarch64", () => {
  let guest: Guest;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsrunc-arm64-"));
    const script = join(folder, "script");
    writeFileSync(script, guestScript());
    guest = await boot(script);
    rmSync(folder, { recursive: true });
  }, 300 * seconds);

  cases.forEach(({ name, check }, index) => {
    test(name, (context) => {
      if (guest.status === UNAVAILABLE) context.skip(guest.stderr.trim().split("\n").at(-1));
      const output = guest.outputs[index];
      if (output === undefined) throw new Error(`the guest ended before this (${guest.status}):\n${guest.stderr}`);
      check(output);
    });
  });
});

/** A bundle for each case; all share one root file system. */
function guestScript(): string {
  const parts = cases.map(({ args, change, script }, index) => {
    const config = defaultConfig(args);
    config.root.path = "/rootfs";
    change?.(config);
    return `mkdir /case${index}; cd /case${index}; ln -s /rootfs rootfs; id=case${index}
cat >config.json <<'EOF'
${JSON.stringify(config)}
EOF
echo '== case'
${script}
`;
  });
  return `mkdir -p /rootfs/bin /rootfs/tmp
cp /bin/busybox /rootfs/bin
for applet in sh cat date echo grep head hostname id kill ls mkdir mknod sleep true uname; do
  ln -s busybox /rootfs/bin/$applet
done
${parts.join("")}echo '== end'
`;
}

/** Boots the guest to its end. */
async function boot(script: string): Promise<Guest> {
  const argv = [join(repository, "tools/arm64.sh"), script];
  const { code, stdout, stderr } = await run(argv, { deadline: 290 * seconds });
  const [before = "", ...outputs] = stdout.replaceAll("\r\n", "\n").split("== case\n");
  const last = outputs.length - 1;
  if (outputs[last]?.includes("== end\n")) outputs[last] = outputs[last].replace(/== end\n.*/s, "");
  else outputs.pop();
  return { status: code, outputs, stderr: `${stderr}${before}` };
}
