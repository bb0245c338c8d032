// Hooks that run in the runtime's own namespaces: prestart, createRuntime, poststart and poststop.

import { host } from "#host";
import { Errno, errnoText, isErrno, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { stateAroundPid } from "../plan/hooks.ts";
import type { Config } from "../spec/config.ts";
import { measure, traceEnvironment } from "../trace.ts";
import { interrupted } from "./init.ts";
import type { Intent } from "./store.ts";

type RuntimeStage = "prestart" | "createRuntime" | "poststart" | "poststop";

const statusOfStage = {
  prestart: "creating",
  createRuntime: "creating",
  poststart: "running",
  poststop: "stopped",
} as const;

/** Runs one stage's hooks in order; the first failure is thrown and ends the stage. */
export function runHooks(config: Config, stage: RuntimeStage, container: Intent): void {
  const count = config.hooks?.[stage]?.length ?? 0;
  for (let index = 0; index < count; index++) runHook(config, stage, index, container);
}

/**
 * Runs all poststop hooks; a failing one is a warning and the others still run (runtime.md#lifecycle). A signal that asks
 * us to end ends them.
 */
export function runPoststop(config: Config, container: Intent): void {
  const count = config.hooks?.poststop?.length ?? 0;
  for (let index = 0; index < count; index++) {
    try {
      runHook(config, "poststop", index, container);
    } catch (error) {
      if (error instanceof UserError && error.code === "interrupted") throw error;
      log.warn(error instanceof Error ? error.message : String(error));
    }
  }
}

function runHook(config: Config, stage: RuntimeStage, index: number, container: Intent): void {
  const hook = config.hooks?.[stage]?.[index];
  if (hook === undefined) return;
  const [before, after] = stateAroundPid(container, statusOfStage[stage]);
  const state = `${before}${stage === "poststop" ? 0 : container.pid}${after}`;
  const name = `${stage} hook #${index} ${JSON.stringify(hook.path)}`;
  const fail = (what: string, errno?: number): UserError =>
    new UserError(`error running ${name}: ${what}`, {
      at: `/hooks/${stage}/${index}`,
      code: "hook",
      ...(errno === undefined ? {} : { errno }),
    });
  let result: ReturnType<typeof host.runHook>;
  try {
    const cwd = host.stat(container.bundle, true) === undefined ? "/" : container.bundle;
    const env = [...(hook.env ?? []), ...traceEnvironment()];
    const timeout = (hook.timeout ?? 0) * 1000;
    result = measure(name, () => host.runHook(hook.path, hook.args ?? [hook.path], env, cwd, state, timeout));
  } catch (error) {
    if (isErrno(error, Errno.EINTR)) throw interrupted();
    if (isErrno(error)) throw fail(`${error.call}: ${errnoText(error.errno)}`, error.errno);
    throw error;
  }
  const [outcome, stdout, stderr] = result;
  if (outcome === 0) return;
  const how =
    outcome === "timeout"
      ? `hook ran past specified timeout of ${(hook.timeout ?? 0).toFixed(1)}s`
      : outcome < 0
        ? `signal ${-outcome}`
        : `exit status ${outcome}`;
  throw fail(`${how}, stdout: ${oneLine(stdout, 600)}, stderr: ${oneLine(stderr, 1800)}`);
}

/** The end of an output, so that what counts is still there when the whole error is cut. */
function oneLine(text: string, most: number): string {
  const line = text.trim().replace(/\s*\n\s*/g, " | ");
  return line.length <= most ? line : `...${line.slice(-most)}`;
}
