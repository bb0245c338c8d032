/** The typed face of probe.c: the questions, and the shape of the answers. */
import { compile } from "./paths.ts";

export interface Stat {
  readonly type: "file" | "directory" | "link" | "char" | "block" | "fifo" | "socket" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly links: number;
  readonly target?: string;
}

export interface ReadAnswer {
  readonly text?: string;
  readonly error?: string;
}

/** One key for each verb asked; a verb that wasn't asked for isn't there. */
export interface Report {
  readonly ids: { readonly uid: number[]; readonly gid: number[]; readonly groups: number[] };
  /** Capability sets as 16 hex digits. */
  readonly caps: Record<"bounding" | "effective" | "permitted" | "inheritable" | "ambient", string>;
  readonly process: {
    readonly pid: number;
    readonly ppid: number;
    readonly sid: number;
    readonly pgid: number;
    readonly nice: number;
    readonly personality: number;
    readonly timerSlack: number;
    readonly dumpable: number;
    readonly parentDeathSignal: number;
    readonly subreaper: number;
    readonly noNewPrivs: number;
    readonly securebits: number;
    readonly keepCaps: number;
    readonly thpDisable: number;
    readonly seccomp: number;
    readonly scheduler: number;
    readonly ioPriority: number;
    readonly cpus: number;
    readonly coredumpFilter: string;
    readonly oomScoreAdj: string;
    readonly exe: string;
  };
  readonly signals: { readonly blocked: number[]; readonly ignored: number[] };
  readonly limits: Record<string, { readonly soft: string; readonly hard: string }>;
  readonly env: string[];
  readonly cwd: string;
  readonly umask: number;
  readonly uts: { readonly hostname: string; readonly domainname: string };
  readonly tty: { isatty: number; name: string; rows: number; columns: number; session: number }[];
  readonly ctty: string;
  readonly fds: Record<string, { type: string; uid: number; gid: number; flags: number; target: string }>;
  readonly ns: Record<string, string>;
  readonly net: Record<string, "up" | "down">;
  readonly keyring: string;
  readonly stat: Record<string, Stat | string>;
  readonly statfs: Record<string, { magic: number; flags: number; bytes: number } | string>;
  readonly read: Record<string, ReadAnswer>;
  readonly mounts: ReadAnswer;
  readonly ls: Record<string, string[] | string>;
  readonly open: Record<string, string>;
  readonly openrw: Record<string, string>;
  readonly creat: Record<string, string>;
  readonly write: string;
  readonly mknod: { readonly mknod: string; readonly open: string };
  readonly devices: Record<string, string>;
  readonly exec: Record<string, string>;
  readonly mount: string;
  readonly sethostname: string;
  readonly tiocsti: string;
  readonly forks: number;
  readonly alloc: number;
  readonly trap: number;
  readonly hold: boolean;
  readonly exit: number;
}

/** A question: a verb alone, or a verb and its arguments. */
export type Question = keyof Report | readonly [keyof Report, ...string[]];

/** The path of the probe on the host; rootfs.ts puts it into each rootfs as /probe. */
export const probeProgram = (): string => compile("test/harness/probe.c");

/** process.args for a set of questions. */
export function probeArgs(...questions: Question[]): string[] {
  return ["/probe", ...questions.flatMap((question, index) => [...(index > 0 ? [","] : []), ...[question].flat()])];
}

/**
 * Reads the probe's answer.
 * @throws when the output isn't one JSON object, showing the output
 */
export function parseReport(stdout: string): Report {
  try {
    return JSON.parse(stdout) as Report;
  } catch {
    throw new Error(`the probe's output isn't JSON: ${JSON.stringify(stdout.slice(0, 2000))}`);
  }
}

/** One line of mountinfo. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  readonly root: string;
  readonly at: string;
  readonly options: string[];
  readonly propagation: string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: string[];
}

/** Parses /proc/PID/mountinfo. */
export function parseMounts(text: string): Mount[] {
  return text
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [id, parent, , root = "", at = "", options = "", ...propagation] = before.split(" ");
      const [type = "", source = "", superOptions = ""] = after.split(" ");
      return {
        id: Number(id),
        parent: Number(parent),
        root: unescapePath(root),
        at: unescapePath(at),
        options: options.split(","),
        propagation,
        type,
        source: unescapePath(source),
        superOptions: superOptions.split(","),
      };
    });
}

/** mountinfo writes space, tab, newline and backslash as octal escapes. */
function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
