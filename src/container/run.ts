// run: create and start in one, and unless detached stand in front of the container until it ends.

import { host } from "#host";
import { Errno, isErrno } from "../errors.ts";
import type { Bundle } from "./bundle.ts";
import type { CreateTools } from "./create.ts";
import { type Created, type CreateOptions, setUp } from "./create.ts";
import { destroy } from "./delete.ts";
import { runHooks } from "./hooks.ts";
import { abandon, awaitProgram, type Init, release } from "./init.ts";
import { writePidFile } from "./pid-file.ts";
import { killedProgram, SIGSYS } from "./seccomp-death.ts";
import type { Store } from "./store.ts";

export interface RunOptions extends CreateOptions {
  readonly detach: boolean;
  /** Don't delete the container when it has ended */
  readonly keep: boolean;
  readonly noSubreaper: boolean;
  /** With traceSeccomp: gets what the profile would have denied, when the container has ended */
  readonly report?: (calls: ReturnType<typeof host.listenerReport>) => void;
}

/** The run command. Returns the exit status of the program, 0 when detached. */
export function run(store: Store, id: string, bundle: Bundle, options: RunOptions, tools: CreateTools): number {
  if (!options.detach && !options.noSubreaper) host.becomeSubreaper();
  const created = setUp(store, id, bundle, options, tools, "now", options.detach);
  const { init, lock, plan, master } = created;
  let status: number;
  try {
    const failure = awaitProgram(init, plan);
    if (failure !== undefined) throw failure;
    runHooks(created.config, "poststart", created.intent);
    writePidFile(options.pidFile, init.pid);
    if (options.detach) {
      if (created.notify >= 0) tools.notify?.awaitReady(created.notify, init.pidfd, init.pid);
      release(init);
      host.close(lock);
      return 0;
    }
    // others may act on it while it runs
    host.close(lock);
    const [exit, signal] = supervise(created, tools);
    if (signal === SIGSYS && created.config.linux?.seccomp !== undefined)
      host.writeFd(2, `tsrunc run: ${killedProgram(init.pid)}\n`);
    status = exit;
  } catch (error) {
    abandon(init);
    destroy(store, created.intent, () => created.config);
    throw error;
  }
  if (master >= 0) host.close(master);
  release(init);
  if (created.seccompReport >= 0) options.report?.(host.listenerReport(created.seccompReport));
  if (!options.keep) destroy(store, created.intent, () => created.config);
  return status;
}

/** What `host.supervise` returns when there is something to read. */
const woken = -2;

/** Stands in front of the container, and passes on that its program is ready. */
function supervise({ init, master, notify }: Created, tools: CreateTools): ReturnType<typeof host.supervise> {
  let wake = notify;
  for (;;) {
    const ended = host.supervise(init.pid, init.pidfd, master, 0, wake);
    // what it has said before it ended is waiting, too
    while (wake >= 0 && isReadable(wake, init)) {
      if (tools.notify?.takeReady(wake, init.pid) === false) continue;
      host.close(wake);
      wake = -1;
    }
    if (ended[0] === woken) continue;
    if (wake >= 0) host.close(wake);
    return ended;
  }
}

/** A signal that comes between two waits is passed on like the others. */
function isReadable(fd: number, init: Init): boolean {
  try {
    return host.poll([fd], 0).length > 0;
  } catch (error) {
    if (!isErrno(error, Errno.EINTR)) throw error;
    host.signalPid(init.pidfd, host.caughtSignal());
    return false;
  }
}
