// The host under Node.js: the addon build/Release/tsrunc.node (native/node). The only file of src/ that knows Node.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { KernelError } from "../errors.ts";
import type { Host } from "./host.ts";

interface Addon extends Host {
  setErrorClass(errorClass: typeof KernelError): void;
}

/** Seen from a bundle in dist/ the addon is one folder up, seen from this source file two. */
function loadAddon(): Addon {
  const places = ["../build/Release/tsrunc.node", "../../build/Release/tsrunc.node"];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`the addon ${paths[0]} is missing: run "npm run build"`);
  return createRequire(import.meta.url)(path);
}

const addon = loadAddon();
addon.setErrorClass(KernelError);

/** As the library has it, but for the arguments: only Node knows which of them are ours. */
export const host: Host = { ...addon, args: () => process.argv.slice(2) };
