#!/bin/bash
# Everything that can be said about the sources without running them. Goes on after a complaint, to show them all.
set -uo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

failed=()
step() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}

step format-and-lint biome check --reporter=default .
step generated-files node tools/gen-plan.mjs --check
step documents node tools/gen-documents.mjs --check
# Types need the validators, which the build makes from the schema.
step validators make --no-print-directory --silent generated
step types tsc --noEmit
step dead-code knip --no-progress
step shell bash -n tools/*.sh .ci/run

if [ ${#failed[@]} -gt 0 ]; then
  echo "check: failed: ${failed[*]}" >&2
  exit 1
fi
