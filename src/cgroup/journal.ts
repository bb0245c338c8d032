// Writes that can be taken back: before a file of a cgroup is changed, what it held is noted. So a limit that is
// refused half way through an update leaves everything as it was.

import { host } from "#host";
import { isErrno } from "../errors.ts";
import { log } from "../log.ts";

/** How a limit is written: by host.writeText, or by a journal that remembers. */
export type WriteFile = (path: string, text: string) => void;

interface Entry {
  readonly path: string;
  /** What to write to have it as before */
  readonly lines: readonly string[];
}

/** Files with a line for each device: the first word of a line tells which. And the text that takes a line away. */
const lineFiles: readonly (readonly [name: RegExp, nothing: string])[] = [
  [/\/io\.max$/, "rbps=max wbps=max riops=max wiops=max"],
  [/\/io\.(bfq\.)?weight$/, "default"],
  [/\/blkio\.throttle\.\w+_device$/, "0"],
  [/\/blkio\.(bfq\.)?(leaf_)?weight_device$/, "0"],
  [/\/rdma\.max$/, "hca_handle=max hca_object=max"],
  [/\/net_prio\.ifpriomap$/, "0"],
];

export class Journal {
  private readonly entries: Entry[] = [];

  readonly write: WriteFile = (path, text) => {
    const entry = before(path, text);
    host.writeText(path, text);
    if (entry !== undefined) this.entries.push(entry);
  };

  /** Puts everything back, last first. What can't be is logged: the error that led here is the one to be told. */
  undo(): void {
    for (const { path, lines } of this.entries.splice(0).reverse()) {
      for (const line of lines) {
        try {
          host.writeText(path, line);
        } catch (error) {
          if (!isErrno(error)) throw error;
          log.warn(`can't set ${path} back to "${line.trim()}": ${error.message}`);
        }
      }
    }
  }
}

/** How the file is now, as far as the text to be written touches it. undefined: it can't be read. */
function before(path: string, text: string): Entry | undefined {
  let content: string;
  try {
    content = host.readText(path, 1 << 20);
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
  return { path, lines: linesBefore(path, content, text) };
}

/** @returns the lines to write so that the file says again what it says in `content`, after `text` was written */
export function linesBefore(path: string, content: string, text: string): readonly string[] {
  const nothing = lineFiles.find(([name]) => name.test(path))?.[1];
  // an empty cpuset is set by a line feed: writing nothing is no write
  if (nothing === undefined) return [content.trim() === "" ? "\n" : content.trim()];
  const [key] = text.split(" ");
  const line = content.split("\n").find((candidate) => candidate.split(" ")[0] === key);
  // io.max and the like keep what a line doesn't name, so all that a fresh line could name is reset first
  return line === undefined ? [`${key} ${nothing}`] : [line];
}
