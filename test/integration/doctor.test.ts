/** doctor: what it says is what the machine says. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { run } from "../harness/command.ts";
import { describeRuntimes } from "../harness/describe.ts";

interface Check {
  readonly area: string;
  readonly name: string;
  readonly status: "ok" | "limited" | "missing";
  readonly detail: string;
  readonly needed?: boolean;
  readonly fix?: string;
}

interface Diagnosis {
  readonly kernel: string;
  readonly machine: string;
  readonly user: number;
  readonly checks: readonly Check[];
  readonly healthy: boolean;
}

const ours = { runc: "has no doctor", crun: "has no doctor" };

describeRuntimes("doctor", ({ differs, runtime }) => {
  const test = differs(ours);

  test("json: every area, each fault with a fix, and a status that says whether containers start", async ({ box }) => {
    const { code, stdout, stderr } = await box.call(["doctor", "--json"]);
    expect(stderr).toBe("");
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    expect(code).toBe(diagnosis.healthy ? 0 : 1);
    expect(diagnosis.kernel).toBe(readFileSync("/proc/sys/kernel/osrelease", "utf8").trim());
    expect(diagnosis.user).toBe(process.getuid?.());
    expect([...new Set(diagnosis.checks.map(({ area }) => area))]).toEqual([
      "kernel",
      "namespaces",
      "cgroups",
      "security",
      "programs",
    ]);
    for (const { name, status, detail, fix } of diagnosis.checks) {
      expect(detail, name).not.toBe("");
      if (status !== "ok") expect(fix, name).toBeTruthy();
    }
    // these tests run containers, so they can be run
    expect(diagnosis.healthy).toBe(true);
    expect(box.leftovers()).toEqual([]);
  });

  test("agrees with the kernel's own files", async ({ box }) => {
    const { checks } = JSON.parse((await box.call(["doctor", "--json"])).stdout) as Diagnosis;
    const status = (name: string): string | undefined => checks.find((check) => check.name === name)?.status;
    for (const type of ["user", "cgroup", "ipc", "pid", "time", "uts"])
      expect(status(type), type).toBe(existsSync(`/proc/self/ns/${type}`) ? "ok" : "missing");
    expect(status("mount")).toBe("ok");
    expect(status("openat2")).toBe("ok");
    const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
    expect(checks.find(({ name }) => name === "layout")?.detail).toMatch(unified ? /^v2/ : /^v1/);
    expect(status("seccomp")).toBe(existsSync("/proc/sys/kernel/seccomp/actions_avail") ? "ok" : "missing");
    expect(status("ps")).toBe(existsSync("/bin/ps") || existsSync("/usr/bin/ps") ? "ok" : "limited");
    const systemd = existsSync("/run/systemd/system");
    if (!systemd) expect(status("systemd")).toBe("limited");
  });

  test("text: a line for each check, the fix below it, the verdict at the end", async ({ box }) => {
    const { checks } = JSON.parse((await box.call(["doctor", "--json"])).stdout) as Diagnosis;
    const { stdout } = await box.call(["doctor"]);
    for (const { name, detail, fix } of checks) {
      expect(stdout).toContain(`${name} `);
      expect(stdout).toContain(detail);
      if (fix !== undefined) expect(stdout).toContain(`-> ${fix}`);
    }
    expect(stdout).toMatch(/\ncontainers can be started here\n$/);
  });

  test("as another user: what that one may do", async () => {
    const result = await run(
      ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", ...runtime.argv, "doctor", "--json"],
      {
        env: { PATH: "/usr/bin:/bin" },
      },
    );
    expect(result.stderr).toBe("");
    const { user, checks } = JSON.parse(result.stdout) as Diagnosis;
    expect(user).toBe(12345);
    expect(checks.find(({ name }) => name === "/etc/subuid")).toMatchObject({ status: "limited" });
    expect(checks.find(({ name }) => name === "idmapped mounts")).toMatchObject({ status: "limited" });
    expect(checks.find(({ name }) => name === "user")?.needed ?? true).toBe(true);
  });

  test("where user namespaces are used up, in one whose proc is masked: what is missing, and why", async ({ box }) => {
    const script = `
      mount --bind /dev/null /proc/keys || exit 99
      echo 0 > /proc/sys/user/max_user_namespaces || exit 98
      exec "$@"`;
    const sandbox = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    const result = await run([...sandbox, ...runtime.argv, "doctor", "--json"], { env: box.environment });
    expect(result.stderr).toBe("");
    const { checks, healthy } = JSON.parse(result.stdout) as Diagnosis;
    const found = (name: string): Check | undefined => checks.find((check) => check.name === name);
    expect(found("user")).toMatchObject({
      status: "missing",
      needed: false, // as root of the namespace
      detail: "none left: /proc/sys/user/max_user_namespaces is 0",
      fix: "raise /proc/sys/user/max_user_namespaces",
    });
    expect(found("idmapped mounts")).toMatchObject({ status: "limited" });
    expect(found("proc in a user namespace")).toMatchObject({
      status: "limited",
      detail: expect.stringContaining("/proc/keys"),
    });
    expect([healthy, result.code]).toEqual([true, 0]);
    const text = await run([...sandbox, ...runtime.argv, "doctor"], { env: box.environment });
    expect(text.stdout).toMatch(/^linux \S+ on \S+, as root of a user namespace\n/);
  });

  test("where no mount namespace can be made: status 1", async ({ box }) => {
    const script = 'echo 0 > /proc/sys/user/max_mnt_namespaces || exit 98; exec "$@"';
    const sandbox = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"];
    const { code, stdout } = await run([...sandbox, ...runtime.argv, "doctor"], { env: box.environment });
    expect(stdout).toMatch(/missing +mount +none left: \/proc\/sys\/user\/max_mnt_namespaces is 0\n +-> raise /);
    expect(stdout).toMatch(/\ncontainers can't be started here\n$/);
    expect(code).toBe(1);
  });
});
