// hooks -> operations for those that init runs itself; and the state document that every hook gets on its stdin.

import type { Config, Hook } from "../spec/config.ts";
import type { CreateRequest } from "./facts.ts";
import { type Step, step } from "./plan.ts";

type Status = "creating" | "created" | "running" | "stopped";

const pidMark = "\u0001";

/**
 * The container's state as hooks get it (runtime-spec runtime.md#state), compact, in two parts around the pid, which
 * only the one who runs the hook knows.
 */
export function stateAroundPid(
  container: { readonly id: string; readonly bundle: string; readonly annotations: Readonly<Record<string, string>> },
  status: Status,
): readonly [before: string, after: string] {
  const { id, bundle, annotations } = container;
  const pid = pidMark;
  const text = JSON.stringify({ ociVersion, id, status, pid, bundle, annotations });
  const [before = "", after = ""] = text.split('"\\u0001"');
  return [before, after];
}

/** The version of the runtime-spec that we follow. */
export const ociVersion = "1.3.0";

/** Operations for the hooks of one stage that run in the container's namespaces. */
export function planHooks(
  config: Config,
  stage: "createContainer" | "startContainer",
  container: Pick<CreateRequest, "id" | "bundle" | "hookEnvironment">,
): readonly Step[] {
  const hooks: readonly Hook[] = config.hooks?.[stage] ?? [];
  const status = stage === "createContainer" ? "creating" : "created";
  const [before, after] = stateAroundPid({ ...container, annotations: config.annotations ?? {} }, status);
  return hooks.map((hook, index) =>
    step(`/hooks/${stage}/${index}`, {
      op: "hook",
      hostPath: hook.path,
      args: hook.args ?? [hook.path],
      // startContainer runs as the container: it has the program's environment unless it brings its own
      env: [
        ...(hook.env ?? (stage === "startContainer" ? (config.process?.env ?? []) : [])),
        ...(container.hookEnvironment ?? []),
      ],
      before,
      after,
      timeoutMs: (hook.timeout ?? 0) * 1000,
    }),
  );
}
