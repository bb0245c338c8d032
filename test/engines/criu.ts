/** CRIU for the engines' checkpoints: one that works on this kernel, fetched once (tools/criu.sh). */
import { join } from "node:path";
import { run } from "../harness/command.ts";
import { repository } from "../harness/paths.ts";

/** The folder that has `criu`, to be put into PATH; or the reason why there is none. */
export const criu: { readonly directory: string | undefined; readonly reason: string } = await find();

async function find(): Promise<{ directory: string | undefined; reason: string }> {
  const { code, stdout, stderr } = await run([join(repository, "tools/criu.sh")], { deadline: 120_000 });
  if (code === 0) return { directory: stdout.trim(), reason: "" };
  return { directory: undefined, reason: `no CRIU: ${stderr.trim().split("\n").pop()}` };
}
