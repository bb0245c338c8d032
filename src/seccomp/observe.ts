// A filter that denies nothing and tells everything: each answer that isn't "allow" becomes a notification.

import type { PreparedFilter } from "./compile.ts";
import { actions, newListenerFlag } from "./profile.ts";
import { opcodes } from "./program.ts";

const instructionBytes = 8;

/** The same filter for `tsrunc seccomp trace`, whose listener lets every call go on. */
export function observing(filter: PreparedFilter): PreparedFilter {
  return {
    ...filter,
    notify: true,
    flagBits: filter.flagBits | newListenerFlag,
    compile: () => {
      const compiled = filter.compile();
      return { ...compiled, program: notifying(compiled.program) };
    },
  };
}

function notifying(original: Uint8Array): Uint8Array {
  const program = original.slice();
  const view = new DataView(program.buffer);
  for (let at = 0; at < program.length; at += instructionBytes) {
    if (view.getUint16(at, true) !== opcodes.return) continue;
    if (view.getUint32(at + 4, true) !== actions.SCMP_ACT_ALLOW) view.setUint32(at + 4, actions.SCMP_ACT_NOTIFY, true);
  }
  return program;
}
