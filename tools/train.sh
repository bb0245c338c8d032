#!/bin/sh
# train.sh FOLDER: has FOLDER/tsrunc, whose engine counts, do what create and exec do in JavaScript and what an ordinary user
# may do, too: plans of the configs that engines write. The counts go to FOLDER/*.gcda.
set -eu
folder=$1
cd "$(dirname "$0")/.."
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
mkdir "$bundle/rootfs" "$bundle/counts"

rm -f "$folder"/*.gcda
export GCOV_PREFIX="$bundle/counts" # not where it was compiled: that may be the folder that this one is a copy of
for config in test/fixtures/configs/*.json; do
	cp -f "$config" "$bundle/config.json" # which may be read-only
	# a config of another engine's may ask for what this machine doesn't have
	"$folder/tsrunc" plan --bundle "$bundle" >/dev/null 2>&1 || true
	"$folder/tsrunc" --root "$bundle/root" state missing 2>/dev/null || true
done
find "$GCOV_PREFIX" -name '*.gcda' -exec cp {} "$folder" \;
[ -s "$folder/quickjs.gcda" ] || echo "train.sh: no counts: the engine will be some percent slower" >&2
