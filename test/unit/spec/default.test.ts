// What `tsrunc spec` writes. test/unit/spec/rules.test.ts checks that it breaks no rule.

import { describe, expect, test } from "vitest";
import { defaultConfig, formatConfig, specVersion } from "../../../src/spec/default.ts";

const types = (config: ReturnType<typeof defaultConfig>): string[] =>
  config.linux?.namespaces?.map(({ type }) => type) ?? [];

describe("for root", () => {
  const config = defaultConfig({ cgroup: "v1" });

  test("has a shell, a read-only root and the usual mounts", () => {
    expect(config.ociVersion).toBe(specVersion);
    expect(config.process?.args).toEqual(["sh"]);
    expect(config.root).toEqual({ path: "rootfs", readonly: true });
    expect(config.hostname).toBe("tsrunc");
    expect(config.mounts?.map(({ destination }) => destination)).toEqual([
      "/proc",
      "/dev",
      "/dev/pts",
      "/dev/shm",
      "/dev/mqueue",
      "/sys",
      "/sys/fs/cgroup",
    ]);
    expect(config.linux?.resources).toEqual({ devices: [{ allow: false, access: "rwm" }] });
    expect(config.process?.capabilities).not.toHaveProperty("inheritable");
    expect(config.process?.capabilities).not.toHaveProperty("ambient");
  });

  test("has a cgroup namespace on v2 only", () => {
    expect(types(config)).toEqual(["pid", "network", "ipc", "uts", "mount"]);
    expect(types(defaultConfig({ cgroup: "v2" }))).toEqual(["pid", "network", "ipc", "uts", "mount", "cgroup"]);
  });

  test("is written with tabs and a newline at the end", () => {
    const text = formatConfig(config);
    expect(text.startsWith('{\n\t"ociVersion": "1.3.0",\n\t"process": {\n\t\t"terminal": true,')).toBe(true);
    expect(text.endsWith("}\n")).toBe(true);
    expect(JSON.parse(text)).toEqual(config);
  });
});

describe("for an ordinary user", () => {
  const config = defaultConfig({ cgroup: "v2", rootless: { uid: 1000, gid: 100 } });

  test("maps root to the caller", () => {
    expect(types(config)).toEqual(["pid", "ipc", "uts", "mount", "cgroup", "user"]);
    expect(config.linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
    expect(config.linux?.gidMappings).toEqual([{ containerID: 0, hostID: 100, size: 1 }]);
    expect(config.linux).not.toHaveProperty("resources");
  });

  test("binds /sys and has no mount with an owner", () => {
    const sys = config.mounts?.find(({ destination }) => destination === "/sys");
    expect(sys).toMatchObject({ type: "none", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"] });
    expect(config.mounts?.flatMap(({ options = [] }) => options).filter((option) => /^[ug]id=/.test(option))).toEqual(
      [],
    );
  });
});
