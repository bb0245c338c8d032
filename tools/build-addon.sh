#!/bin/bash
# Builds build/Release/tsrunc.node with node-gyp. Quiet unless it fails.
# Node's headers are taken from beside the running node, where distributions put them; else node-gyp fetches them.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
headers=()
[ -e "$prefix/include/node/node_api.h" ] && headers=("--nodedir=$prefix")
log=build/node-gyp.log
mkdir -p build
# Configured again only when the list of files or the settings may have changed: it takes longer than compiling.
steps=(configure build)
if [ -e build/Makefile ] && [ build/Makefile -nt binding.gyp ] && [ build/Makefile -nt native/host ]; then
  steps=(build)
fi
# node-gyp does not see that this object has init inside.
embedded=build/Release/obj.target/tsrunc/native/embed-init.o
[ build/init/tsrunc-init -nt $embedded ] && rm -f $embedded
# Inside `make -j`, the inherited job server would only confuse the make that node-gyp starts.
env -u MAKEFLAGS -u MAKELEVEL npx --no-install node-gyp "${steps[@]}" "${headers[@]}" >$log 2>&1 || {
  cat $log >&2
  exit 1
}
