/** Root file systems for test containers: busybox and the probe. */
import { copyFileSync, existsSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildDirectory } from "./paths.ts";
import { probeProgram } from "./probe.ts";

const BUSYBOX = "/bin/busybox";
const applets = [
  "sh",
  "true",
  "false",
  "echo",
  "cat",
  "ls",
  "id",
  "sleep",
  "mount",
  "umount",
  "hostname",
  "env",
  "kill",
  "ps",
  "dd",
  "touch",
  "mkdir",
  "rm",
  "tail",
  "head",
  "readlink",
  "test",
  "stat",
  "tty",
  "stty",
  "seq",
  "wc",
  "nproc",
  "chmod",
  "mknod",
];
const directories = ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "var", "mnt"];

/**
 * Makes a rootfs at the path: directories, busybox with links, the probe as /probe, passwd and group.
 * The two programs are hard links where the file system allows it, so a rootfs costs about a millisecond.
 */
export function makeRootfs(path: string): void {
  mkdirSync(path, { recursive: true });
  for (const name of directories) mkdirSync(join(path, name), { mode: name === "tmp" ? 0o1777 : 0o755 });
  linkOrCopy(ownBusybox(), join(path, "bin/busybox"));
  linkOrCopy(probeProgram(), join(path, "probe"));
  for (const name of applets) symlinkSync("busybox", join(path, "bin", name));
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n");
  writeFileSync(join(path, "etc/group"), "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n");
}

/** A copy of the machine's busybox: a container must never hold a link to a file of the host itself. */
function ownBusybox(): string {
  const path = join(buildDirectory, "busybox");
  if (existsSync(path)) return path;
  const temporary = `${path}.${process.pid}`;
  mkdirSync(buildDirectory, { recursive: true });
  copyFileSync(BUSYBOX, temporary);
  renameSync(temporary, path);
  return path;
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
