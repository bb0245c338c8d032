// create: from a bundle to a process that waits for `start`. The steps, in the order that makes a crash between any two
// of them harmless (docs/architecture.md, "Crash safety"):
//
//   1 read and check everything, compile the plan            nothing has happened yet
//   2 claim ROOT/ID, lock it                                 the name is ours
//   3 write down the cgroup that will be; make and limit it
//   4 start init in it; write down who it is                 if we die, so does init
//   5 init works through the plan; hooks, id maps at its stops
//   6 state.json, console, pid file; commit                  init may outlive us

import { host } from "#host";
import { loadedSystemd } from "../cgroup/driver.ts";
import { type CgroupRecord, planCgroup } from "../cgroup/record.ts";
import { unlessRefused } from "../cgroup/rootless.ts";
import { UserError } from "../errors.ts";
import { compileCreate } from "../plan/compile.ts";
import type { CreateRequest, HostFacts } from "../plan/facts.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config } from "../spec/config.ts";
import { measure, traceEnvironment } from "../trace.ts";
import { Attempt } from "./attempt.ts";
import type { Bundle } from "./bundle.ts";
import { readFacts } from "./facts.ts";
import { checkId } from "./id.ts";
import { type Init, release } from "./init.ts";
import { inheritedDescriptors, type Preserved } from "./preserve.ts";
import { bootId } from "./status.ts";
import { claim, type Intent, type Store } from "./store.ts";

export interface CreateOptions {
  /** Absolute path of the file to get the pid; undefined: none */
  readonly pidFile: string | undefined;
  /** Absolute path of the socket to get the terminal's master */
  readonly consoleSocket: string | undefined;
  /** Absolute path of the socket to get a pidfd of init */
  readonly pidfdSocket: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** How many descriptors from 3 on the program gets, besides those of LISTEN_FDS */
  readonly preserveFds: number;
  /** Who makes the cgroup, if anybody does */
  readonly cgroupManager: "cgroupfs" | "systemd" | "disabled";
  /**
   * Whether cgroups are those of an ordinary user: a refused one is let pass if none is needed, and systemd is the user's.
   * undefined: for all but root
   */
  readonly rootless?: boolean | undefined;
  /** Let everything pass that the seccomp profile would deny, and note it (tsrunc seccomp trace) */
  readonly traceSeccomp?: boolean;
  /** What becomes the program's 0, 1 and 2 where it has no terminal; by default ours */
  readonly stdio?: readonly [number, number, number];
}

/** A container that has committed, in the hands of the command that made it. */
export interface Created {
  readonly store: Store;
  readonly intent: Intent;
  readonly config: Config;
  readonly plan: Plan;
  readonly init: Init;
  /** Descriptor of the container's lock */
  readonly lock: number;
  /** The terminal's master, when nobody else took it; -1 for none */
  readonly master: number;
  /** What the seccomp profile would have denied (host.listenerReport), with `traceSeccomp`; else -1 */
  readonly seccompReport: number;
  /** The socket of a program that tells when it is ready; -1 for none */
  readonly notify: number;
}

/** Code that only some configs need, loaded by the command line before anything is done. */
export type CreateTools = Pick<CreateRequest, "seccomp"> & {
  readonly extras: typeof import("./extras.ts") | undefined;
  /** When our caller wants to know that the program is ready (NOTIFY_SOCKET) */
  readonly notify?: typeof import("./notify.ts") | undefined;
};

/** The create command. */
export function create(store: Store, id: string, bundle: Bundle, options: CreateOptions, tools: CreateTools): void {
  const created = setUp(store, id, bundle, options, tools, "later", true);
  release(created.init);
  host.close(created.lock);
  // `start` makes it anew
  if (created.notify >= 0) host.close(created.notify);
}

/**
 * Sets a container up to its commit. With start "now" (run) init doesn't wait for `start`, and our end of its socket
 * stays open. On any failure nothing is left: no process, cgroup, directory or pid file.
 */
