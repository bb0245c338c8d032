// The typed door to the kernel. Nothing else in src/ touches the machine. Two implementations of the same native
// library (native/host): node.ts (Node-API addon) and quickjs.ts (static binary); `#host` is the one that was built.
//
// Every function is synchronous. A failing one throws KernelError with the system call, errno and subject.
// Descriptors are plain numbers; whoever gets one from here closes it with `close`. All are close-on-exec.

/** What `stat` tells of a file. Sizes in bytes, ids as numbers. */
export type FileStat = readonly [
  kind: "file" | "directory" | "link" | "fifo" | "socket" | "char" | "block",
  mode: number,
  uid: number,
  gid: number,
  device: number,
  inode: number,
  size: number,
  rdevMajor: number,
  rdevMinor: number,
];

/** A message of init (native/include/protocol.h), received by `receive`. `fd` is -1 when none came along. */
export type InitMessage = readonly [kind: number, op: number, value: number, call: string, detail: string, fd: number];

/** How a child ended: its exit status, or 128 + signal. `signal` is 0 for a normal exit. */
export type ExitStatus = readonly [status: number, signal: number];

/** What a hook did: `outcome` is its exit status, -signal, or "timeout"; the ends (4 KiB) of its two outputs. */
export type HookResult = readonly [outcome: number | "timeout", stdout: string, stderr: string];

/** The wire form of an operation: its number, then its fields in the order of native/include/plan.def. */
export type WireOp = readonly (number | bigint | string | Uint8Array | readonly string[] | readonly number[])[];

export interface Host {
  // ---- text ----------------------------------------------------------------------------------------------------

  /**
   * Strictly checks a JSON text: one object and nothing after it, no duplicate keys, depth <= 64, no U+0000, no lone
   * surrogates, no byte order mark. Returns the numbers that are no integers or that JSON.parse would round, as JSON
   * pointer and text.
   * Throws KernelError with call "json", errno EINVAL (22), subject "line L, column C: what is wrong".
   */
  checkJson(text: string): readonly (readonly [pointer: string, digits: string])[];

  // ---- files ---------------------------------------------------------------------------------------------------

  /**
   * Reads a regular file (also of procfs, sysfs, cgroupfs) as strict UTF-8. Opened O_NONBLOCK and checked first, so a
   * FIFO or device is EINVAL and never hangs. EFBIG beyond maxBytes; EILSEQ for invalid UTF-8 (the subject has the
   * byte offset).
   */
  readText(path: string, maxBytes: number): string;
  /** Reads a descriptor to its end (e.g. standard input), as strict UTF-8. EFBIG beyond maxBytes. */
  readFd(fd: number, maxBytes: number): string;
  /** Writes text with one write(2) to an existing file (cgroup, procfs). A short write is EIO. */
  writeText(path: string, text: string): void;
  /** Writes text completely to a descriptor; waits while it is full, for at most 5 s (EAGAIN). */
  writeFd(fd: number, text: string): void;
  /** Writes a temporary file beside path, fsyncs it if asked, renames it onto path. Nothing stays on failure. */
  writeAtomic(path: string, text: string, mode: number, sync: boolean): void;
  /** open(2) with O_CLOEXEC and O_NOCTTY added; flags: linux O_* numbers. */
  open(path: string, flags: number, mode: number): number;
  close(fd: number): void;
  makeDir(path: string, mode: number): void;
  removeFile(path: string): void;
  removeDir(path: string): void;
  /** Removes a directory with all below it; never follows links, detaches mounts found inside. ENOENT is success. */
  removeTree(path: string): void;
  rename(from: string, to: string): void;
  /** Names in a directory, without "." and "..", sorted. */
  listDir(path: string): readonly string[];
  /** stat(2), or lstat(2) when follow is false; undefined when nothing is there (ENOENT, ENOTDIR). */
  stat(path: string, follow: boolean): FileStat | undefined;
  /** fstat(2). */
  statFd(fd: number): FileStat;
  /** realpath(3). */
  realPath(path: string): string;
  readLink(path: string): string;
  /** f_type of statfs(2). */
  filesystemType(path: string): number;
  chown(path: string, uid: number, gid: number): void;
  makeFifo(path: string, mode: number): void;
  /**
   * Opens the write end of a fifo that nobody reads yet (opens O_RDWR first, then O_WRONLY), for handing it to init.
   */
  openFifoWriter(path: string): number;
  /** flock(2), exclusive; false when another holds it for longer than timeoutMs. */
  lock(fd: number, timeoutMs: number): boolean;
  /**
   * Opens a namespace file without blocking; [fd, CLONE_NEW* type, device, inode]. EINVAL when it is no namespace.
   */
  openNamespace(path: string): readonly [fd: number, type: number, device: number, inode: number];
  /**
   * open_tree(2) with OPEN_TREE_CLONE on path (host), optionally the whole tree, as a slave of what it was cloned from
   * or, where it was shared, as its peer; idmapped to a user namespace when usernsFd >= 0. The path is one of process pid's mount namespace and root, unless
   * that is 0. The detached tree.
   */
  openTree(
    path: string,
    recursive: boolean,
    nofollow: boolean,
    usernsFd: number,
    idmapRecursive: boolean,
    pid: number,
    peer: boolean,
  ): number;
  /** Attaches a detached tree on path (host). Its descriptor stays the caller's. */
  attachTree(tree: number, path: string): void;
  /** Detaches the mount on path, with all below it. EINVAL when nothing is mounted there. */
  unmount(path: string): void;

