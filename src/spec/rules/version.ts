// ociVersion: a semantic version this runtime is compatible with.

import type { Config } from "../config.ts";
import { quote, type Report } from "../problem.ts";

const section = "config.md#specification-version";

// major.minor.patch, then -prerelease and +build (semver.org, without the finer points of what they may hold)
const semver = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** Minor versions only add to the spec, and unknown members are ignored, so any 1.x (and what came before) will do. */
const newestMajor = 1;

export function checkVersion({ ociVersion }: Config, { error }: Report): void {
  const version = semver.exec(ociVersion);
  if (version === null) {
    const message = `must be a semantic version such as 1.3.0, not ${quote(ociVersion)}`;
    error({ at: "/ociVersion", message, rule: "oci-version", section });
  } else if (Number(version[1]) > newestMajor) {
    const message = `is ${ociVersion}, but this runtime follows version 1 of the spec`;
    error({ at: "/ociVersion", message, rule: "oci-version", section });
  }
}
