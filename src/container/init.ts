// The runtime's side of the dialogue with init (native/include/protocol.h draws it).

import { host } from "#host";
import { memoryLimit, oomKills } from "../cgroup/manager.ts";
import { type CgroupRecord, cloneDirectory } from "../cgroup/record.ts";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { toWire } from "../plan/encode.ts";
import { MessageKind, type Op, PLAN_TRACE } from "../plan/ops.generated.ts";
import type { Plan, Step } from "../plan/plan.ts";
import { isTracing, measure, noteFailure, noteOperations } from "../trace.ts";
import { operationFailure } from "./failure.ts";
import { killedInSetUp, SIGSYS } from "./seccomp-death.ts";

/** The process that runs the plan. Another one after a `fork` operation. */
export interface Init {
  pid: number;
  pidfd: number;
  /** Our end of the seqpacket pair; -1 when closed */
  socket: number;
  /** What oomKills told before it was there: init may be killed before it says a word */
  readonly killsBefore: number;
}

/** What the runtime does while init waits, by the operation it waits at. Each returns when init may go on. */
export interface Answers {
  /** At a sync operation; the number is one of SyncPoint. */
  sync(point: number): void;
  /** What there is to do while init works on, after its first stop. */
  meanwhile(): void;
  /** At the commit operation: the last chance to fail. */
  commit(): void;
  /** A descriptor has come: the console's master. The answerer owns it. */
  descriptor(op: Op, fd: number): void;
  /** A seccomp filter with a listener is being installed; `number` is the listener's descriptor in init. */
  listener(number: number): void;
  /** A mount tree is wanted for a bind; returns its descriptor, which is closed here after sending. */
  tree(step: Step): number;
}

/**
 * Starts init, born in the cgroup's v2 directory. `slots` are descriptors in the order of plan.slots; they stay the
 * caller's.
 */
export function startInit(
  plan: Plan,
  slots: readonly number[],
  stdio: readonly [number, number, number],
  cgroup: CgroupRecord,
): Init {
  const steps = plan.steps.map(({ op }) => toWire(op));
  const killsBefore = oomKills(cgroup);
  const directory = plan.entersCgroup === true ? undefined : cloneDirectory(cgroup);
  const cgroupFd = directory === undefined ? -1 : host.open(directory, O_PATH, 0);
  try {
    const [pid, pidfd, socket] = measure("launch init", () =>
      host.launch(steps, [plan.cloneFlags, cgroupFd, slots, stdio, isTracing() ? PLAN_TRACE : 0]),
    );
    return { pid, pidfd, socket, killsBefore };
  } finally {
    if (cgroupFd >= 0) host.close(cgroupFd);
  }
}

const O_PATH = 0o10000000;

/** Talks until init has committed. Any failure is thrown with the step's place in config.json. */
export function converse(init: Init, plan: Plan, cgroup: CgroupRecord, answers: Answers): void {
  const { killsBefore } = init;
  let filter: Uint8Array | undefined;
  const compileFilter = (): void => {
    filter ??= plan.filter && measure("compile the seccomp profile", plan.filter);
  };
  // while init works: as soon as it has no need of us for now
  let stopped = false;
  if (!plan.steps.some(({ op }) => op.op === "sync")) compileFilter();
  for (;;) {
    const message = receive(init);
    if (message === undefined) throw initDied(init, cgroup, killsBefore);
    const [kind, index, value, call, detail, fd] = message;
    const step = plan.steps[index];
    if (step === undefined)
      throw new UserError(`init speaks of operation ${index}, which the plan doesn't have`, { code: "init" });
    switch (kind) {
      case MessageKind.reached:
        if (step.op.op === "commit") {
          answers.commit();
          go(init, -1);
          return;
        }
        if (step.op.op === "sync") answers.sync(step.op.point);
        go(init, -1);
        if (!stopped) {
          stopped = true;
          answers.meanwhile();
          compileFilter();
        }
        break;
      case MessageKind.fd:
        answers.descriptor(step.op, fd);
        break;
      case MessageKind.forked:
        host.reap(init.pidfd, true);
        host.close(init.pidfd);
        init.pid = value;
        init.pidfd = fd;
        break;
      case MessageKind.want: {
        const wanted = step.op.op === "filter" ? sealedFilter(filter) : answers.tree(step);
        try {
          go(init, wanted);
        } finally {
          host.close(wanted);
        }
        break;
      }
      case MessageKind.listener:
        answers.listener(value);
        break;
      case MessageKind.note:
        log.warn(operationFailure(step, call, value, detail).message);
        break;
      case MessageKind.times:
        noteOperations(
          plan.steps.slice(index).map(({ op, at }) => ({ name: op.op, at })),
          detail,
        );
        break;
      case MessageKind.failed:
        noteFailure(`${call}: ${errnoText(value)}`);
        if (value === Errno.ENOMEM && oomKills(cgroup) > killsBefore) throw oomKilled(cgroup);
        throw operationFailure(step, call, value, detail);
      default:
        throw new UserError(`init sent a message of unknown kind ${kind}`, { code: "init" });
    }
  }
}