  /**
   * Moves a network device of our namespace into another one (a descriptor of it), where it is called `to` ("%d" stands
   * for the first free number), with its permanent global addresses, and brings it up there. The subject of a failure
   * begins with what was tried.
   */
  moveNetDevice(namespaceFd: number, from: string, to: string): void;

  /**
   * Loads a BPF_PROG_TYPE_CGROUP_DEVICE program and attaches it to a v2 cgroup in the place of the programs that are
   * attached there: at once if it is one. EINVAL and EACCES have the verifier's last words in the subject.
   */
  attachDeviceProgram(directory: string, program: Uint8Array): void;

  // ---- processes -------------------------------------------------------------------------------------------------

  /** A memfd with these bytes that nobody can change any more (memfd_create(2), fcntl(2) F_ADD_SEALS). */
  sealedFile(name: string, bytes: Uint8Array): number;
  /** CLONE_NEW*-flagged start of init: see launch.c. Returns [pid, pidfd, socket]. */
  launch(
    plan: readonly WireOp[],
    options: readonly [
      /** CLONE_NEW* bits of clone3 */ cloneFlags: number,
      /** CLONE_INTO_CGROUP directory, -1 for none */ cgroupFd: number,
      /** descriptors that become slots 0, 1, ... */ slots: readonly number[],
      /** stdin, stdout, stderr of init: descriptors, -1 for /dev/null */ stdio: readonly [number, number, number],
      /** flags of the plan's header: PLAN_TRACE */ flags?: number,
    ],
  ): readonly [pid: number, pidfd: number, socket: number];
  /** The bytes that `launch` would hand to init, and back: for tests, fuzzing and `tsrunc plan`. */
  encodePlan(plan: readonly WireOp[]): Uint8Array;
  decodePlan(bytes: Uint8Array): readonly WireOp[];
  /**
   * Waits for the next message of init. undefined at end of file: init is gone (or has executed the program). ETIMEDOUT
   * after timeoutMs (-1: none). SIGTERM, SIGINT and SIGHUP to the runtime end the wait with EINTR when
   * `catchSignals` was called.
   */
  receive(socket: number, timeoutMs: number): InitMessage | undefined;
  /** Answers GO, with a descriptor when fd >= 0. EPIPE when init is gone. */
  go(socket: number, fd: number): void;
  /** SIGTERM, SIGINT, SIGHUP and SIGQUIT no longer end the process; `caughtSignal` tells the first that came, else 0. */
  catchSignals(): void;
  caughtSignal(): number;
  /**
   * State (R, S, D, T, Z, X ...) and start time (clock ticks after boot) of a process, from /proc/PID/stat; undefined
   * when there is no such process.
   */
  processStat(pid: number): readonly [state: string, startTime: number] | undefined;
  /** pidfd_open(2). */
  openPid(pid: number): number;
  /** The newest record of the kernel's log that holds this text; undefined when none does. EPERM, ENOENT: no log. */
  kernelLog(part: string): string | undefined;
  /** pidfd_getfd(2): a duplicate of another process's descriptor. EBADF when it has none of this number. */
  takeFd(pidfd: number, number: number): number;
  /**
   * Starts a child that answers every notification of a seccomp listener with "go on", and counts what was asked, until
   * nobody uses the filter any more. Returns the descriptor of its report, for `listenerReport`.
   */
  serveListener(listener: number): number;
  /** What was asked so far: each kind of call once, with how often, and the arguments of the first time. */
  listenerReport(
    report: number,
  ): readonly (readonly [audit: number, syscall: number, count: number, ...args: (number | bigint)[]])[];
  /** pidfd_send_signal(2). */
  signalPid(pidfd: number, signal: number): void;
  /** kill(2): only for the pids listed by a cgroup of ours. */
  kill(pid: number, signal: number): void;
  /** poll(2) for POLLIN; returns the ready ones' indices (also those at end of file). -1: no timeout. */
  poll(fds: readonly number[], timeoutMs: number): readonly number[];
  /** waitid(P_PIDFD) on a child; undefined while it lives. block: wait for it. ECHILD when it is no child. */
  reap(pidfd: number, block: boolean): ExitStatus | undefined;
  /** prlimit(2); limits as unsigned 64-bit. The present ones, [soft, hard]. */
  getRlimit(pid: number, resource: number): readonly [soft: number | bigint, hard: number | bigint];
  setRlimit(pid: number, resource: number, soft: number | bigint, hard: number | bigint): void;
  /**
   * Runs a hook in the runtime's namespaces: own session, stdin holds the text, environment exactly env, cwd.
   * timeoutMs 0: none. At the timeout its process group is killed. Returns at its exit even if others hold its output.
   */
  runHook(
    path: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    stdin: string,
    timeoutMs: number,
  ): HookResult;
  /**
   * Runs a program of the host's to its end, with nothing on its stdin. `status` is its exit status or -signal; bytes
   * of its outputs that are no UTF-8 become U+FFFD. EFBIG for an output of more than maxBytes.
   */
  runProgram(
    path: string,
    args: readonly string[],
    env: readonly string[],
    maxBytes: number,
  ): readonly [status: number, stdout: string, stderr: string];
  /** PR_SET_CHILD_SUBREAPER. */
  becomeSubreaper(): void;
  /** Gives a terminal's master the size of ours, if we have one: before the program runs, as it may ask at once. */
  copyWindowSize(master: number): void;
  /**
   * Stands in front of a running container or exec in the foreground: forwards signals (not SIGCHLD, SIGURG, SIGPIPE),
   * with a terminal (master >= 0) copies bytes both ways in raw mode and follows window sizes, reaps all children,
   * drains what is left and restores the terminal. Returns when the process has ended. timeoutMs 0: none; at the
   * timeout returns [-1, 0] with the process still there; when there is something to read at `wake` (>= 0), [-2, 0].
   */
  supervise(pid: number, pidfd: number, master: number, timeoutMs: number, wake: number): ExitStatus;
  /** The CPUs' affinity of a new process, its umask, signals and so on are reset by init itself, not here. */

