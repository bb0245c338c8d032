/** Who takes part in the bench: tsrunc, and the newest runc and crun that can be had. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../harness/paths.ts";

export interface Contestant {
  readonly name: string;
  readonly argv: readonly string[];
  /** The first line of --version. */
  readonly version: string;
  /** Size of the executable in bytes. */
  readonly size: number;
}

const peers = join(repository, "build", "peers");

/**
 * Finds the contestants.
 *
 * @param options.fetch get later runc and crun from Debian when build/peers doesn't have them yet
 * @param options.suite the Debian suite to get them from
 * @param options.node bench `node dist/cli.js` as well
 * @returns the contestants, tsrunc first, and a note for each one that is missing
 */
export function findContestants(options: { fetch: boolean; suite: string; node: boolean }): {
  readonly contestants: Contestant[];
  readonly notes: string[];
} {
  const notes: string[] = [];
  if (options.fetch && !existsSync(join(peers, "crun", "crun"))) notes.push(...fetchPeers(options.suite));
  const candidates: [string, string[]][] = [
    ["tsrunc", [process.env["TSRUNC"] ?? join(repository, "dist", "tsrunc")]],
    ...(options.node ? [["node", [process.execPath, join(repository, "dist", "cli.js")]] as [string, string[]]] : []),
    ["crun", [newest("crun", "/usr/bin/crun")]],
    ["runc", [newest("runc", "/usr/sbin/runc")]],
  ];
  const contestants: Contestant[] = [];
  for (const [name, argv] of candidates) {
    const version = spawnSync(argv[0] ?? "", [...argv.slice(1), "--version"], { encoding: "utf8" });
    if (version.status !== 0) notes.push(`${name} isn't there: ${argv.join(" ")}`);
    else
      contestants.push({
        name,
        argv,
        version: version.stdout.split("\n")[0] ?? "",
        size: statSync(argv.at(-1) ?? "").size,
      });
  }
  return { contestants, notes };
}

function newest(name: string, system: string): string {
  const fetched = join(peers, name, name);
  return existsSync(fetched) ? fetched : system;
}

/** Runs peers.sh; returns why it failed, if it did. */
function fetchPeers(suite: string): string[] {
  try {
    execFileSync("sh", [join(repository, "test/bench/peers.sh"), peers, suite], { stdio: ["ignore", 2, "pipe"] });
    return [];
  } catch (error) {
    const text = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    return [`no later peers: ${text.trim().split("\n").at(-1)}`];
  }
}
