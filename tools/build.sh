#!/bin/bash
# make, one at a time: two at once in one folder would write the same files. Arguments are targets (see `make help`).
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
exec flock build/lock make --no-print-directory --silent -j2 "$@"
