# apt beside the system, with lists of its own: nothing is installed, apt's own files aren't touched. To be sourced; whoever
# sources it has a give_up MESSAGE, which ends the script.
#
#   private_apt FOLDER [OPTION...]   makes apt's folders there, for sources in FOLDER/parts; then "${apt_options[@]}"
#                                    is what every apt program wants, and what they say goes to $apt_log
#   update_apt                       reads the lists of those sources
#   apt_reason                       prints the first reason in the log

private_apt() {
  local work=$1
  shift
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "this machine has no apt to fetch packages with"
  [ -f /etc/apt/sources.list.d/debian.sources ] ||
    give_up "there is no /etc/apt/sources.list.d/debian.sources to copy the mirror from"
  mkdir -p "$work"/{parts,lists/partial,cache/archives/partial,debs}
  : >"$work/status"
  apt_options=(-qq -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status"
    -o Dir::Cache="$work/cache" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts"
    -o APT::Sandbox::User=root -o Acquire::Languages=none "$@")
  apt_log=$work/log
}

# The machine's mirror of its own release. The stanza of security updates stays out.
release_stanza() { awk 'BEGIN { RS = "" } !/security/ { print; exit }' /etc/apt/sources.list.d/debian.sources; }

apt_reason() { grep -m1 '^[WE]:' "$apt_log" || echo "no reason given"; }

update_apt() {
  apt-get "${apt_options[@]}" update >"$apt_log" 2>&1 || give_up "apt can't read the package lists ($(apt_reason))"
}
