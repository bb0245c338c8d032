// --version, in the shape that engines parse: no other line may hold the word "version".

import { host } from "#host";
import { ociVersion } from "../plan/hooks.ts";
import { commit, release } from "./release.ts";

export function printVersion(): number {
  host.writeFd(1, `tsrunc version ${release}\ncommit: ${commit}\nspec: ${ociVersion}\n`);
  return 0;
}
