// linux.cgroupsPath of the systemd driver, slice:prefix:name: which unit a container is, and where its cgroup is. Pure.

import { UserError } from "../../errors.ts";

const at = "/linux/cgroupsPath";

/** A container's unit. */
export interface ScopeName {
  /** Such as machine.slice */
  readonly slice: string;
  /** Such as libpod-ID.scope */
  readonly unit: string;
}

/**
 * The unit for a cgroupsPath; without one it is called after the program and the container.
 *
 * @param defaultSlice where there is none in the path
 * @throws UserError for a path that isn't slice:prefix:name, or for names that systemd doesn't take
 */
export function scopeName(cgroupsPath: string | undefined, id: string, defaultSlice: string): ScopeName {
  const path = cgroupsPath === undefined || cgroupsPath === "" ? `:tsrunc:${id}` : cgroupsPath;
  const parts = path.split(":");
  const [slice = "", prefix = "", name = ""] = parts;
  if (parts.length !== 3 || name === "") {
    throw new UserError(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`,
      { at, code: "cgroup", hint: "or leave out --systemd-cgroup" },
    );
  }
  if (name.endsWith(".slice")) {
    throw new UserError(`the unit "${name}" is a slice, which can't hold a container's processes`, {
      at,
      code: "cgroup",
    });
  }
  const unit = `${prefix}-${name}.scope`;
  // systemd.unit(5): the characters of a unit's name, and at most 255 of them
  if (!/^[A-Za-z0-9:_.\\@-]+$/.test(unit) || unit.length > 255) {
    throw new UserError(`"${unit}" can't be the name of a systemd unit`, { at, code: "cgroup" });
  }
  expandSlice(slice === "" ? defaultSlice : slice);
  return { slice: slice === "" ? defaultSlice : slice, unit };
}

/** The directory of a slice, whose name tells all its parents: a-b.slice is /a.slice/a-b.slice; -.slice is the root. */
export function expandSlice(slice: string): string {
  if (slice === "-.slice") return "";
  const name = slice.slice(0, -".slice".length);
  const parts = name.split("-");
  if (!slice.endsWith(".slice") || !/^[A-Za-z0-9:_.\\@-]+$/.test(name) || parts.includes("")) {
    throw new UserError(`invalid slice name: ${slice}`, { at, code: "cgroup" });
  }
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}
