#!/bin/bash
# Installs what building and testing need, and only what is missing.
#
#   tools/setup.sh          everything: packages to build with, packages to test with, npm packages
#   tools/setup.sh build    without the packages that only tests need
#
# As root, Debian and Ubuntu packages are installed with apt. Otherwise the one command to run is printed; missing
# build packages are then an error, missing test packages are not (their tests are skipped, and say so).
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(build-essential musl-tools python3 busybox-static)
# Engines that call a runtime, runtimes to compare with, what the engines need for networks and user namespaces, the
# oracle for seccomp filters, shells to read completion scripts, and second kernels with cgroup v2 alone, with systemd in
# them, and for aarch64 (docs/lab.md).
test_packages=(runc crun podman conmon containerd docker.io catatonit tini iproute2 iptables uidmap slirp4netns
  fuse-overlayfs containernetworking-plugins libseccomp-dev user-mode-linux qemu-system-x86 systemd dbus
  dbus-user-session
  jq strace util-linux zsh fish gcc-aarch64-linux-gnu qemu-user-static qemu-system-arm)

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Prints those of the packages named that are not installed.
missing() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p' || true)
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed" none) || true
}

# Packages that this release does not have, so that they are looked for once and not at every run.
unavailable=build/unavailable-packages

# Leaves out, with a line, what this release does not have.
available() {
  local package
  for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      echo "$package"
    else
      echo "setup: $package is not in this release; what needs it is left out" >&2
      echo "$package" >>$unavailable
    fi
  done
}

# install KIND PACKAGE...: KIND "needed" makes packages that cannot be installed an error.
install() {
  local kind=$1 packages
  shift
  mapfile -t packages < <(missing "$@" | grep -vxF -f <(cat $unavailable 2>/dev/null))
  [ ${#packages[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    [ "$kind" = wanted ] || fail "this is neither Debian nor Ubuntu: install the equivalents of ${packages[*]}"
  elif [ "$(id -u)" != 0 ]; then
    local command="sudo apt-get install --no-install-recommends ${packages[*]}"
    [ "$kind" = wanted ] || fail "packages are missing, run: $command"
    echo "setup: tests that need these will be skipped: $command" >&2
  else
    echo "setup: installing ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    mkdir -p build
    mapfile -t packages < <(available "${packages[@]}")
    [ ${#packages[@]} -gt 0 ] || return 0
    apt-get -qq install --no-install-recommends "${packages[@]}" </dev/null >/dev/null
  fi
}

npm_packages() {
  [ package-lock.json -nt node_modules/.package-lock.json ] || return 0
  npm ci --no-fund --no-audit --loglevel=error
  touch node_modules/.package-lock.json
}

node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  fail "node $(node --version) is too old: 20.19 or newer is needed"
install needed "${build_packages[@]}"
[ "${1:-}" = build ] || install wanted "${test_packages[@]}"
npm_packages