export function setUp(
  store: Store,
  id: string,
  given: Bundle,
  options: CreateOptions,
  tools: CreateTools,
  start: CreateRequest["start"],
  detach: boolean,
): Created {
  checkId(id);
  const bundle = tools.notify?.withNotifySocket(given, store, id) ?? given;
  checkTerminal(bundle.config, options, detach);
  tools.extras?.checkLabels(bundle.config.process, bundle.config.linux);
  const preserved = inheritedDescriptors(options.preserveFds);
  const facts = readFacts();
  const cgroup = planContainerCgroup(facts, bundle.config, id, options);
  const plan = measure("compile the plan", () =>
    compilePlan(bundle, facts, { id, start, preserved, cgroup, options, ...tools }),
  );
  const rdt = bundle.config.linux?.intelRdt;
  const resctrl = rdt === undefined ? undefined : tools.extras?.planResctrl(rdt, id);
  bootId(); // which is remembered: from the claim on there is no failing outside of the attempt
  host.catchSignals();
  const claimed = claim(store, id);
  const { extras, notify } = tools;
  const parts = { store, bundle, plan, facts, options, claimed, start, extras, notify, resctrl };
  const attempt = new Attempt(id, cgroup, parts);
  try {
    return attempt.run();
  } catch (error) {
    attempt.undo(error);
    throw error;
  }
}

/** Where the container's cgroup will be. */
export function planContainerCgroup(
  facts: HostFacts,
  config: Config,
  id: string,
  { cgroupManager, rootless }: Pick<CreateOptions, "cgroupManager" | "rootless">,
): CgroupRecord {
  switch (cgroupManager) {
    case "disabled":
      return { driver: "none" };
    case "cgroupfs":
      return plannedCgroup(facts, config, id, rootless ?? !facts.privileged);
    case "systemd": {
      const { planScope, managerFor } = loadedSystemd();
      const manager = rootless === undefined ? managerFor(facts) : rootless ? "user" : "system";
      return planScope(facts.cgroup, config, id, manager);
    }
  }
}

/** Without privilege there may be no cgroup to be had, which only matters to who asks for one. */
function plannedCgroup({ cgroup }: HostFacts, config: Config, id: string, rootless: boolean): CgroupRecord {
  const planned = planCgroup(cgroup, config.linux?.cgroupsPath, id);
  return rootless ? unlessRefused(planned, config) : planned;
}

/** The plan for a bundle: shared with `tsrunc plan`, which has no descriptors and makes no container. */
export function compilePlan(
  bundle: Bundle,
  facts: HostFacts,
  request: {
    readonly id: string;
    readonly start: CreateRequest["start"];
    readonly preserved: Preserved;
    readonly cgroup: CgroupRecord;
    readonly options: Pick<CreateOptions, "noPivot" | "noNewKeyring">;
  } & CreateTools,
): Plan {
  return compileCreate(bundle.config, facts, {
    id: request.id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    start: request.start,
    root: request.options.noPivot ? "move" : "pivot",
    keyring: request.options.noNewKeyring ? "inherited" : "new",
    preserved: request.preserved.descriptors,
    environment: request.preserved.environment,
    hookEnvironment: traceEnvironment(),
    cgroup: request.cgroup,
    seccomp: request.seccomp,
    ...(request.extras === undefined ? {} : { links: request.extras.sourceLinks(bundle.path, bundle.config.mounts) }),
  });
}

/** A terminal needs somebody at its other end, known before anything is done. */
function checkTerminal(config: Config, options: CreateOptions, detach: boolean): void {
  const terminal = config.process?.terminal === true;
  if (terminal && detach && options.consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if tsrunc will detach without setting console socket", {
      at: "/process/terminal",
      code: "usage",
      hint: "give --console-socket, or set process.terminal to false",
    });
  }
  if (options.consoleSocket !== undefined && !(terminal && detach)) {
    throw new UserError("cannot use console socket if tsrunc will not detach or allocate tty", {
      at: "--console-socket",
      code: "usage",
    });
  }
}
