/** The suites by name: which guest, which cases. */
import type { Suite } from "./cases.ts";
import { deviceCases } from "./devices.ts";
import { doctorCases } from "./doctor.ts";
import { execCases } from "./exec.ts";
import { fullCases } from "./full.ts";
import { legacyCases } from "./legacy.ts";
import { limitCases } from "./limits.ts";
import { rootlessCases } from "./rootless.ts";
import { systemdCases } from "./systemd.ts";
import { unifiedCases } from "./unified.ts";

export const suites = {
  "cgroup v2": { guest: [], cases: [...unifiedCases, ...limitCases, ...execCases, ...deviceCases, ...doctorCases] },
  systemd: { guest: ["--systemd", "--memory", "1000"], cases: systemdCases },
  rootless: { guest: ["--systemd", "--memory", "1000"], cases: rootlessCases },
  "systemd on v1": { guest: ["--v1"], cases: legacyCases },
  "all controllers": { guest: ["--full"], cases: fullCases },
} as const satisfies Record<string, Suite>;
