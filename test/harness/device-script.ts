/** Asks a real kernel, from inside a container, which devices it lets be used. */
import type { Box } from "./box.ts";
import { devices, type RuleCase } from "./device-rules.ts";

/** Runs a container with the rules. Returns for each question of the table whether the kernel allowed it. */
export async function deviceAnswers(box: Box, rules: RuleCase["rules"]): Promise<Record<string, boolean>> {
  const { devices: outcomes } = await box.probe([["devices", ...devices.map((device) => device.join(":"))]], {
    config: (config) => {
      config.linux.resources = { devices: rules };
      for (const set of Object.values(config.process.capabilities ?? {})) set.push("CAP_MKNOD");
    },
  });
  // EPERM is the filter's answer; a device that doesn't exist, or is busy, has passed it
  return Object.fromEntries(Object.entries(outcomes).map(([question, outcome]) => [question, outcome !== "EPERM"]));
}
