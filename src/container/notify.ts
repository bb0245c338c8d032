// Service notification (sd_notify(3)), when whoever starts us wants it (NOTIFY_SOCKET): the container gets a socket of its
// own, and of what its program sends there "READY" goes on to the caller's, with the program's pid as the host sees it.
//
// The caller's own socket never gets into the container: it would let the program speak for the whole service.

import { host } from "#host";
import { isErrno } from "../errors.ts";
import { log } from "../log.ts";
import type { Bundle } from "./bundle.ts";
import { directoryOf, type Store } from "./store.ts";

const variable = "NOTIFY_SOCKET";
/** In the container */
const mountPoint = "/run/notify";
const socketName = "notify.sock";

function directory(store: Store, id: string): string {
  return `${directoryOf(store, id)}/notify`;
}

/** The bundle with a mount and a variable more. The config that is kept stays the bundle's, so exec gets neither. */
export function withNotifySocket(bundle: Bundle, store: Store, id: string): Bundle {
  const { config } = bundle;
  if (config.process === undefined) return bundle;
  const mount = {
    destination: mountPoint,
    type: "bind",
    source: directory(store, id),
    options: ["bind", "nosuid", "noexec", "nodev", "ro"],
  };
  const env = [...(config.process.env ?? []), `${variable}=${mountPoint}/${socketName}`];
  const changed = { ...config, mounts: [...(config.mounts ?? []), mount], process: { ...config.process, env } };
  return { ...bundle, config: changed };
}

/** Makes the directory and the socket in it. Returns the socket. */
export function prepare(store: Store, id: string): number {
  host.makeDir(directory(store, id), 0o755);
  return host.listenDatagrams(`${directory(store, id)}/${socketName}`);
}

/** For `start`: the socket anew, in a container that was created with one; undefined for others. */
export function listen(store: Store, id: string): number | undefined {
  const path = directory(store, id);
  return host.stat(path, false) === undefined ? undefined : host.listenDatagrams(`${path}/${socketName}`);
}

/** Waits until the program is ready, or init has ended (`pidfd`; undefined: it has already). Closes the socket. */
export function awaitReady(socket: number, pidfd: number | undefined, pid: number): void {
  try {
    while (pidfd !== undefined) {
      const ready = host.poll([socket, pidfd], -1);
      if (ready.includes(0) && takeReady(socket, pid)) return;
      if (!ready.includes(0) && ready.includes(1)) return;
    }
  } finally {
    host.close(socket);
  }
}

const mostBytes = 65_536;
const barrierMs = 30_000;

/** Takes one message; when it says that the program is ready, that goes on. Returns whether it did. */
export function takeReady(socket: number, pid: number): boolean {
  const [bytes, fd] = host.receiveMessage(socket, mostBytes) ?? [new Uint8Array(0), -1];
  if (fd >= 0) host.close(fd);
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  if (!text.split("\n").some((line) => line === "READY=1")) return false;
  try {
    host.notify(host.env(variable) ?? "", `READY=1\nMAINPID=${pid}`, barrierMs);
  } catch (error) {
    if (!isErrno(error)) throw error;
    log.warn(`can't pass on that the container is ready: ${error.message}`);
  }
  return true;
}
