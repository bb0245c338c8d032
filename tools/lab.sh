#!/bin/bash
# Runs a command as root in a guest whose kernel has cgroup v2 alone, on this machine's own files (docs/lab.md):
#
#   npm run lab -- [--systemd] [--full] [--v1] [--memory MB] [--timeout SECONDS] COMMAND [ARGUMENT...]
#
#   --systemd   with systemd as process 1, and D-Bus
#   --full      with qemu and a distribution's kernel instead of user-mode Linux: all controllers, time namespaces
#   --v1        with cgroup v1, as systemd sets it up
#
# A single COMMAND is a line for the shell. Output and exit status are the command's; 124: timeout, 125: the guest has
# died, 126: wrong usage, 77: there can't be a guest here (the reason is on stderr).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
unavailable=77

fail() {
  echo "lab: $2" >&2
  exit "$1"
}

kind=uml systemd='' legacy='' memory='' seconds=120
while [ $# -gt 0 ]; do
  case $1 in
    --systemd) systemd=1 ;;
    --full) kind=qemu ;;
    --v1) systemd=1 legacy=1 ;;
    --memory | --timeout)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail 126 "$1 needs a number"
      if [ "$1" = --memory ]; then memory=$2; else seconds=$2; fi
      shift
      ;;
    --) shift && break ;;
    -*) fail 126 "unknown option $1" ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || fail 126 "no command given"

[ "$(id -u)" = 0 ] || fail $unavailable "only root can start a guest: it uses this machine's files as their owner"
if [ -n "$systemd" ]; then
  [ -x /lib/systemd/systemd ] || fail $unavailable "systemd is not installed (npm run setup)"
  command -v dbus-daemon >/dev/null || fail $unavailable "dbus-daemon is not installed (npm run setup)"
fi

# The folder that the guest shares with us.
lab=$(mktemp -d "${TMPDIR:-/tmp}/tsrunc-lab.XXXXXX")
started=()
clean_up() {
  [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
  wait
  rm -rf "$lab"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

cp "$here"/lab/{guest,systemd,command}.sh "$lab"
pwd >"$lab/directory"
if [ $# = 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi >"$lab/command"
touch "$lab/stdout" "$lab/stderr"

# shellcheck source=lab/uml.sh
# shellcheck source=lab/qemu.sh
. "$here/lab/$kind.sh"
prepare_guest

parameters="quiet panic=-1 LAB=$lab${systemd:+ LABSYSTEMD=1}${legacy:+ systemd.unified_cgroup_hierarchy=0}"
boot_guest "$parameters" </dev/null >"$lab/console" 2>&1 &
guest=$!
started+=($guest)
tail -q -n +1 -s 0.1 -f --pid=$guest "$lab/stdout" &
tail -q -n +1 -s 0.1 -f --pid=$guest "$lab/stderr" >&2 &
readers=$!
ended=0
wait $guest || ended=$?
wait $readers
wait
started=()

status=$(cat "$lab/status" 2>/dev/null || true)
[ -z "$status" ] || exit "$status"
[ $ended != 124 ] && [ $ended != 137 ] || echo "lab: no end after $seconds s" >&2
echo "lab: the guest has not left an exit status; the last it said:" >&2
grep -v "^ \[<" "$lab/console" | tail -n 20 >&2
[ $ended != 124 ] || exit 124
exit 125
