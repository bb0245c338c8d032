#!/bin/bash
# Builds tsrunc for aarch64 and runs a shell script beside it in a guest with a kernel of that architecture, emulated:
#
#   tools/arm64.sh SCRIPT     the script finds tsrunc, busybox's programs, and the machine for itself alone
#   tools/arm64.sh            only builds build/arm64/tsrunc
#
# The cross compiler is Debian's (npm run setup); musl, kernel headers, a busybox and the kernel are Debian's packages for
# arm64, unpacked into build/arm64. Nothing is installed, apt's own files aren't touched.
#
# Output and exit status are the guest's console and 0; 77: it can't be had here, and the last line on standard error says why;
# 124: the guest didn't end in time.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/build/arm64
root=$folder/root
seconds=${TIMEOUT:-120}

give_up() {
  echo "arm64: $*" >&2
  exit 77
}

. tools/private-apt.sh

for program in aarch64-linux-gnu-gcc qemu-aarch64-static qemu-system-aarch64; do
  command -v $program >/dev/null || give_up "$program is not installed (npm run setup)"
done

[ -e build/heap.uses ] || give_up "dist/tsrunc is not built (npm run build)"

# Packages of another architecture.
fetch() {
  local work=$folder/fetch kernel deb
  rm -rf "$work" "$root"
  private_apt "$work" -o APT::Architecture=arm64 -o APT::Architectures=arm64
  release_stanza >"$work/parts/debian.sources"
  update_apt
  kernel=$(apt-cache "${apt_options[@]}" depends linux-image-cloud-arm64 | sed -n 's/^ *Depends: \(linux-image-\)/\1/p' | head -n 1)
  (cd "$work/debs" && apt-get "${apt_options[@]}" download musl-dev linux-libc-dev busybox-static "$kernel" >>"$apt_log" 2>&1) ||
    give_up "apt can't fetch packages for arm64 ($(apt_reason))"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  rm -rf "$work/root/lib/modules"
  # the compiler's description of musl names folders of a machine where it is installed
  sed -i "s,/usr/\(include\|lib\)/aarch64-linux-musl,$root&,g" "$work/root/usr/lib/aarch64-linux-musl/musl-gcc.specs"
  mv "$work/root" "$root"
  rm -rf "$work"
}

# A tree of its own, in which only what is compiled is made anew: bundle and engine's sources are those of this machine's build.
build() {
  local tree=$folder/tree name
  mkdir -p "$tree/build/kernel-headers"
  for name in Makefile native tools schema src test package.json tsconfig.json; do ln -sfn "../../../$name" "$tree/$name"; done
  for name in js generated quickjs; do ln -sfn "../../../$name" "$tree/build/$name"; done
  ln -sfn "$root/usr/include/linux" "$tree/build/kernel-headers/linux"
  ln -sfn "$root/usr/include/asm-generic" "$tree/build/kernel-headers/asm-generic"
  ln -sfn "$root/usr/include/aarch64-linux-gnu/asm" "$tree/build/kernel-headers/asm"
  make -C "$tree" --no-print-directory --silent -j2 CC=aarch64-linux-gnu-gcc OBJCOPY=aarch64-linux-gnu-objcopy \
    MUSL_CC="aarch64-linux-gnu-gcc -specs $root/usr/lib/aarch64-linux-musl/musl-gcc.specs" RUN=qemu-aarch64-static \
    USES=../../heap.uses static >&2
  cp "$tree/dist/tsrunc" "$folder/tsrunc"
}

boot() {
  local script=$1 initrd=$folder/initrd applet
  rm -rf "$initrd" && mkdir -p "$initrd"/{bin,new}
  cp "$root/bin/busybox" "$folder/tsrunc" "$initrd/bin"
  for applet in sh mount mkdir cp ln cat switch_root; do ln -s busybox "$initrd/bin/$applet"; done
  install tools/lab/arm64-init.sh "$initrd/init"
  cp "$script" "$initrd/script"
  (cd "$initrd" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$folder/initrd.gz"
  timeout -k 5 "$seconds" qemu-system-aarch64 -M virt -cpu max -accel tcg,thread=single -m 1024 -display none -nodefaults \
    -no-reboot -kernel "$root"/boot/vmlinuz-* -initrd "$folder/initrd.gz" -append "console=ttyAMA0 quiet panic=-1" \
    -serial stdio </dev/null
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
[ -d "$root" ] || fetch
build
[ $# -eq 0 ] || boot "$1"
