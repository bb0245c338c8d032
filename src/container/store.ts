// The state directory: ROOT/ID/ with one file for each thing that outlives a command. The store knows nothing of the
// kernel; what is running is asked of it each time (status.ts).
//
//   lock         flock of every command that changes something
//   intent.json  written before anything is made: what delete --force needs if create dies half way
//   config.json  the configuration as it was at create
//   state.json   the finished container; its presence ends "creating"
//   start.fifo, status.fifo   while it waits for `start` (start.ts)

import { host } from "#host";
import type { CgroupRecord } from "../cgroup/record.ts";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { lockHolder, signalHolder } from "./holder.ts";
import { checkId } from "./id.ts";
import type { ResctrlRecord } from "./resctrl.ts";

/** What is known before the container exists. */
export interface Intent {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339, UTC */
  readonly created: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroup: CgroupRecord;
  /** Whether it has a pid namespace of its own: then the end of init is the end of all */
  readonly ownPid: boolean;
  readonly bootId: string;
  /** Init, as soon as it is there; 0 before */
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid it names a process for good */
  readonly startTime: number;
  readonly afterStart: AfterStart;
  /** Its groups in the resctrl file system, with linux.intelRdt */
  readonly resctrl?: ResctrlRecord;
}

/** What init still does after `start`, so that `start` can word a failure of it. */
export interface AfterStart {
  /** Index in the plan of the first step */
  readonly first: number;
  readonly steps: readonly (readonly [op: string, at: string])[];
}

export interface StoredContainer extends Intent {
  readonly phase: "creating" | "created";
}

export interface Store {
  readonly root: string;
}

/**
 * Where the state is when nobody says: /run/tsrunc for root, else below XDG_RUNTIME_DIR. Root of a user namespace counts as
 * the user it is outside when /run isn't its own: rootless podman's runtime finds its containers so, from whatever part of
 * podman's environment it is called with. An empty variable counts as unset: podman sets it so.
 */
export function defaultRoot(): string {
  const runtimeDir = host.env("XDG_RUNTIME_DIR") ?? "";
  const users = runtimeDir.startsWith("/") && (host.ids()[1] !== 0 || host.stat("/run", true)?.[2] !== 0);
  return users ? `${runtimeDir}/tsrunc` : "/run/tsrunc";
}

/**
 * The store below a root. Whoever can write there could make a container's name mean any process of the machine: a root that
 * is somebody else's is refused, one that others may write to is told (and left as it is).
 */
export function storeAt(root: string): Store {
  const [kind, mode = 0, owner = 0] = statRoot(root) ?? [];
  if (kind !== "directory") return { root };
  if (owner !== 0 && owner !== host.ids()[1]) {
    throw new UserError(`the state directory ${root} belongs to user ${owner}, who could put any process there`, {
      at: "--root",
      code: "usage",
      hint: "choose a directory of your own, or of root",
    });
  }
  if ((mode & 0o022) !== 0) {
    const octal = (mode & 0o7777).toString(8).padStart(4, "0");
    log.warn(`others may write to the state directory ${root} (mode ${octal}), and so change what containers are`);
  }
  return { root };
}

function statRoot(root: string): ReturnType<typeof host.stat> {
  try {
    return host.stat(root, true);
  } catch (error) {
    throw noStore({ root }, error);
  }
}

/**
 * Makes the root where missing. It is sticky, by which those who clean a runtime directory up know what is in use.
 * @returns the directories made, the topmost first
 */
function makeRoot(store: Store): readonly string[] {
  const missing: string[] = [];
  let path = store.root;
  while (host.stat(path, true) === undefined) {
    missing.unshift(path);
    path = path.slice(0, path.lastIndexOf("/")) || "/";
  }
  const made: string[] = [];
  try {
    for (const directory of missing) {
      if (makeUnlessThere(directory, directory === store.root ? 0o1700 : 0o700)) made.push(directory);
    }
  } catch (error) {
    removeRoot(made);
    throw noStore(store, error);
  }
  return made;
}

function makeUnlessThere(directory: string, mode: number): boolean {
  try {
    host.makeDir(directory, mode);
    return true;
  } catch (error) {
    if (!isErrno(error, Errno.EEXIST)) throw error;
    return false;
  }
}

/** Removes what makeRoot has made, as far as nobody else has put something there. */
function removeRoot(made: readonly string[]): void {
  for (const directory of [...made].reverse()) {
    try {
      host.removeDir(directory);
    } catch (error) {
      if (isErrno(error)) return;
      throw error;
    }
  }
}

function noStore({ root }: Store, error: unknown): unknown {
  if (!isErrno(error, Errno.EACCES, Errno.EPERM, Errno.EROFS)) return error;
  return new UserError(`the state of containers can't be kept in ${root}: ${errnoText(error.errno)}`, {
    at: "--root",
    code: "state",
    errno: error.errno,
    hint: "give a directory of your own with --root, or have XDG_RUNTIME_DIR name one",
  });
}

