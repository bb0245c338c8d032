// Bundles for commands that make containers, with the code that only some configs need.

import { host } from "#host";
import { provideSystemd } from "../cgroup/driver.ts";
import { type Bundle, loadBundle } from "../container/bundle.ts";
import type { CreateTools } from "../container/create.ts";
import { checkId } from "../container/id.ts";
import { needsMapPrograms } from "../container/id-maps.ts";
import { recordedDriver, type Store } from "../container/store.ts";
import type { Config } from "../spec/config.ts";
import { type Context, idArgument, pathFlag } from "./context.ts";

export async function loadForCreate(
  context: Context,
): Promise<{ readonly bundle: Bundle; readonly tools: CreateTools }> {
  checkId(idArgument(context));
  const bundle = loadBundle(bundlePath(context), context.facts);
  if (context.cgroupManager === "systemd") await loadSystemd();
  return { bundle, tools: { ...(await toolsFor(bundle)), notify: await notifierIfWanted() } };
}

/** The proxy of service notification, when our caller has a socket for that. */
export async function notifierIfWanted(): Promise<typeof import("../container/notify.ts") | undefined> {
  return host.env("NOTIFY_SOCKET") ? await import("../container/notify.ts") : undefined;
}

export function bundlePath(context: Context): string {
  return pathFlag(context, "bundle") ?? host.cwd();
}

export async function loadSystemd(): Promise<void> {
  provideSystemd(await import("../cgroup/systemd.ts"));
}

/** Loads the systemd driver if the container has it, for commands that change or remove its cgroup. */
export async function loadDriverOf(store: Store, id: string): Promise<void> {
  if (recordedDriver(store, id) === "systemd") await loadSystemd();
}

/** The seccomp compiler, for a config with a profile. */
export async function seccompFor({ linux }: Config): Promise<CreateTools["seccomp"]> {
  return linux?.seccomp === undefined ? undefined : (await import("../seccomp/compile.ts")).prepareSeccomp;
}

export async function toolsFor({ config }: Pick<Bundle, "config">): Promise<CreateTools> {
  const seccomp = await seccompFor(config);
  return { seccomp, extras: needsExtras(config) ? await import("../container/extras.ts") : undefined };
}

/** Also idmap=MAPPINGS */
const rareOptions = /^(r?idmap(=.*)?|copy-symlink)$/s;

function needsExtras(config: Config): boolean {
  const { mounts = [], process, linux } = config;
  return (
    needsMapPrograms(config) ||
    linux?.intelRdt !== undefined ||
    linux?.netDevices !== undefined ||
    Boolean(linux?.mountLabel || process?.apparmorProfile || process?.selinuxLabel) ||
    mounts.some(
      ({ uidMappings, options }) => uidMappings !== undefined || options?.some((word) => rareOptions.test(word)),
    )
  );
}