  // ---- notices ---------------------------------------------------------------------------------------------------

  /**
   * A descriptor that `poll` finds readable when the v1 cgroup tells of an event of this file (memory.oom_control),
   * and when the cgroup is removed.
   */
  noticeV1(directory: string, file: string): number;
  /** A descriptor that `poll` finds readable when one of these files is modified (memory.events of a v2 cgroup). */
  noticeV2(files: readonly string[]): number;
  /** Takes all notices that have come on such a descriptor, so that `poll` waits for the next; whether there was any. */
  noticed(fd: number): boolean;

  // ---- sockets ---------------------------------------------------------------------------------------------------

  /**
   * Starts a program whose descriptor 3 is a seqpacket socket to us, 4, 5, ... are the given ones, 0 to 2 /dev/null.
   * Returns [pid, pidfd, our end of the socket], when it runs.
   */
  startHelper(
    path: string,
    args: readonly string[],
    env: readonly string[],
    fds: readonly number[],
  ): readonly [pid: number, pidfd: number, socket: number];
  /**
   * Waits for one message (seqpacket, datagram): its bytes and the descriptor that came along, else -1. undefined at
   * the end. EMSGSIZE for more than maxBytes; EINTR for a signal, when `catchSignals` was called.
   */
  receiveMessage(socket: number, maxBytes: number): readonly [bytes: Uint8Array, fd: number] | undefined;
  /** A datagram socket at a path, for everybody to send to; what was there is replaced. */
  listenDatagrams(path: string): number;
  /**
   * Sends a message of sd_notify(3) to a path or "@NAME"; with barrierMs > 0 waits, at most so long, until it and all
   * before it were worked through.
   */
  notify(name: string, text: string, barrierMs: number): void;
  /**
   * Connects to a stream socket (also by a path longer than sun_path) and sends one message: text and one descriptor.
   * Doesn't wait for the peer to accept.
   */
  sendFd(socketPath: string, text: string, fd: number): void;
  /** Connects to a stream socket (also by a path longer than sun_path). Returns its descriptor. */
  connectStream(path: string): number;
  /** Sends all bytes. ETIMEDOUT when that takes longer; EINTR for a signal, when `catchSignals` was called. */
  sendBytes(socket: number, bytes: Uint8Array, timeoutMs: number): void;
  /**
   * Waits for something to read and returns it, at most maxBytes; nothing at the end. ETIMEDOUT and EINTR as with
   * sendBytes.
   */
  receiveBytes(socket: number, maxBytes: number, timeoutMs: number): Uint8Array;

