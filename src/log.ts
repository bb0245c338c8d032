// Where warnings and debug messages go: to the file of --log if there is one. Standard error stays empty on success,
// because engines take it for the container's; with --debug and no log file, the user has asked for it.

type Level = "debug" | "warning";

let sink: ((level: Level, message: string) => void) | undefined;

export const log = {
  /** Set once by the command line (cli/report.ts). */
  to(write: (level: Level, message: string) => void): void {
    sink = write;
  },
  warn(message: string): void {
    sink?.("warning", message);
  },
  /** The text is made only if somebody reads it. */
  debug(message: () => string): void {
    if (sink !== undefined) sink("debug", message());
  },
};
