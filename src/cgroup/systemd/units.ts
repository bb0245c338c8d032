// What we ask of systemd: to start, change and stop a scope. A scope is a unit of processes that somebody else has started.

import { host } from "#host";
import { errnoText, isErrno, UserError } from "../../errors.ts";
import { log } from "../../log.ts";
import { type Address, BusError, Connection } from "./connection.ts";
import type { Value } from "./marshal.ts";
import type { Property } from "./properties.ts";

/** Whose systemd: the machine's, or that of the user who calls us. */
export type Manager = "system" | "user";

/** How long systemd may take, as in runc. */
const patienceMs = 30_000;

/** Runs the action with a connection to the manager, and closes it. */
export function withManager<T>(manager: Manager, action: (connection: Connection) => T, patience = patienceMs): T {
  const connection = connect(manager, patience);
  try {
    return action(connection);
  } finally {
    connection.close();
  }
}

function connect(manager: Manager, patience: number): Connection {
  const tried: string[] = [];
  for (const address of addresses(manager)) {
    try {
      return new Connection(address, patience);
    } catch (error) {
      if (!isErrno(error)) throw error;
      tried.push(`${address.path}: ${errnoText(error.errno)}`);
    }
  }
  const where = tried.length === 0 ? "XDG_RUNTIME_DIR is not set" : tried.join("; ");
  throw new UserError(`systemd${manager === "user" ? " of this user" : ""} can't be reached: ${where}`, {
    at: "--systemd-cgroup",
    code: "cgroup",
    hint: "use the cgroupfs driver (leave out --systemd-cgroup)",
  });
}

/**
 * A bus named by the environment comes first. Otherwise systemd's own socket, as it is half the way and needs no daemon; it
 * takes only root, or the user whose systemd it is.
 */
function addresses(manager: Manager): readonly Address[] {
  const named = pathOf(host.env(manager === "system" ? "DBUS_SYSTEM_BUS_ADDRESS" : "DBUS_SESSION_BUS_ADDRESS"));
  const runtime = host.env("XDG_RUNTIME_DIR") ?? "";
  const base = manager === "system" ? "/run" : runtime;
  const bus: readonly Address[] = named === undefined ? [] : [{ path: named, kind: "bus" }];
  if (base === "") return bus;
  const usual = manager === "system" ? "/run/dbus/system_bus_socket" : `${runtime}/bus`;
  return [...bus, { path: `${base}/systemd/private`, kind: "peer" }, { path: usual, kind: "bus" }];
}

/** The path in an address such as unix:path=/run/dbus/system_bus_socket,guid=...; the first that has one. */
function pathOf(address = ""): string | undefined {
  const found = /(?:^|;)unix:(?:[^;]*,)?path=([^,;]+)/.exec(address)?.[1];
  return found?.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** A property of the manager object. */
export function managerProperty(connection: Connection, name: string): Value | undefined {
  const [variant] = connection.call({
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    signature: "ss",
    body: ["org.freedesktop.systemd1.Manager", name],
  });
  return typeof variant === "object" && "value" in variant ? variant.value : undefined;
}

/**
 * Starts a scope with the properties, and returns when systemd has moved the processes into it.
 *
 * @throws UserError when systemd refuses, when its job fails, or when it takes too long
 */
export function startUnit(connection: Connection, unit: string, properties: readonly Property[]): void {
  const start = (): readonly Value[] =>
    connection.call({
      member: "StartTransientUnit",
      signature: "ssa(sv)a(sa(sv))",
      body: [unit, "replace", properties, []],
    });
  let answer: readonly Value[];
  try {
    answer = start();
  } catch (error) {
    if (!isBusError(error, "org.freedesktop.systemd1.UnitExists")) throw refused(`start the unit ${unit}`, error);
    // what a container that was killed for memory leaves, for example: a failed unit
    resetFailed(connection, unit);
    try {
      answer = start();
    } catch (second) {
      throw refused(`start the unit ${unit}`, second);
    }
  }
  const result = awaitJob(connection, answer[0]);
  if (result === "done") return;
  resetFailed(connection, unit);
  throw new UserError(`systemd could not start the unit ${unit}: its job ended with "${result}"`, {
    at: "/linux/cgroupsPath",
    code: "cgroup",
    hint: `look for ${unit} in the journal`,
  });
}

/** Stops the scope and removes it; one that is gone is fine. */
export function stopUnit(connection: Connection, unit: string): void {
  try {
    const [job] = connection.call({ member: "StopUnit", signature: "ss", body: [unit, "replace"] });
    const result = awaitJob(connection, job);
    if (result !== "done") log.warn(`systemd's job to stop ${unit} ended with "${result}"`);
  } catch (error) {
    if (isBusError(error, noSuchUnit)) return;
    throw refused(`stop the unit ${unit}`, error);
  }
  resetFailed(connection, unit);
}

/** Changes properties for as long as the unit lives. */
export function setProperties(connection: Connection, unit: string, properties: readonly Property[]): void {
  try {
    connection.call({ member: "SetUnitProperties", signature: "sba(sv)", body: [unit, true, properties] });
  } catch (error) {
    throw refused(`change the unit ${unit}`, error);
  }
}

/** Moves processes into the unit's cgroup. */
export function attachProcesses(connection: Connection, unit: string, pids: readonly number[]): void {
  try {
    connection.call({ member: "AttachProcessesToUnit", signature: "ssau", body: [unit, "/", pids] });
  } catch (error) {
    throw refused(`move a process into the unit ${unit}`, error);
  }
}

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";

/** The result of a job: JobRemoved(id, job, unit, result) comes when it has ended. */
function awaitJob(connection: Connection, job: Value | undefined): string {
  const [, , , result] = connection.signal("JobRemoved", ([, path]) => path === job);
  return String(result);
}

/** A failed unit keeps its name until it is reset; of any other there is nothing to reset. */
function resetFailed(connection: Connection, unit: string): void {
  try {
    connection.call({ member: "ResetFailedUnit", signature: "s", body: [unit] });
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    if (error.errorName !== noSuchUnit) log.warn(`systemd could not reset the unit ${unit}: ${error.message}`);
  }
}

function isBusError(error: unknown, name: string): boolean {
  return error instanceof BusError && error.errorName === name;
}

function refused(what: string, error: unknown): unknown {
  if (!(error instanceof BusError)) return error;
  return new UserError(`systemd refuses to ${what}: ${error.message}`, {
    at: "--systemd-cgroup",
    code: "cgroup",
    cause: error,
  });
}
