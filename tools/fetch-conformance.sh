#!/bin/bash
# Builds the OCI runtime-tools validation suite into build/conformance, and prints that folder.
#
#   tools/fetch-conformance.sh            fetch and build what is missing
#   tools/fetch-conformance.sh --cached   only print it; fail when it isn't there
#
# Everything is Debian's: the suite's source tarball from Debian 13 (the package made of it leaves the validation
# programs out), the Go compiler and the Go libraries from this machine's release. They are unpacked beside the system,
# nothing is installed, apt's own files aren't touched. The one library that Debian doesn't have, a writer of TAP, is
# test/conformance/tap.go.
#
# Exit status: 0 it is there; 1 it can't be had, and one line on standard error says why.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$PWD/build/conformance
package=golang-github-opencontainers-runtime-tools
libraries=(mrunalp-fileutils google-uuid urfave-cli blang-semver xeipuuv-gojsonschema hashicorp-go-multierror
  opencontainers-selinux opencontainers-specs sirupsen-logrus stretchr-testify)
# What is in the folder follows from these scripts and from the stand-in.
stamp=$(cat tools/fetch-conformance.sh tools/private-apt.sh test/conformance/tap.go | sha256sum | cut -d' ' -f1)

give_up() {
  echo "conformance: $*" >&2
  exit 1
}

. tools/private-apt.sh

if [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "$target"
  exit
fi
[ "${1:-}" != --cached ] || give_up "build/conformance is missing: run tools/fetch-conformance.sh"

work=$target.$$
trap 'rm -rf "$work"' EXIT
private_apt "$work"
mkdir -p "$work/root"

# The machine's own release for programs and libraries, Debian 13 for the suite's sources.
{
  release_stanza
  echo
  release_stanza | sed -e 's/^Types:.*/Types: deb-src/' -e 's/^Suites:.*/Suites: trixie/'
} >"$work/parts/debian.sources"
update_apt

# With what they depend on, as far as it is Go's.
names=$(apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances golang-go golang-gocapability-dev golang-golang-x-sys-dev \
  $(printf 'golang-github-%s-dev ' "${libraries[@]}") | grep -E '^golang-' | sort -u)
(cd "$work/debs" && apt-get "${apt_options[@]}" download $names >>"$apt_log" 2>&1) ||
  give_up "apt can't fetch Go ($(apt_reason))"
for deb in "$work"/debs/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --exclude=./usr/share/doc; done

# The .dsc isn't served everywhere, but the tarball it names is.
read -r address file _ hash < <(apt-get "${apt_options[@]}" source --print-uris $package 2>>"$apt_log" | tr -d "'" |
  grep '\.orig\.tar') || give_up "Debian's $package isn't there"
/usr/lib/apt/apt-helper "${apt_options[@]}" download-file "$address" "$work/$file" "$hash" >>"$apt_log" 2>&1 ||
  give_up "$file can't be fetched ($(apt_reason))"

import=src/github.com/opencontainers/runtime-tools
mkdir -p "$work/go/$import" "$work/go/src/github.com/mndrix/tap-go"
tar -x --strip-components=1 -C "$work/go/$import" -f "$work/$file"
cp test/conformance/tap.go "$work/go/src/github.com/mndrix/tap-go/"

export GOROOT GO111MODULE=off GOPROXY=off GOFLAGS= GOTOOLCHAIN=local GOPATH=$work/go:$work/root/usr/share/gocode
export GOCACHE=$work/gocache HOME=$work
GOROOT=$(echo "$work"/root/usr/lib/go-*)
(
  cd "$work/go/$import"
  CGO_ENABLED=0 "$GOROOT/bin/go" build -o runtimetest ./cmd/runtimetest
  for folder in validation/*/; do
    name=$(basename "$folder")
    [ -f "$folder/$name.go" ] || continue
    CGO_ENABLED=0 "$GOROOT/bin/go" build -o "validation/$name.t" "./validation/$name"
  done
) >>"$apt_log" 2>&1 || give_up "the suite doesn't build: $(tail -n 3 "$apt_log" | tr '\n' ' ')"

rm -rf "$target"
mkdir -p "$target/validation"
cp "$work/go/$import"/{runtimetest,rootfs-*.tar.gz} "$target/"
cp "$work/go/$import"/validation/*.t "$target/validation/"
echo "${file%.orig*}" | sed 's/.*_//' >"$target/version"
echo "$stamp" >"$target/stamp"
echo "$target"
