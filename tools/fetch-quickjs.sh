#!/bin/bash
# Puts the sources of quickjs-ng, the engine inside dist/tsrunc, into build/quickjs/src.
#
#   tools/fetch-quickjs.sh          use what is there, else fetch Debian's source package qjs-src
#   tools/fetch-quickjs.sh --lock   fetch the newest and record its version and hash in tools/quickjs.lock
#
# A stable release does not carry the package, the development suite does. apt fetches it through a configuration
# of our own, made from the machine's (same mirror, same proxy, same keyring), so the signature is checked as always
# and the system's package lists stay as they are. QUICKJS_DEB=FILE takes a package from disk instead.
#
# Exit status: 0 the sources are there; 1 they cannot be had, and one line on standard error says why.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=build/quickjs
lock=tools/quickjs.lock
mode=${1:-build}

locked() { sed -n "s/^$1 //p" $lock; }

give_up() {
  echo "quickjs: $*; only the Node host is built" >&2
  exit 1
}

# The mirror this machine gets its release from, as apt itself understands its configuration.
mirror() {
  apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$1" '$1 == release { print $2; exit }'
}

fetch() {
  command -v apt-get >/dev/null || give_up "this machine has no apt to fetch the engine's sources with"
  . /etc/os-release
  local suite components keyring uri
  case ${ID:-} in
    debian) suite=sid components=main ;;
    ubuntu) suite=devel components="main universe" ;;
    *) give_up "no known source of the engine for the distribution '${ID:-unknown}'" ;;
  esac
  uri=$(mirror "${VERSION_CODENAME:-}")
  [ -n "$uri" ] || give_up "apt has no mirror configured for ${VERSION_CODENAME:-this release}"
  for keyring in /usr/share/keyrings/"$ID"-archive-keyring.{pgp,gpg}; do [ -e "$keyring" ] && break; done

  local private
  private=$(mktemp -d)
  trap "rm -rf '$private'" EXIT
  chmod 755 "$private"
  mkdir -p "$private"/{sources,lists/partial,cache/archives/partial}
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n' \
    "$uri" "$suite" "$components" "$keyring" >"$private/sources/engine.sources"
  local apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$private/sources"
    -o Dir::State::lists="$private/lists" -o Dir::Cache="$private/cache" -o Debug::NoLocking=1
    -o Acquire::Languages=none -o APT::Sandbox::User=root)
  "${apt[@]}" update >"$private/log" 2>&1 && (cd "$private" && "${apt[@]}" download qjs-src >>"$private/log" 2>&1) ||
    give_up "apt cannot fetch qjs-src from $suite ($(grep -m1 '^[WE]:' "$private/log" || echo "no reason given"))"
  mkdir -p $folder
  rm -f $folder/*.deb
  mv "$private"/*.deb $folder/
}

# Same version: must be the same bytes. Newer: apt has checked its signature, so it is taken, and said. Older: refused.
check() {
  local deb=$1 version hash
  version=$(dpkg-deb --field "$deb" Version)
  hash=$(sha256sum "$deb" | cut -d' ' -f1)
  if [ "$mode" = --lock ]; then
    sed -i -e "s/^version .*/version $version/" -e "s/^sha256 .*/sha256 $hash/" $lock
  elif dpkg --compare-versions "$version" lt "$(locked version)"; then
    give_up "found qjs-src $version, older than $(locked version) in $lock"
  elif [ "$version" != "$(locked version)" ]; then
    echo "quickjs: taking qjs-src $version, newer than $(locked version) in $lock (sha256 $hash)" >&2
  elif [ "$hash" != "$(locked sha256)" ]; then
    give_up "qjs-src $version has sha256 $hash, not the one in $lock"
  fi
}

# Unpacks a package, unless it is what was unpacked before: then everything built from it stays valid.
unpack() {
  local hash
  hash=$(sha256sum "$1" | cut -d' ' -f1)
  if [ "$(cat $folder/unpacked 2>/dev/null)" = "$hash" ]; then
    touch $folder/unpacked
    return
  fi
  mkdir -p $folder
  rm -rf $folder/deb $folder/src
  dpkg-deb --extract "$1" $folder/deb
  mv $folder/deb/usr/src/quickjs-ng $folder/src
  rm -rf $folder/deb
  find $folder/src -type f -exec touch {} + # newer than objects built from another version
  echo "$hash" >$folder/unpacked
}

# The package fetched before, if it is the one in the lock file.
cached() {
  local deb
  deb=$(ls $folder/*.deb 2>/dev/null) || return 0
  [ "$(sha256sum "$deb" | cut -d' ' -f1)" = "$(locked sha256)" ] && echo "$deb" || true
}

if [ "$mode" = build ] && [ $folder/unpacked -nt $lock ]; then exit 0; fi
deb=${QUICKJS_DEB:-}
[ -n "$deb" ] || [ "$mode" = --lock ] || deb=$(cached)
if [ -z "$deb" ]; then
  fetch
  deb=$(ls $folder/*.deb)
fi
check "$deb"
unpack "$deb"
