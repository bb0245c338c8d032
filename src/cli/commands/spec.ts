import { host } from "#host";
import { readLayout } from "../../cgroup/layout.ts";
import { Errno, isErrno, UserError } from "../../errors.ts";
import { defaultConfig } from "../../spec/default.ts";
import type { Context } from "../context.ts";
import { booleanFlag } from "../flags.ts";
import { bundlePath } from "../load.ts";

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;

export function run(context: Context): number {
  const [, uid, gid] = host.ids();
  const rootless = booleanFlag(context.command, "rootless");
  const config = defaultConfig({
    cgroup: readLayout().mode === "v2" ? "v2" : "v1",
    ...(rootless ? { rootless: { uid, gid } } : {}),
  });
  const path = `${bundlePath(context)}/config.json`;
  let fd: number;
  try {
    fd = host.open(path, O_WRONLY | O_CREAT | O_EXCL, 0o666);
  } catch (error) {
    if (!isErrno(error, Errno.EEXIST)) throw error;
    throw new UserError(`File ${path} exists. Remove it first`, { code: "exists" });
  }
  host.writeFd(fd, `${JSON.stringify(config, null, "\t")}\n`);
  host.close(fd);
  return 0;
}
