// Random configs: a valid one compiles to a plan that survives the wire; a broken one is refused in words. Nothing crashes.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { host } from "#host";
import { UserError } from "../../../src/errors.ts";
import { compileCreate } from "../../../src/plan/compile.ts";
import { toWire } from "../../../src/plan/encode.ts";
import { printPlan } from "../../../src/plan/print.ts";
import { prepareSeccomp } from "../../../src/seccomp/compile.ts";
import type { Config } from "../../../src/spec/config.ts";
import { explain } from "../../../src/spec/explain.ts";
import { inspectConfig, parseConfig } from "../../../src/spec/load.ts";
import { capabilities } from "../../../src/spec/tables/capabilities.ts";
import { mountOptionWords } from "../../../src/spec/tables/mount-options.ts";
import { complete } from "../spec/samples.ts";

const reader = {
  check: host.checkJson,
  explain: () => explain,
  facts: { rootless: false, systemdCgroup: false },
};

function compile(config: Config) {
  return compileCreate(
    config,
    {
      privileged: true,
      clonesMounts: true,
      cgroup: { mode: "v2", unified: { mount: "/sys/fs/cgroup", own: "/a/b" } },
      machine: "x86_64",
      capabilities: (1n << 41n) - 1n,
    },
    {
      id: "c",
      bundle: "/b",
      rootfs: "/b/rootfs",
      start: "later",
      root: "pivot",
      keyring: "new",
      preserved: [],
      environment: [],
      cgroup: { driver: "none" },
      seccomp: prepareSeccomp,
    },
  );
}

// ---- valid ones ------------------------------------------------------------------------------------------------------

const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const sometimes = <Value>(members: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }) =>
  fc.record(members, { requiredKeys: [] }) as fc.Arbitrary<Partial<Value>>;

