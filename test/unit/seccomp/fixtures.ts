// The engines' default profiles, as they write them into config.json (test/fixtures/seccomp/README.md).
import { readFileSync } from "node:fs";
import type { LinuxSeccomp } from "../../../src/seccomp/profile.ts";

/** linux.seccomp as an engine wrote it. */
export function readProfile(name: string): LinuxSeccomp {
  return JSON.parse(readFileSync(new URL(`../../fixtures/seccomp/${name}.json`, import.meta.url), "utf8"));
}
