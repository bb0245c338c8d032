import { host } from "#host";
import { features } from "../../container/features.ts";
import { filterFlags, newListenerFlag } from "../../seccomp/profile.ts";
import { commit, release } from "../release.ts";

/** A flag that the kernel takes only from a filter with a listener. */
const onlyWithListener = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

export function run(): number {
  const document = features({ version: release, commit }, (flag) =>
    host.seccompTakes(filterFlags[flag] | (flag === onlyWithListener ? newListenerFlag : 0)),
  );
  host.writeFd(1, `${JSON.stringify(document, null, 2)}\n`);
  return 0;
}
