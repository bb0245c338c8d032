// Makes a container of a bundle, asks it something, and takes it away again.
//
//   node examples/run-and-ask.mjs BUNDLE COMMAND [ARGUMENT...]
//
// The bundle's own program should stay for a while, such as `sleep`. Prints what the command has written, and leaves
// with its exit status.

import { Runtime, UserError } from "tsrunc";

const [bundle, ...command] = process.argv.slice(2);
if (bundle === undefined || command.length === 0) {
  console.error("usage: node examples/run-and-ask.mjs BUNDLE COMMAND [ARGUMENT...]");
  process.exit(2);
}

const runtime = new Runtime(process.env.TSRUNC_ROOT === undefined ? {} : { root: process.env.TSRUNC_ROOT });
const id = `example-${process.pid}`;

try {
  // -1: its program has nothing to do with our terminal
  const { pid } = runtime.create(id, { bundle, stdio: [-1, -1, -1] });
  runtime.start(id);
  console.error(`container ${id} is ${runtime.state(id).status}, process ${pid}`);

  const { status, stdout, stderr } = runtime.output(id, command, { timeoutMs: 10_000 });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status;
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  const { message, code, at, hint } = error;
  console.error([at, message, hint && `(${hint})`, `[${code}]`].filter(Boolean).join(" "));
  process.exitCode = 1;
} finally {
  // an unknown id is no error with force: create may have failed
  runtime.delete(id, { force: true });
}
