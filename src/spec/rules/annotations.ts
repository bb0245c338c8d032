// annotations: free data, but for the empty key.

import type { Config } from "../config.ts";
import type { Report } from "../problem.ts";

export function checkAnnotations({ annotations }: Config, { error }: Report): void {
  if (annotations !== undefined && Object.hasOwn(annotations, "")) {
    const message = "must not have an empty key";
    error({ at: "/annotations", message, rule: "annotation-key", section: "config.md#annotations" });
  }
}
