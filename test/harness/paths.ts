/** Where things are, and how the C programs of the tests get built. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout: the directory of package.json above this file (or above a bundle made of it). */
export const repository = findRepository(fileURLToPath(new URL(".", import.meta.url)));

/** Where tests put what they build once; safe to delete. */
export const buildDirectory = join(repository, "build", "test");

function findRepository(from: string): string {
  let at = from;
  while (!existsSync(join(at, "package.json"))) {
    const above = join(at, "..");
    if (above === at) throw new Error(`no package.json above ${from}`);
    at = above;
  }
  return at;
}

/**
 * Compiles a C program into one static file and returns its path.
 *
 * The result is named after the source's content, so it is built once, and is moved into place in one step because
 * several test files may ask for it at the same time. musl is preferred: its programs start faster and are small.
 *
 * @param source path of the .c file, relative to the checkout
 */
export function compile(source: string): string {
  const path = join(repository, source);
  const hash = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
  const target = join(buildDirectory, `${basename(source, ".c")}-${hash}`);
  if (existsSync(target)) return target;
  mkdirSync(buildDirectory, { recursive: true });
  const temporary = `${target}.${process.pid}`;
  const compiler = existsSync("/usr/bin/musl-gcc") ? "musl-gcc" : "gcc";
  execFileSync(compiler, ["-static", "-Os", "-Wall", "-Wextra", "-Werror", "-o", temporary, path], {
    stdio: "inherit",
  });
  renameSync(temporary, target);
  return target;
}
