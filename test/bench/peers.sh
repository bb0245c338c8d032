#!/bin/sh
# peers.sh DIR [SUITE]: put the runc and crun of a later Debian suite (default: sid) beside this machine's own.
#
# Nothing is installed. A private apt configuration, derived from the machine's own sources, downloads the two
# packages and the libraries they link to; they are unpacked below DIR; patchelf (from the machine's own
# suite, unpacked too) points the programs at their own loader and libraries, so the machine's C library isn't
# involved. DIR/NAME/NAME is the program to run, DIR/NAME/version says what it is. Exits 1 with one line on stderr when the suite can't be reached: the bench then does without.
set -eu
dir=$1 suite=${2:-sid}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
arch=$(dpkg --print-architecture)

apt_private() { # the apt world that sees only the later suite; the machine's lists and locks are untouched
	command=$1
	shift
	"$command" -o Dir::Etc::sourcelist="$dir/apt/sources.sources" -o Dir::Etc::sourceparts=- \
		-o Dir::State="$dir/apt/state" -o Dir::Cache="$dir/apt/cache" -o Dir::State::status="$dir/apt/status" \
		-o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

write_sources() { # the machine's first Debian stanza (deb822) or line (one-line style), with another suite
	if [ -f /etc/apt/sources.list.d/debian.sources ]; then
		awk -v s="$suite" '/^$/ && seen { exit } /^#/ { next } { seen = 1 } /^Suites:/ { $0 = "Suites: " s } { print }' \
			/etc/apt/sources.list.d/debian.sources >"$dir/apt/sources.sources"
	else
		awk -v s="$suite" '$1 == "deb" && /debian/ { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { $(i + 1) = s; print; exit } }' \
			/etc/apt/sources.list >"$dir/apt/sources.sources"
	fi
	[ -s "$dir/apt/sources.sources" ] || { echo "peers: no Debian source on this machine to derive one from" >&2; exit 1; }
}

fetch() { # download NAME and all it depends on (shared libraries only), unpack, write the launcher
	name=$1
	rm -rf "$dir/$name"
	mkdir -p "$dir/$name/debs" "$dir/$name/root"
	packages=$(apt_private apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$name" | grep -E "^(lib[a-z0-9.+-]*|$name)\$" | grep -vE '^lib(gcc-s1|crypt1)$' | sort -u)
	(cd "$dir/$name/debs" && apt_private apt-get -qq download $packages)
	for deb in "$dir/$name"/debs/*.deb; do dpkg -x "$deb" "$dir/$name/root"; done
	dpkg-deb -f "$dir/$name/debs/${name}_"*.deb Version >"$dir/$name/version"
	rm -rf "$dir/$name/debs"
	program=$(find "$dir/$name/root" -name "$name" -path '*bin/*' -type f)
	loader=$(find "$dir/$name/root" -name 'ld-linux-*.so.*' -type f | head -n 1)
	cp "$program" "$dir/$name/$name"
	[ -z "$loader" ] || "$dir/tools/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
		--set-rpath "$(dirname "$loader")" "$dir/$name/$name"
}

fetch_patchelf() {
	mkdir -p "$dir/tools"
	(cd "$dir/tools" && apt-get -qq download patchelf && dpkg -x patchelf_*.deb . && rm patchelf_*.deb)
}

mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
: >"$dir/apt/status"
write_sources
apt_private apt-get -qq update || { echo "peers: Debian $suite can't be reached" >&2; exit 1; }
[ -x "$dir/tools/usr/bin/patchelf" ] || fetch_patchelf
for name in crun runc; do fetch "$name"; echo "$name $(cat "$dir/$name/version") ($suite, $arch)"; done
