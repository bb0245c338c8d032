# user-mode Linux: a kernel that is a program. Sourced by ../lab.sh.

registers=$here/../build/lab/uml-registers.so

prepare_guest() {
  command -v linux.uml >/dev/null || fail $unavailable "user-mode-linux is not installed (npm run setup)"
  [ "$registers" -nt "$here/lab/uml-registers.c" ] || compile_registers
}

compile_registers() {
  mkdir -p "${registers%/*}"
  ${CC:-cc} -O2 -Wall -Wextra -shared -fPIC -o "$lab/registers.so" "$here/lab/uml-registers.c" ||
    fail $unavailable "tools/lab/uml-registers.c can't be compiled"
  mv "$lab/registers.so" "$registers"
}

# boot_guest PARAMETERS: runs the guest to its end.
boot_guest() {
  # shellcheck disable=SC2086 # parameters are words
  LD_PRELOAD=$registers exec timeout -k 5 "$seconds" linux.uml "uml_dir=$lab" umid=guest "mem=${memory:-512}M" con=null \
    con0=fd:0,fd:1 rootfstype=hostfs rootflags=/ ro "init=$here/lab/uml-init.sh" $1
}
