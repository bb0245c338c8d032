// hostname and domainname: in the namespace of the host they would rename the host.

import type { Config } from "../config.ts";
import type { Report } from "../problem.ts";
import { utf8Length } from "../utf8.ts";
import { findNamespace } from "./namespaces.ts";

/** __NEW_UTS_LEN of the kernel */
const longest = 64;

export function checkHostname(config: Config, { error }: Report): void {
  for (const name of ["hostname", "domainname"] as const) {
    const value = config[name] ?? "";
    if (value === "") continue; // what a Go program means by "not set"
    const section = `config.md#${name}` as const;
    if (findNamespace(config.linux, "uts") === undefined) {
      const message = `unable to set ${name} without a private UTS namespace`;
      error({ at: `/${name}`, message, rule: "uts-namespace", section });
    }
    const length = utf8Length(value);
    if (length > longest) {
      const message = `is ${length} bytes long, the kernel takes at most ${longest}`;
      error({ at: `/${name}`, message, rule: "name-length", section });
    }
  }
}
