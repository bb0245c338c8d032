// dist/cli.js: the command line under Node.js.

import { start } from "./main.ts";

await start();
