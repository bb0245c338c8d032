/** The systemd driver where systemd has cgroup v1 (with its hybrid v2 tree): one directory in every hierarchy. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mayUse, questions, questionText, ruleCases } from "../harness/device-rules.ts";
import { deviceAnswers } from "../harness/device-script.ts";
import { type LabCase, SLEEP } from "./cases.ts";
import { loaded, scope, show, withSystemd } from "./units.ts";

const MiB = 1 << 20;

/** The cgroups of a process, one for each hierarchy. */
function cgroupsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return lines.map((line) => line.split(":").slice(2).join(":"));
}

export const legacyCases: readonly LabCase[] = [
  {
    name: "v1: a container is in its scope in every hierarchy, with limits in files and properties",
    run: async (box) => {
      const container = await withSystemd(box).create(SLEEP, {
        config: (config) => {
          config.linux.cgroupsPath = `system.slice:${box.tag}:a`;
          config.linux.resources = {
            memory: { limit: 64 * MiB },
            pids: { limit: 17 },
            cpu: { shares: 512, quota: 50000, period: 100000 },
          };
        },
      });
      const unit = scope(box, "a");
      const path = `/system.slice/${unit}`;
      assert.deepEqual([...new Set(cgroupsOf(container.pid))], [path]);
      assert.deepEqual(show(unit, "MemoryLimit", "TasksMax", "CPUShares", "CPUQuotaPerSecUSec"), {
        MemoryLimit: String(64 * MiB),
        TasksMax: "17",
        CPUShares: "512",
        CPUQuotaPerSecUSec: "500ms",
      });
      const file = (name: string): string => readFileSync(`/sys/fs/cgroup/${name}`, "utf8").trim();
      assert.equal(file(`memory${path}/memory.limit_in_bytes`), String(64 * MiB));
      assert.equal(file(`cpu,cpuacct${path}/cpu.shares`), "512");
      await container.start();
      await box.ok(["update", "--memory", "40M", container.id]);
      assert.deepEqual(show(unit, "MemoryLimit"), { MemoryLimit: String(40 * MiB) });
      const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/self/cgroup"]);
      const joined = stdout.trim().split("\n");
      assert.deepEqual([...new Set(joined.map((line) => line.split(":")[2]))], [path]);
      await box.ok(["pause", container.id]);
      assert.equal(file(`freezer${path}/freezer.state`), "FROZEN");
      await container.delete("--force");
      assert.equal(loaded(unit), false);
      for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
        assert.equal(existsSync(`/sys/fs/cgroup/${hierarchy}${path}`), false, hierarchy);
      }
    },
  },
  ...ruleCases
    .filter(({ name }) => ["one device", "allow all but one", "read for a major, write for one of it"].includes(name))
    .map(
      (rules): LabCase => ({
        name: `v1: devices: ${rules.name}`,
        run: async (box) => {
          const expected = Object.fromEntries(questions.map((asked) => [questionText(asked), mayUse(rules, asked)]));
          assert.deepEqual(await deviceAnswers(withSystemd(box), rules.rules), expected);
        },
      }),
    ),
];
