#!/bin/bash
# Everything CI runs: set-up, build, check, then all tests. Arguments go to vitest: `npm test -- --project unit`.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh
npm run --silent build
tools/check.sh
exec node_modules/.bin/vitest run "$@"