  // ---- the process itself ------------------------------------------------------------------------------------------

  /** argv without the program's own name. */
  args(): readonly string[];
  env(name: string): string | undefined;
  environ(): readonly string[];
  cwd(): string;
  /** [pid, euid, egid] */
  ids(): readonly [pid: number, euid: number, egid: number];
  /** Our permitted capabilities (bit n = capability n): what a container without a user namespace can get. */
  capabilities(): number | bigint;
  /** [sysname release, machine], e.g. ["6.18.0", "x86_64"] */
  kernel(): readonly [release: string, machine: string];
  /**
   * Makes a system call in a way that every kernel refuses, and returns the errno: ENOSYS when this one doesn't have
   * it. EINVAL (thrown) for a name that isn't in the list of native/host/kernel_calls.c.
   */
  tryCall(name: string): number;
  /** Whether seccomp(2) of this kernel takes these flags for a filter. No filter is installed. */
  seccompTakes(flags: number): boolean;
  /** CLOCK_MONOTONIC in nanoseconds, and CLOCK_REALTIME as [seconds, nanoseconds]. */
  monotonic(): number;
  now(): readonly [seconds: number, nanoseconds: number];
  /** Whether a descriptor is open. */
  isOpen(fd: number): boolean;
  /** isatty(3) */
  isTerminal(fd: number): boolean;
  /** Leaves at once with this status. */
  exit(status: number): never;
}
