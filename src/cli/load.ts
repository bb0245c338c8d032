// Bundles for commands that make containers, with the code that only some configs need.

import { host } from "#host";
import { type Bundle, loadBundle } from "../container/bundle.ts";
import type { CreateTools } from "../container/create.ts";
import { checkId } from "../container/id.ts";
import { type Context, idArgument, pathFlag } from "./context.ts";

export async function loadForCreate(
  context: Context,
): Promise<{ readonly bundle: Bundle; readonly tools: CreateTools }> {
  checkId(idArgument(context));
  const bundle = loadBundle(bundlePath(context), context.facts);
  return { bundle, tools: await toolsFor(bundle) };
}

export function bundlePath(context: Context): string {
  return pathFlag(context, "bundle") ?? host.cwd();
}

export async function toolsFor({ config }: Pick<Bundle, "config">): Promise<CreateTools> {
  if (config.linux?.seccomp === undefined) return { seccomp: undefined };
  const { compileSeccomp } = await import("../seccomp/compile.ts");
  return { seccomp: compileSeccomp };
}
