// Bundles src/cli with esbuild, for one of the two engines:
//
//   node tools/bundle.js node      -> dist/cli.js (executable) and dist/*.js; dist/index.js when src/index.ts exists
//   node tools/bundle.js quickjs   -> build/js/main.js and its chunks, which become bytecode
//
// Each `await import()` in the sources becomes a chunk that is loaded when its command runs. `#host` is resolved by
// the `imports` map of package.json, with the condition "quickjs" for that engine.

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

/** The commit that is being built, where there is a repository. */
function commit() {
  try {
    return execFileSync("git", ["describe", "--always", "--abbrev=12"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}

/** @type {import("esbuild").BuildOptions} */
const common = {
  define: {
    TSRUNC_RELEASE: JSON.stringify(JSON.parse(readFileSync("package.json", "utf8")).version),
    TSRUNC_COMMIT: JSON.stringify(commit()),
  },
  bundle: true,
  splitting: true,
  format: "esm",
  logLevel: "warning",
  chunkNames: "[name]-[hash]",
};

/**
 * Builds, and then removes what an earlier build left: chunks have new names whenever they change.
 * @param {import("esbuild").BuildOptions & { outdir: string }} options
 */
async function buildAndTidy(options) {
  const { metafile } = await build({ ...options, metafile: true });
  for (const name of readdirSync(options.outdir)) {
    const path = `${options.outdir}/${name}`;
    if (name.endsWith(".js") && metafile.outputs[path] === undefined) rmSync(path);
  }
}

async function bundleForNode() {
  const entryPoints = [{ in: "src/cli/node.ts", out: "cli" }];
  if (existsSync("src/index.ts")) entryPoints.push({ in: "src/index.ts", out: "index" });
  await buildAndTidy({
    ...common,
    entryPoints,
    outdir: "dist",
    platform: "node",
    target: "node20",
    // dist/cli.js is a program. CommonJS packages inside an ES module call require for Node's own modules.
    banner: {
      js: `#!/usr/bin/env node
import { createRequire as tsruncRequire } from "node:module";const require = tsruncRequire(import.meta.url);`,
    },
  });
  chmodSync("dist/cli.js", 0o755);
}

async function bundleForQuickjs() {
  await buildAndTidy({
    ...common,
    entryPoints: ["src/cli/main.ts"],
    outdir: "build/js",
    // Neither a browser nor Node: an import of "node:..." is an error of the build.
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["quickjs"],
    target: "es2022",
    // Short names are fewer bytes to load at every start.
    minify: true,
    supported: { "top-level-await": true },
  });
}

const bundles = { node: bundleForNode, quickjs: bundleForQuickjs };
const bundle = bundles[/** @type {keyof typeof bundles} */ (process.argv[2])];
if (bundle === undefined) throw new Error("usage: node tools/bundle.js node|quickjs");
await bundle().catch(() => process.exit(1)); // esbuild has said why
