import { host } from "#host";
import { type Check, type Diagnosis, diagnose, isHealthy } from "../../container/doctor.ts";
import { cgroupChecks } from "../../container/doctor-cgroups.ts";
import { kernelChecks } from "../../container/doctor-kernel.ts";
import { namespaceChecks } from "../../container/doctor-namespaces.ts";
import { programChecks } from "../../container/doctor-programs.ts";
import { securityChecks } from "../../container/doctor-security.ts";
import type { Context } from "../context.ts";
import { booleanFlag } from "../flags.ts";

export function run({ command }: Context): number {
  const diagnosis = diagnose([kernelChecks, namespaceChecks, cgroupChecks, securityChecks, programChecks]);
  const healthy = isHealthy(diagnosis);
  host.writeFd(
    1,
    booleanFlag(command, "json") ? `${JSON.stringify({ ...diagnosis, healthy }, null, 2)}\n` : asText(diagnosis),
  );
  return healthy ? 0 : 1;
}

function asText(diagnosis: Diagnosis): string {
  const { kernel, machine, user, nested, checks } = diagnosis;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const areas = [...new Set(checks.map(({ area }) => area))];
  const verdict = isHealthy(diagnosis) ? "containers can be started here" : "containers can't be started here";
  return [
    `linux ${kernel} on ${machine}, as ${user === 0 ? "root" : `user ${user}`}${nested ? " of a user namespace" : ""}`,
    ...areas.flatMap((area) => ["", area, ...checks.filter((check) => check.area === area).flatMap(line)]),
    "",
    verdict,
    "",
  ].join("\n");

  function line({ name, status, detail, fix }: Check): readonly string[] {
    const first = `  ${status.padEnd(7)}  ${name.padEnd(width)}  ${detail}`;
    return fix === undefined ? [first] : [first, `  ${"".padEnd(7)}  ${"".padEnd(width)}  -> ${fix}`];
  }
}
