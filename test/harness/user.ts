/**
 * An ordinary user: in /etc/passwd, with ranges of subordinate ids. The user's processes see such files of their own, in mount
 * namespaces of their own, so that the machine's stay as they are whatever happens to the test.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, type Result, run } from "./command.ts";

/** What newuidmap and newgidmap may hand on. */
export const subordinate = { uid: 300_000, gid: 400_000, size: 65_536 } as const;

/** Why no user can have more than one id here; undefined: it can. */
export const noRanges = ["/usr/bin/newuidmap", "/usr/bin/newgidmap", "/etc/subuid", "/etc/subgid"]
  .filter((path) => !existsSync(path))
  .map((path) => `${path} is missing (package uidmap)`)
  .at(0);

export class OrdinaryUser {
  readonly name = "tsrunc-user";
  readonly uid = 23_456;
  readonly home: string;
  readonly #files: string;

  readonly #binds: readonly (readonly [source: string, target: string])[];

  /**
   * @param directory what becomes the user's home, and beside it the files that replace those of /etc
   * @param binds what else the user sees in another place
   */
  constructor(directory: string, binds: readonly (readonly [source: string, target: string])[] = []) {
    this.#binds = binds;
    this.home = join(directory, "home");
    this.#files = join(directory, "etc");
    mkdirSync(join(this.home, "run"), { recursive: true, mode: 0o700 });
    mkdirSync(this.#files);
    for (const file of ["passwd", "group"]) {
      writeFileSync(join(this.#files, file), readFileSync(`/etc/${file}`));
    }
    const { name, uid, home } = this;
    writeFileSync(join(this.#files, "passwd"), `${name}:x:${uid}:${uid}::${home}:/bin/sh\n`, { flag: "a" });
    writeFileSync(join(this.#files, "group"), `${name}:x:${uid}:\n`, { flag: "a" });
    this.ranges(`${name}:${subordinate.uid}:${subordinate.size}`, `${name}:${subordinate.gid}:${subordinate.size}`);
    this.own();
  }

  /** The user's lines in /etc/subuid and /etc/subgid. */
  ranges(uids: string, gids: string): void {
    writeFileSync(join(this.#files, "subuid"), `${uids}\n`);
    writeFileSync(join(this.#files, "subgid"), `${gids}\n`);
  }

  /** Gives all that is in the home to the user. */
  own(): void {
    execFileSync("chown", ["-R", `${this.uid}:${this.uid}`, this.home]);
  }

  /** XDG_RUNTIME_DIR. */
  get runtime(): string {
    return join(this.home, "run");
  }

  /** The command line that runs a command as the user, at home, with nothing but the given in its environment. */
  argv(command: readonly string[], env: Readonly<Record<string, string>> = {}): string[] {
    const files = ["passwd", "group", "subuid", "subgid"].map((file) => [join(this.#files, file), `/etc/${file}`]);
    const binds = [...files, ...this.#binds].map(
      ([source, target]) => `{ [ ! -e ${target} ] || mount --bind ${source} ${target}; }`,
    );
    const script = `${binds.join(" && ")} && cd ${this.home} && exec "$@"`;
    const variables = {
      HOME: this.home,
      USER: this.name,
      XDG_RUNTIME_DIR: this.runtime,
      PATH: process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...env,
    };
    return [
      ...["unshare", "--mount", "sh", "-c", script, "sh"],
      ...["setpriv", `--reuid=${this.uid}`, `--regid=${this.uid}`, "--clear-groups", "env", "-i"],
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...command,
    ];
  }

  /** Runs a command as the user; never throws for a failing one. */
  call(command: readonly string[], options: CommandOptions = {}): Promise<Result> {
    const { env, ...others } = options;
    return run(this.argv(command, env), others);
  }
}