const plainOptions = mountOptionWords().filter(
  (word) => !["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "copy-symlink"].includes(word),
);
const mount = fc
  .tuple(
    path.filter((text) => !text.startsWith("/proc")),
    fc.constantFrom("tmpfs", "bind", "proc", "devpts", "cgroup", "overlay"),
    fc.array(fc.constantFrom(...plainOptions.filter((word) => word !== "dest-nofollow")), { maxLength: 6 }),
  )
  .map(([destination, type, options]) =>
    type === "bind"
      ? { destination, source: "/host", type, options: ["rbind", ...options] }
      : { destination, source: type, type, options: [...options, "key=value"] },
  );

const set = fc.uniqueArray(fc.constantFrom(...Object.keys(capabilities)));
const program = sometimes({
  env: fc.array(
    fc.tuple(name, fc.string({ unit: "grapheme" })).map(([key, value]) => `${key}=${value.replaceAll("\0", "")}`),
  ),
  args: fc.tuple(
    name,
    fc.string().map((text) => text.replaceAll("\0", "")),
  ),
  noNewPrivileges: fc.boolean(),
  oomScoreAdj: fc.integer({ min: -1000, max: 1000 }),
  user: sometimes({
    uid: fc.nat(70000),
    gid: fc.nat(70000),
    umask: fc.nat(0o777),
    additionalGids: fc.array(fc.nat(70000)),
  }),
  rlimits: fc.uniqueArray(
    fc
      .tuple(fc.constantFrom("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_AS"), fc.bigInt(0n, 2n ** 64n - 1n))
      .map(([type, hard]) => ({ type, hard: String(hard), soft: "0" })),
    { selector: ({ type }) => type },
  ),
  capabilities: optional(
    fc.tuple(set, set, set).map(([bounding, permitted, less]) => {
      const ambient = permitted.filter((word) => less.includes(word));
      return { bounding, permitted, effective: ambient, inheritable: less, ambient };
    }),
  ),
});

const namespaceTypes = ["pid", "network", "ipc", "uts", "cgroup", "time", "user"];
const mappings = fc.constant([{ containerID: 0, hostID: 100000, size: 65536 }]);
const config = fc
  .record({
    members: program,
    mounts: fc.array(mount, { maxLength: 12 }),
    types: fc.subarray(namespaceTypes),
    joined: fc.subarray(["ipc", "uts", "network"]),
    maskedPaths: optional(fc.array(path)),
    readonlyPaths: optional(fc.array(path)),
    readonly: fc.boolean(),
    rootfsPropagation: optional(fc.constantFrom("shared", "slave", "private", "unbindable", "rshared")),
    maps: mappings,
  })
  .map(({ members, types, joined, maps, mounts, readonly, ...linux }) => {
    const user = types.includes("user");
    const uid = (id: number | undefined) => (id === undefined ? id : user ? id % 65536 : id);
    const who = members.user;
    return {
      ociVersion: "1.3.0",
      root: { path: "rootfs", readonly },
      process: {
        cwd: "/",
        args: ["sh"],
        ...members,
        ...(who === undefined
          ? {}
          : {
              user: {
                ...who,
                uid: uid(who.uid),
                gid: uid(who.gid),
                additionalGids: who.additionalGids?.map((id) => id % 65536),
              },
            }),
      },
      mounts,
      linux: {
        ...linux,
        namespaces: ["mount", ...types].map((type) =>
          joined.includes(type) ? { type, path: `/run/${type}` } : { type },
        ),
        ...(user ? { uidMappings: maps, gidMappings: maps } : {}),
      },
    };
  });

/** 64-bit limits are written as the digits that JSON.stringify has no way for. */
const textOf = (value: unknown): string => JSON.stringify(value).replace(/"(hard|soft)":"(\d+)"/g, '"$1":$2');

describe("random valid configs", () => {
  test("compile to plans that are the same after the wire, and can be printed", () => {
    fc.assert(
      fc.property(config, (value) => {
        const { config: read } = parseConfig(textOf(value), reader);
        const plan = compile(read);
        const wire = plan.steps.map(({ op }) => toWire(op));
        const numbers = (op: readonly unknown[]): unknown[] =>
          op.map((field) =>
            typeof field === "bigint" ? String(field) : typeof field === "number" ? String(field) : field,
          );
        expect(host.decodePlan(host.encodePlan(wire)).map(numbers)).toEqual(wire.map(numbers));
        expect(printPlan(plan).split("\n").length).toBeGreaterThan(plan.steps.length);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  test("keep the order of the mounts, and end in the program", () => {
    fc.assert(
      fc.property(config, (value) => {
        const { steps } = compile(parseConfig(textOf(value), reader).config);
        const order = steps.map(({ at }) => /^\/mounts\/(\d+)/.exec(at)?.[1]).filter((index) => index !== undefined);
        const first = order.filter((index, at) => order.indexOf(index) === at).map(Number);
        expect(first).toEqual([...first].sort((a, b) => a - b));
        expect(steps.at(-1)?.op.op).toBe("exec");
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});

// ---- broken ones -----------------------------------------------------------------------------------------------------

/** A place in a JSON text, and what is put there. */
const mutation = fc.record({
  at: fc.nat(),
  length: fc.nat(12),
  text: fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom("null", "-1", "1e999", '"', "{", "]", ",", "18446744073709551616", "\\u0000", '"__proto__":{},'),
  ),
});

describe("random mutations of a config", () => {
  const whole = JSON.stringify(complete, (_, value: unknown) =>
    typeof value === "bigint" ? `integer ${value}` : value,
  ).replace(/"integer (-?\d+)"/g, "$1");

  test("are refused in words or compiled, and inspected without an exception of ours", () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        let text = whole;
        for (const { at, length, text: put } of mutations) {
          const start = at % text.length;
          text = text.slice(0, start) + put + text.slice(start + length);
        }
        const refused = (work: () => void): void => {
          try {
            work();
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
            expect(error.message).not.toBe("");
          }
        };
        refused(() => compile(parseConfig(text, reader).config));
        refused(() => inspectConfig(text, reader));
      }),
      { numRuns: 3000 },
    );
  }, 120_000);
});
