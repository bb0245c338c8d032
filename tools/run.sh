#!/bin/bash
# Runs a TypeScript program of this repository (Node before 22.18 cannot do it alone): tools/run.sh FILE.ts [ARG...]
set -euo pipefail
cd "$(dirname "$0")/.."

source=$1
output=build/run/$(basename "$source" .ts).mjs
shift
node_modules/.bin/esbuild "$source" --bundle --platform=node --format=esm --target=node20 --packages=external \
  --log-level=warning --outfile="$output"
exec node --enable-source-maps "$output" "$@"
