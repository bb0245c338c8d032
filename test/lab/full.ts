/** What needs a complete kernel: all controllers, more than one CPU, time namespaces. */
import assert from "node:assert/strict";
import { mayUse, questions, questionText, ruleCases } from "../harness/device-rules.ts";
import { deviceAnswers } from "../harness/device-script.ts";
import { cgroupFile, type LabCase, SLEEP } from "./cases.ts";

const MiB = 1 << 20;

export const fullCases: readonly LabCase[] = [
  {
    name: "cpuset, hugetlb and rdma limits are written",
    run: async (box) => {
      const container = await box.create(SLEEP, {
        config: (config) => {
          config.linux.resources = {
            cpu: { cpus: "1", mems: "0" },
            hugepageLimits: [{ pageSize: "2MB", limit: 4 * MiB }],
            memory: { limit: 64 * MiB },
          };
        },
      });
      assert.equal(cgroupFile(container.pid, "cpuset.cpus"), "1");
      assert.equal(cgroupFile(container.pid, "cpuset.mems"), "0");
      assert.equal(cgroupFile(container.pid, "hugetlb.2MB.max"), String(4 * MiB));
      assert.equal(cgroupFile(container.pid, "memory.max"), String(64 * MiB));
    },
  },
  {
    name: "cpuset holds: one CPU of two",
    run: async (box) => {
      const result = await box.run(["/bin/nproc"], {
        config: (config) => (config.linux.resources = { cpu: { cpus: "0" } }),
      });
      assert.equal(result.stdout, "1\n");
    },
  },
  {
    name: "the CPU quota throttles",
    run: async (box) => {
      const container = await box.start(
        ["/bin/sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000"],
        {
          config: (config) => (config.linux.resources = { cpu: { quota: 2000, period: 20000 } }),
        },
      );
      let throttled = 0;
      for (let tries = 0; throttled === 0 && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        throttled = Number(/^nr_throttled (\d+)$/m.exec(cgroupFile(container.pid, "cpu.stat"))?.[1]);
      }
      assert.notEqual(throttled, 0);
    },
  },
  {
    name: "a time namespace with offsets",
    run: async (box) => {
      const report = await box.probe([["read", "/proc/uptime", "/proc/self/timens_offsets"]], {
        config: (config) => {
          config.linux.namespaces.push({ type: "time" });
          config.linux["timeOffsets"] = { monotonic: { secs: 1000 }, boottime: { secs: 500_000, nanosecs: 5 } };
        },
      });
      const offsets = report.read["/proc/self/timens_offsets"]?.text ?? "";
      assert.match(offsets, /^monotonic +1000 +0$/m);
      assert.match(offsets, /^boottime +500000 +5$/m);
      const uptime = Number(report.read["/proc/uptime"]?.text?.split(" ")[0]);
      assert.equal(uptime > 500_000, true, `up for ${uptime} s`);
    },
  },
  {
    name: "exec enters the time namespace",
    run: async (box) => {
      const container = await box.start(SLEEP, {
        config: (config) => {
          config.linux.namespaces.push({ type: "time" });
          config.linux["timeOffsets"] = { boottime: { secs: 500_000 } };
        },
      });
      const { stdout } = await box.ok(["exec", container.id, "/bin/cat", "/proc/uptime"]);
      assert.equal(Number(stdout.split(" ")[0]) > 500_000, true, stdout);
    },
  },
  ...ruleCases
    .filter(({ name }) => ["no rules", "allow all", "a hole in a major"].includes(name))
    .map((rules) => ({
      name: `devices: ${rules.name}`,
      run: async (box: Parameters<LabCase["run"]>[0]) => {
        const expected = Object.fromEntries(questions.map((q) => [questionText(q), mayUse(rules, q)]));
        assert.deepEqual(await deviceAnswers(box, rules.rules), expected);
      },
    })),
];
