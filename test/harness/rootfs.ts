/** Root file systems for test containers: busybox and the probe. */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { probeProgram } from "./probe.ts";

const BUSYBOX = "/bin/busybox";
const applets = (
  "cat chmod dd echo env false head hostname id kill ls mkdir mknod mount nproc ps readlink rm seq sh sleep stat stty " +
  "tail test touch true tty umount wc"
).split(" ");
const directories = ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "var", "mnt"];

/**
 * Makes a rootfs at the path: directories, busybox with links, the probe as /probe, passwd and group.
 * The programs are copies: what a container does to them must reach neither the host nor another test.
 */
export function makeRootfs(path: string): void {
  mkdirSync(path, { recursive: true });
  for (const name of directories) mkdirSync(join(path, name), { mode: name === "tmp" ? 0o1777 : 0o755 });
  copyFileSync(BUSYBOX, join(path, "bin/busybox"));
  copyFileSync(probeProgram(), join(path, "probe"));
  for (const name of applets) symlinkSync("busybox", join(path, "bin", name));
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n");
  writeFileSync(join(path, "etc/group"), "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n");
}
