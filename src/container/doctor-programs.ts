// doctor: programs of the host that only some containers need.

import { host } from "#host";
import { isErrno } from "../errors.ts";
import { type Check, isPrivileged, kernelText } from "./doctor.ts";
import { findProgram } from "./programs.ts";

const area = "programs";

export function programChecks(): readonly Check[] {
  return [idmapHelpers(), ...subordinateIds(), criu(), systemd(), ps()];
}

/** They write id maps for users who may not do it themselves: with more than their own id. */
function idmapHelpers(): Check {
  const name = "newuidmap, newgidmap";
  const paths = ["newuidmap", "newgidmap"].map(findProgram);
  const found = paths.filter((path) => path !== undefined);
  if (found.length === 2) return { area, name, status: "ok", detail: found.join(", ") };
  return {
    area,
    name,
    status: isPrivileged() ? "limited" : "missing",
    detail: "not both are here: containers of users have one id only",
    fix: "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora)",
  };
}

/** Ranges of ids for this user; root needs none. */
function subordinateIds(): readonly Check[] {
  const [, euid] = host.ids();
  if (euid === 0) return [];
  const user = kernelText("/etc/passwd")
    ?.split("\n")
    .map((line) => line.split(":"))
    .find(([, , uid]) => uid === String(euid))?.[0];
  return ["/etc/subuid", "/etc/subgid"].map((file) => {
    const range = kernelText(file)
      ?.split("\n")
      .find((line) => line.startsWith(`${user}:`) || line.startsWith(`${euid}:`));
    if (range !== undefined) return { area, name: file, status: "ok", detail: range };
    return {
      area,
      name: file,
      status: "limited",
      detail: "has no range for this user: containers have one id only",
      fix: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user ?? euid}`,
    };
  });
}

/** CRIU says itself what it lacks. */
function criu(): Check {
  const name = "CRIU";
  const path = findProgram("criu");
  if (path === undefined) {
    const detail = "not installed: no checkpoint and restore";
    return { area, name, status: "limited", detail, fix: "install the package criu" };
  }
  const [, version] = run(path, ["criu", "--version"]);
  const detail = `${path}, ${/Version: (\S+)/.exec(version)?.[1] ?? "of unknown version"}`;
  if (!isPrivileged()) return { area, name, status: "ok", detail };
  const [status, , complaint] = run(path, ["criu", "check"]);
  if (status === 0) return { area, name, status: "ok", detail };
  const why = complaint.split("\n").find((line) => /error/i.test(line)) ?? `criu check ends with ${status}`;
  return { area, name, status: "limited", detail: `${detail}: ${why.trim()}`, fix: "use a newer CRIU" };
}

function run(path: string, args: readonly string[]): ReturnType<typeof host.runProgram> {
  try {
    return host.runProgram(path, args, host.environ(), 1 << 20);
  } catch (error) {
    if (isErrno(error)) return [-1, "", error.message];
    throw error;
  }
}

function systemd(): Check {
  const name = "systemd";
  if (host.stat("/run/systemd/system", true) === undefined) {
    const detail = "is not this machine's init: --systemd-cgroup can't be used";
    return { area, name, status: "limited", detail, fix: "use the cgroupfs driver, which is the default" };
  }
  const bus = isPrivileged() ? "/run/dbus/system_bus_socket" : `${host.env("XDG_RUNTIME_DIR") ?? ""}/bus`;
  if (host.stat(bus, true) !== undefined || host.stat("/run/systemd/private", true) !== undefined) {
    return { area, name, status: "ok", detail: "runs, and can be asked" };
  }
  const detail = `runs, but its bus ${bus} is missing`;
  return { area, name, status: "limited", detail, fix: "install and start dbus (for users: dbus-user-session)" };
}

function ps(): Check {
  const path = findProgram("ps");
  if (path !== undefined) return { area, name: "ps", status: "ok", detail: path };
  const detail = "not installed: `tsrunc ps` can only show pids";
  return { area, name: "ps", status: "limited", detail, fix: "install the package procps" };
}
