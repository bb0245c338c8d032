// The engines' default profiles: our filter must decide as libseccomp's does, for every call there is.
import { describe, expect, test } from "vitest";
import type { Machine } from "../../../src/seccomp/profile.ts";
import { differences } from "./compare.ts";
import { readProfile } from "./fixtures.ts";

const profiles: readonly (readonly [file: string, machine: Machine])[] = [
  ["podman", "x86_64"],
  ["podman-aarch64", "aarch64"],
  ["docker", "x86_64"],
  ["docker-caps", "x86_64"],
  ["containerd", "x86_64"],
];

describe.each(profiles)("the default profile of %s on %s", (file, machine) => {
  const profile = readProfile(file);

  test("decides as libseccomp does", () => {
    expect(differences(profile, machine)).toEqual([]);
  });

  test("does so with the machine's own architecture alone", () => {
    expect(differences({ ...profile, architectures: [] }, machine)).toEqual([]);
  });
});
