/** CRIU for the engines' checkpoints: one that works on this kernel, fetched once (tools/criu.sh). */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { repository } from "../harness/paths.ts";

/** The folder that has `criu`, to be put into PATH; or the reason why there is none. */
export const criu: { readonly directory: string | undefined; readonly reason: string } = find();

function find(): { directory: string | undefined; reason: string } {
  const { status, stdout, stderr } = spawnSync(join(repository, "tools/criu.sh"), {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status === 0) return { directory: stdout.trim(), reason: "" };
  return { directory: undefined, reason: `no CRIU: ${stderr.trim().split("\n").pop()}` };
}
