// hooks: programs the runtime runs directly, so their paths are absolute.

import type { Config, HookKind } from "../config.ts";
import { quote, type Report } from "../problem.ts";
import { checkEnvironment } from "./process.ts";

const section = "config.md#posix-platform-hooks";

export const hookKinds: readonly HookKind[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

export function checkHooks({ hooks }: Config, { error }: Report): void {
  for (const kind of hookKinds) {
    hooks?.[kind]?.forEach(({ path, env = [] }, index) => {
      const at = `/hooks/${kind}/${index}`;
      if (!path.startsWith("/")) {
        const message = `must be an absolute path, not ${quote(path)}`;
        error({ at: `${at}/path`, message, rule: "hook-path", section });
      }
      checkEnvironment(env, `${at}/env`, error);
    });
  }
}