function sealedFilter(filter: Uint8Array | undefined): number {
  if (filter === undefined) throw new TypeError("init wants a seccomp filter that the plan doesn't have");
  return host.sealedFile("tsrunc-filter", filter);
}

/**
 * After the commit of a kept socket: waits until the program runs (undefined) or init has failed (the error).
 */
export function awaitProgram(init: Init, plan: Plan): UserError | undefined {
  for (;;) {
    const message = receive(init);
    if (message === undefined) return undefined;
    const [kind, index, value, call, detail] = message;
    const step = plan.steps[index];
    if (step === undefined) continue;
    if (kind === MessageKind.failed) return operationFailure(step, call, value, detail);
    if (kind === MessageKind.note) log.warn(operationFailure(step, call, value, detail).message);
  }
}

/** Ends init and everything of ours that belongs to it. */
export function abandon(init: Init): void {
  const SIGKILL = 9;
  try {
    host.signalPid(init.pidfd, SIGKILL);
  } catch (error) {
    if (!isErrno(error, Errno.ESRCH)) throw error;
  }
  try {
    host.reap(init.pidfd, true);
  } catch (error) {
    if (!isErrno(error, Errno.ECHILD)) throw error;
  }
  release(init);
}

/** Closes our descriptors of it; it lives on. */
export function release(init: Init): void {
  if (init.socket >= 0) host.close(init.socket);
  if (init.pidfd >= 0) host.close(init.pidfd);
  init.socket = -1;
  init.pidfd = -1;
}

function receive(init: Init): ReturnType<typeof host.receive> {
  try {
    return host.receive(init.socket, -1);
  } catch (error) {
    if (!isErrno(error, Errno.EINTR)) throw error;
    throw interrupted();
  }
}

function go(init: Init, fd: number): void {
  try {
    host.go(init.socket, fd);
  } catch (error) {
    // it died meanwhile: the next receive tells how
    if (!isErrno(error, Errno.EPIPE, 104)) throw error;
  }
}

/** A signal has asked us to stop. */
export function interrupted(): UserError {
  return new UserError(`interrupted by signal ${host.caughtSignal()}`, { code: "interrupted", errno: Errno.EINTR });
}

/** The container's memory limit has killed its init while it was set up. */
function oomKilled(cgroup: CgroupRecord): UserError {
  const limit = memoryLimit(cgroup);
  return new UserError("container init was OOM-killed (memory limit too low?)", {
    code: "oom",
    at: "/linux/resources/memory/limit",
    hint: limit === undefined ? "raise the memory limit" : `the limit is ${limit} bytes: raise it`,
  });
}

function initDied(init: Init, cgroup: CgroupRecord, killsBefore: number): UserError {
  const [status, signal] = host.reap(init.pidfd, true) ?? [0, 0];
  if (oomKills(cgroup) > killsBefore) return oomKilled(cgroup);
  if (signal === SIGSYS) return killedInSetUp(init.pid);
  const how = signal > 0 ? `was killed by signal ${signal}` : `ended with status ${status}`;
  return new UserError(`container init ${how} before it was set up`, { code: "init" });
}
