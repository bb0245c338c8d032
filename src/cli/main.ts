#!/usr/bin/env node
import { host } from "#host";

host.writeFd(1, `tsrunc on ${host.kernel().join(", ")}\n`);