export function directoryOf(store: Store, id: string): string {
  return `${store.root}/${id}`;
}

/** A name that is ours, and what has to go with it if nothing comes of it. */
export interface Claim {
  /** Descriptor of the container's lock */
  readonly lock: number;
  /** The root, and directories above it, as far as they were made for this */
  readonly made: readonly string[];
}

/** Takes the name: one of several creates wins. On failure nothing is left. */
export function claim(store: Store, id: string): Claim {
  checkId(id);
  try {
    return claimOnce(store, id);
  } catch (error) {
    // somebody else has made the root, and taken it back just now
    if (isErrno(error, Errno.ENOENT)) return claimOnce(store, id);
    throw error;
  }
}

function claimOnce(store: Store, id: string): Claim {
  const made = makeRoot(store);
  try {
    return { lock: claimDirectory(store, id), made };
  } catch (error) {
    removeRoot(made);
    throw error;
  }
}

function claimDirectory(store: Store, id: string): number {
  const directory = directoryOf(store, id);
  try {
    host.makeDir(directory, 0o700);
  } catch (error) {
    if (!isErrno(error, Errno.EEXIST)) throw noStore(store, error);
    throw new UserError(`container with given ID already exists: ${id}`, {
      code: "exists",
      hint: "delete it (with --force, if it was never finished) or choose another id",
    });
  }
  try {
    return lockDirectory(directory);
  } catch (error) {
    // a full disk: nothing of ours stays
    host.removeTree(directory);
    throw error;
  }
}

/** Gives a claim back, with all that was put below it. */
export function disclaim(store: Store, id: string, { lock, made }: Claim): void {
  forget(store, id);
  removeRoot(made);
  host.close(lock);
}

/** Locks an existing container against other changing commands. Returns the lock's descriptor, to be closed. */
export function lock(store: Store, id: string, timeoutMs = 10_000): number {
  const directory = directoryOf(store, checkId(id));
  try {
    return lockDirectory(directory, timeoutMs);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENOTDIR)) throw doesNotExist(id);
    throw error;
  }
}

/**
 * The same for delete --force: what stands in the lock's place and is no file goes. So does, in the end, the command that
 * holds it: one that hangs in a hook, or is stopped, would make the container immortal.
 */
export function lockDamaged(store: Store, id: string): number {
  const path = `${directoryOf(store, checkId(id))}/lock`;
  const kind = host.stat(path, false)?.[0];
  if (kind === "directory") host.removeTree(path);
  else if (kind !== undefined && kind !== "file") host.removeFile(path);
  for (const signals of [[SIGTERM, SIGCONT], [SIGKILL]]) {
    try {
      return lock(store, id, 3000);
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== "timeout") throw error;
    }
    endHolder(path, signals);
  }
  return lock(store, id);
}

const SIGKILL = 9;
const SIGTERM = 15;
const SIGCONT = 18;

function endHolder(path: string, signals: readonly number[]): void {
  let fd: number;
  try {
    fd = host.open(path, O_RDWR | O_NOFOLLOW, 0);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENOTDIR)) return;
    throw error;
  }
  try {
    signalHolder(fd, signals);
  } finally {
    host.close(fd);
  }
}

const O_RDWR = 2;
const O_CREAT = 0o100;
const O_NOFOLLOW = 0o400000;

