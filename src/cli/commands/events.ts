import { host } from "#host";
import { showEvents, showStats } from "../../container/events.ts";
import { type Context, idArgument } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { booleanFlag, textFlag } from "../flags.ts";

const usualInterval = "5s";

export function run(context: Context): number {
  const id = idArgument(context);
  const intervalMs = parseDuration(textFlag(context.command, "interval") ?? usualInterval, "--interval");
  const write = (line: string): void => host.writeFd(1, line);
  if (booleanFlag(context.command, "stats")) showStats(context.store, id, write);
  else showEvents(context.store, id, intervalMs, write);
  return 0;
}
