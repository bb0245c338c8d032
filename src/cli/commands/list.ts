import { host } from "#host";
import { type ContainerState, listContainers } from "../../container/state.ts";
import { isErrno, UserError } from "../../errors.ts";
import type { Context } from "../context.ts";
import { booleanFlag, textFlag } from "../flags.ts";
import { sentence } from "../report.ts";

export function run({ command, store, rootGiven }: Context): number {
  const format = textFlag(command, "format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UserError(`invalid format option: ${JSON.stringify(format)}`, {
      code: "usage",
      hint: "use table or json",
    });
  }
  const states = listContainers(store, rootGiven, ownerName(), (error) => {
    host.writeFd(2, `tsrunc list: ${sentence(error)}\n`);
  });
  if (booleanFlag(command, "quiet")) host.writeFd(1, states.map(({ id }) => `${id}\n`).join(""));
  else host.writeFd(1, format === "json" ? `${JSON.stringify(states)}\n` : table(states));
  return 0;
}

const least = 12;
const gap = 3;

/** Columns as runc's: three spaces wider than what is in them, and at least 12; the last one is not padded. */
function table(states: readonly ContainerState[]): string {
  const header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
  const rows = [
    header,
    ...states.map(({ id, pid, status, bundle, created, owner }) => [id, String(pid), status, bundle, created, owner]),
  ];
  const widths = header.map((_, column) => Math.max(least, ...rows.map((row) => (row[column] ?? "").length + gap)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? least))).join("");
  return `${rows.map(line).join("\n")}\n`;
}

/** A user's name from /etc/passwd, "#UID" when it has none. */
function ownerName(): (uid: number) => string {
  let names: ReadonlyMap<string, string> | undefined;
  return (uid) => {
    names ??= readNames();
    return names.get(String(uid)) ?? `#${uid}`;
  };
}

function readNames(): ReadonlyMap<string, string> {
  try {
    const lines = host.readText("/etc/passwd", 16 << 20).split("\n");
    return new Map(lines.map((line) => line.split(":")).map(([name = "", , uid = ""]) => [uid, name]));
  } catch (error) {
    if (isErrno(error)) return new Map();
    throw error;
  }
}