function lockDirectory(directory: string, timeoutMs = 10_000): number {
  for (;;) {
    const fd = host.open(`${directory}/lock`, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    if (!host.lock(fd, timeoutMs)) throw heldTooLong(directory, fd, timeoutMs);
    // the directory may have been deleted and made anew while we waited
    const now = host.stat(`${directory}/lock`, false);
    if (now !== undefined && now[5] === host.statFd(fd)[5]) return fd;
    host.close(fd);
  }
}

/** Closes the descriptor. */
function heldTooLong(directory: string, fd: number, timeoutMs: number): UserError {
  // gc asks without waiting, and doesn't care who it is
  const holder = timeoutMs > 0 ? lockHolder(fd) : undefined;
  host.close(fd);
  return new UserError(`another command holds the lock of ${directory} for more than ${timeoutMs / 1000}s`, {
    code: "timeout",
    hint: `${holder === undefined ? "" : `it is process ${holder}: `}look for a hanging hook, or use delete --force`,
  });
}

/** Writes the intent; it is rewritten once, with init's pid. */
export function writeIntent(store: Store, intent: Intent): void {
  host.writeAtomic(`${directoryOf(store, intent.id)}/intent.json`, JSON.stringify(intent), 0o600, false);
}

/** The last step of create: from here the container is a container. */
export function writeState(store: Store, intent: Intent): void {
  host.writeAtomic(`${directoryOf(store, intent.id)}/state.json`, JSON.stringify(intent), 0o600, false);
}

/** Keeps the configuration's text, which later commands use instead of the bundle's. */
export function writeConfig(store: Store, id: string, text: string): void {
  host.writeAtomic(`${directoryOf(store, id)}/config.json`, text, 0o600, false);
}

export function readConfig(store: Store, id: string): string {
  return host.readText(`${directoryOf(store, id)}/config.json`, 16 << 20);
}

/** The container of this id. UserError "does not exist", or that its state can't be read. */
export function load(store: Store, id: string): StoredContainer {
  const directory = directoryOf(store, checkId(id));
  const state = readRecord(`${directory}/state.json`);
  if (state !== undefined) return { ...state, phase: "created" };
  const intent = readRecord(`${directory}/intent.json`);
  if (intent !== undefined) return { ...intent, phase: "creating" };
  // between its claim and its intent a container is nothing yet; a crash there leaves an empty directory
  throw doesNotExist(id);
}

/**
 * What delete --force goes by: the state, else the intent, which is complete before anything is made; undefined when
 * neither can be read.
 */
export function loadDamaged(store: Store, id: string): StoredContainer | undefined {
  try {
    return load(store, id);
  } catch (error) {
    if (!(error instanceof UserError) && !isErrno(error)) throw error;
  }
  try {
    const intent = readRecord(`${directoryOf(store, id)}/intent.json`);
    return intent === undefined ? undefined : { ...intent, phase: "creating" };
  } catch (error) {
    if (error instanceof UserError || isErrno(error)) return undefined;
    throw error;
  }
}

/** Uid of the state directory's owner; 0 when it is gone. */
export function ownerOf(store: Store, id: string): number {
  return host.stat(directoryOf(store, id), false)?.[2] ?? 0;
}

/** Who made the container's cgroup; undefined when there is no container, or none that can be read. */
export function recordedDriver(store: Store, id: string): CgroupRecord["driver"] | undefined {
  try {
    return load(store, id).cgroup.driver;
  } catch (error) {
    if (error instanceof UserError || isErrno(error)) return undefined;
    throw error;
  }
}

export function doesNotExist(id: string): UserError {
  return new UserError(`container does not exist: ${id}`, { code: "not-found" });
}

function damaged(id: string, why: string): UserError {
  return new UserError(`the state of container ${id} can't be used: ${why}`, {
    code: "state",
    hint: "remove it with delete --force",
  });
}

function readRecord(path: string): Intent | undefined {
  let text: string;
  try {
    text = host.readText(path, 1 << 20);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENOTDIR)) return undefined;
    throw error;
  }
  const id = path.slice(0, path.lastIndexOf("/")).split("/").pop() ?? "";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(id, `${path} is no JSON`);
  }
  if (!isIntent(value) || value.id !== id) throw damaged(id, `${path} isn't what create writes`);
  return value;
}

function isIntent(value: unknown): value is Intent {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Readonly<Record<string, unknown>>;
  return (
    ["id", "bundle", "rootfs", "created", "bootId"].every((key) => typeof record[key] === "string") &&
    ["pid", "startTime"].every((key) => Number.isSafeInteger(record[key])) &&
    typeof record["ownPid"] === "boolean" &&
    isObject(record["afterStart"]) &&
    isObject(record["annotations"]) &&
    isObject(record["cgroup"])
  );
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All ids. A root that isn't there: none, or ENOENT when it was asked for by name. */
export function listIds(store: Store, rootGiven: boolean): readonly string[] {
  try {
    return host.listDir(store.root).filter((name) => !name.startsWith(graveMark));
  } catch (error) {
    if (isErrno(error, Errno.ENOENT) && !rootGiven) return [];
    throw error;
  }
}

/** Removes what deletes of this id that were killed after freeing it have left. */
export function buryGraves(store: Store, id: string): void {
  let names: readonly string[];
  try {
    names = host.listDir(store.root);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT, Errno.ENOTDIR)) return;
    throw error;
  }
  for (const name of names)
    if (name.startsWith(`${graveMark}${id}${graveMark}`)) host.removeTree(`${store.root}/${name}`);
}

/** What no id has in it (id.ts), so that a grave is nobody's container. */
export const graveMark = "~";

/** Frees the id at once (rename), then removes what was in the directory. */
export function forget(store: Store, id: string): void {
  const grave = `${store.root}/${graveMark}${id}${graveMark}${host.ids()[0]}`;
  try {
    host.rename(directoryOf(store, id), grave);
  } catch (error) {
    if (isErrno(error, Errno.ENOENT)) return;
    if (!isErrno(error, Errno.ENOTEMPTY, Errno.EEXIST)) throw error;
    // a delete with our id and pid has died here: pids come back soon in a small pid namespace
    host.removeTree(grave);
    host.rename(directoryOf(store, id), grave);
  }
  host.removeTree(grave);
}
