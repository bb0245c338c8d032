import { host } from "#host";
import { addMounts, removeMounts } from "../../container/mounts.ts";
import { readerFor } from "../../container/reader.ts";
import { savedConfig } from "../../container/saved.ts";
import { UserError } from "../../errors.ts";
import { log } from "../../log.ts";
import { parseMounts } from "../../spec/load.ts";
import { absolute, type Context } from "../context.ts";

const maxDocumentBytes = 16 << 20;

export function run({ args, store, facts }: Context): number {
  const [action, id = "", file = ""] = args;
  if (action !== "add" && action !== "remove") {
    throw new UserError(`unknown action ${JSON.stringify(action)}`, { code: "usage", hint: "use add or remove" });
  }
  const config = savedConfig(store, id);
  const text = host.readText(absolute(file), maxDocumentBytes);
  const { mounts, warnings } = parseMounts(text, action, config, readerFor(facts));
  for (const { at, message } of warnings) log.warn(`${at}: ${message}`);
  (action === "add" ? addMounts : removeMounts)(store, id, mounts, config);
  return 0;
}
