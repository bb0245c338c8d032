/** Which runtimes the tests run on. */
import { chmodSync, existsSync, mkdirSync, renameSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildDirectory, repository } from "./paths.ts";

/** One OCI runtime under test. */
export interface Runtime {
  /** What the tests call it: `tsrunc` and `node` are ours, `runc` and `crun` prove the tests themselves. */
  readonly name: "tsrunc" | "node" | "runc" | "crun";
  /** The command, before any argument. */
  readonly argv: readonly string[];
  /** Ours, in either host? */
  readonly ours: boolean;
}

const CGROUP2_MAGIC = 0x63677270;

const factories: Record<Runtime["name"], () => Runtime> = {
  tsrunc: () => own("tsrunc", process.env["TSRUNC"] ?? join(repository, "dist", "tsrunc"), []),
  node: () => own("node", join(repository, "dist", "cli.js"), [process.execPath]),
  runc: () => ({ name: "runc", argv: [find("runc")], ours: false }),
  crun: () => ({ name: "crun", argv: [crun()], ours: false }),
};

/**
 * The runtimes chosen by the environment variable TSRUNC_TEST_RUNTIMES, a comma-separated list of names.
 * Default: both hosts of ours. A chosen runtime that isn't there is an error: nothing is skipped silently.
 */
export function chosenRuntimes(): readonly Runtime[] {
  const names = (process.env["TSRUNC_TEST_RUNTIMES"] ?? "tsrunc,node").split(",").filter((name) => name !== "");
  return names.map((name) => {
    const factory = Object.hasOwn(factories, name) ? factories[name as Runtime["name"]] : undefined;
    if (factory === undefined) throw new Error(`TSRUNC_TEST_RUNTIMES: unknown runtime "${name}"`);
    return factory();
  });
}

/** The named runtime, or undefined where this machine doesn't have it. For tests that need a particular peer. */
export function peer(name: "runc" | "crun"): Runtime | undefined {
  try {
    return factories[name]();
  } catch {
    return undefined;
  }
}

function own(name: "tsrunc" | "node", file: string, before: readonly string[]): Runtime {
  if (!existsSync(file)) throw new Error(`${file} is missing: run "npm run build" first`);
  return { name, argv: [...before, file], ours: true };
}

function find(program: string): string {
  for (const directory of ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]) {
    const path = join(directory, program);
    if (existsSync(path)) return path;
  }
  throw new Error(`${program} isn't installed`);
}

/** Is the v2 hierarchy mounted beside the v1 ones? */
export function hybridCgroups(): boolean {
  const unified = "/sys/fs/cgroup/unified";
  return existsSync(unified) && statfsSync(unified).type === CGROUP2_MAGIC;
}

/**
 * crun refuses hosts where the v2 hierarchy is mounted beside v1 ones. There it gets a private mount namespace without
 * that mount; the machine's own mounts stay as they are.
 */
function crun(): string {
  const real = find("crun");
  if (!hybridCgroups()) return real;
  const wrapper = join(buildDirectory, "crun-legacy");
  const text = `#!/bin/sh
exec unshare -m --propagation private sh -c 'umount /sys/fs/cgroup/unified; exec ${real} "$@"' crun "$@"
`;
  mkdirSync(buildDirectory, { recursive: true });
  const temporary = `${wrapper}.${process.pid}`;
  writeFileSync(temporary, text);
  chmodSync(temporary, 0o755);
  renameSync(temporary, wrapper);
  return wrapper;
}
