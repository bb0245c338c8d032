#!/bin/sh
# Fetches a CRIU that works on new kernels, for tests of checkpoint and restore: that of Debian 13 with its own
# libraries, unpacked into build/criu, beside whatever the machine has. Nothing is installed, apt's own files aren't
# touched. Prints the folder that has `criu`, to be put into PATH; fails with the reason where that can't be had.
#
#   tools/criu.sh            fetch it if missing, print the folder
#   tools/criu.sh --cached   only print it; fail when it isn't there
set -eu
cd "$(dirname "$0")/.."
target=$PWD/build/criu
arch=$(uname -m)

if [ -x "$target/bin/criu" ]; then
	echo "$target/bin"
	exit
fi
if [ "${1-}" = --cached ]; then
	echo "build/criu is missing: run tools/criu.sh" >&2
	exit 1
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
	echo "this is no Debian: install criu 4 by other means" >&2
	exit 1
}
[ -f /etc/apt/sources.list.d/debian.sources ] || {
	echo "there is no /etc/apt/sources.list.d/debian.sources to copy the mirror from" >&2
	exit 1
}

work=$target.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/debs" "$work/root" "$work/bin"

# The machine's mirror with another release; the stanza of security updates stays out.
awk 'BEGIN { RS = ""; ORS = "\n\n" } !/security/' /etc/apt/sources.list.d/debian.sources |
	sed 's/^Suites:.*/Suites: trixie bookworm/' >"$work/parts/debian.sources"
apt() {
	apt-get -qq -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$work/parts" -o APT::Sandbox::User=root "$@"
}
apt update >&2
(
	cd "$work/debs"
	for name in criu libcompel1 libbsd0 libc6 libffi8 libgmp10 libgnutls30t64 libhogweed6t64 libidn2-0 libjansson4 \
		libmd0 libmnl0 libnet1 libnettle8t64 libnftables1 libnftnl11 libnl-3-200 libp11-kit0 libprotobuf-c1 \
		libtasn1-6 libunistring5 libuuid1 libxtables12; do
		echo $name/trixie
	done | xargs apt-get -qq -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" \
		-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts" -o APT::Sandbox::User=root download >&2
	for deb in *.deb; do dpkg -x "$deb" "$work/root"; done
	mkdir "$work/tools"
	apt download patchelf/bookworm >&2
	dpkg -x patchelf_*.deb "$work/tools"
)

# Where it will lie for good, as that is written into the program
libraries=$target/root/usr/lib/$arch-linux-gnu
loader=$(cd "$work/root/usr/lib/$arch-linux-gnu" && ls -d ld-linux-*.so.*)
cp "$work/root/usr/sbin/criu" "$work/bin/criu"
"$work/tools/usr/bin/patchelf" --set-interpreter "$libraries/$loader" --force-rpath --set-rpath "$libraries" "$work/bin/criu"
rm -rf "$work/lists" "$work/cache" "$work/parts" "$work/debs" "$work/tools" "$target"
mv "$work" "$target"
trap - EXIT
echo "$target/bin"
