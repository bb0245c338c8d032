// The systemd driver is a tenth of a start's code, so it is loaded only for containers that have it (cli/load.ts). Here the
// rest of the program finds it.

export type SystemdDriver = typeof import("./systemd.ts");

let systemd: SystemdDriver | undefined;

/** What can't be done without the driver, which is not loaded: to be tried again when it is. */
export class DriverNeeded extends Error {
  override readonly name = "DriverNeeded";
}

/** Makes the loaded driver known. */
export function provideSystemd(driver: SystemdDriver): void {
  systemd = driver;
}

/** The driver; undefined when the command has not loaded it. */
export function systemdDriver(): SystemdDriver | undefined {
  return systemd;
}

/** The driver, for those who know that it was loaded. */
export function loadedSystemd(): SystemdDriver {
  const driver = systemdDriver();
  if (driver === undefined) throw new TypeError("the systemd driver is not loaded");
  return driver;
}
