#!/bin/sh
# install.sh [--remove] [--restart] HOST: puts tsrunc on a Kubernetes node whose root file system is at HOST ("/" on the
# node itself), and tells the node's engine about it: k3s, CRI-O or containerd, whichever is there. Run twice it changes
# nothing the second time. --remove takes both away again; --restart restarts the engine if anything has changed (this
# needs the node's process namespace).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
remove='' restart='' changed=''
while [ $# -gt 0 ]; do
	case $1 in
	--remove) remove=yes ;;
	--restart) restart=yes ;;
	-*) echo "install.sh: unknown option $1" >&2 && exit 2 ;;
	*) host=${1%/} ;;
	esac
	shift
done
[ -n "${host+set}" ] || { echo "usage: install.sh [--remove] [--restart] HOST" >&2; exit 2; }

# In the image everything is beside this script; in the checkout it isn't.
if [ -d "$here/config" ]; then
	binary=$here/tsrunc crio=$here/config k3s=$here/config containerd=$here/config
else
	binary=$here/../../dist/tsrunc crio=$here/../crio k3s=$here/../k3s containerd=$here/../containerd
fi

# put SOURCE TARGET MODE: in one step, as a running container's shim may be about to call the old one.
put() {
	cmp -s "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.new"
	chmod "$3" "$2.new"
	mv "$2.new" "$2"
	changed=yes
	echo "wrote $2"
}

take_away() {
	[ -e "$1" ] || return 0
	rm "$1"
	changed=yes
	echo "removed $1"
}

# A marked part at the end of a file that others write, too.
begin='# begin tsrunc' end='# end tsrunc'
append() { # append SOURCE TARGET
	grep -qF "$begin" "$2" && return
	cp -p "$2" "$2.new"
	{ echo "$begin" && cat "$1" && echo "$end"; } >>"$2.new"
	mv "$2.new" "$2"
	changed=yes
	echo "added to $2"
}
cut_out() {
	grep -qF "$begin" "$1" || return 0
	cp -p "$1" "$1.new"
	sed "/^$begin/,/^$end/d" "$1" >"$1.new"
	mv "$1.new" "$1"
	changed=yes
	echo "cut out of $1"
}

[ -n "$remove" ] || put "$binary" "$host/usr/local/bin/tsrunc" 755
engine=
if [ -d "$host/var/lib/rancher/k3s/agent/etc/containerd" ]; then
	engine=k3s
	template=$host/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl
	if [ -n "$remove" ]; then
		take_away "$template"
	elif [ -e "$template" ] && ! cmp -s "$k3s/tsrunc.toml.tmpl" "$template"; then
		echo "install.sh: $template is somebody else's; add the last lines of $k3s/tsrunc.toml.tmpl to it" >&2
		exit 1
	else
		put "$k3s/tsrunc.toml.tmpl" "$template" 644
	fi
elif [ -d "$host/etc/crio" ]; then
	engine=crio
	if [ -n "$remove" ]; then
		take_away "$host/etc/crio/crio.conf.d/10-tsrunc.conf"
	else
		put "$crio/10-tsrunc.conf" "$host/etc/crio/crio.conf.d/10-tsrunc.conf" 644
	fi
elif [ -f "$host/etc/containerd/config.toml" ]; then
	engine=containerd
	config=$host/etc/containerd/config.toml
	if [ -n "$remove" ]; then
		cut_out "$config"
	else
		version=$(sed -n 's/^version *= *\([0-9]*\).*/\1/p' "$config")
		case $version in
		2 | 3) append "$containerd/tsrunc-v$version.toml" "$config" ;;
		*) echo "install.sh: $config has version \"$version\"; 2 and 3 are known" >&2 && exit 1 ;;
		esac
	fi
else
	echo "install.sh: no k3s, CRI-O or containerd found at $host/" >&2
	exit 1
fi
# The binary comes before what names it, and goes after.
[ -z "$remove" ] || take_away "$host/usr/local/bin/tsrunc"

if [ -z "$changed" ]; then
	echo "nothing to do"
elif [ -n "$restart" ]; then
	# The unit is k3s on servers and k3s-agent on others.
	units=$engine
	[ "$engine" != k3s ] || units='k3s k3s-agent'
	for unit in $units; do nsenter -t 1 -m -- systemctl try-restart "$unit"; done
fi
