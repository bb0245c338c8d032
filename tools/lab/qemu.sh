# qemu, emulating, with the kernel of Debian's cloud images. Sourced by ../lab.sh.
# One thread emulates both CPUs: with a thread for each, the guest's kernel has been seen to lock up on a busy machine.

kernel=$here/../build/lab/kernel
virtiofsd=/usr/lib/qemu/virtiofsd

prepare_guest() {
  command -v qemu-system-x86_64 >/dev/null || fail $unavailable "qemu-system-x86 is not installed (npm run setup)"
  [ -x $virtiofsd ] || fail $unavailable "$virtiofsd is not installed (npm run setup)"
  [ -e "$kernel/vmlinuz" ] || fetch_kernel || fail $unavailable "the package linux-image-cloud-amd64 can't be fetched"
  make_initramfs
}

# The kernel's package is only unpacked: installing it would make an initramfs for this machine, too.
fetch_kernel() {
  local package new=$kernel.new
  rm -rf "$new" && mkdir -p "$new"
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-\)/\1/p' | head -n 1)
  [ -n "$package" ] || return 1
  (cd "$new" && apt-get -qq download "$package" >/dev/null 2>&1 && dpkg-deb -x ./*.deb tree) || return 1
  mv "$new"/tree/boot/vmlinuz-* "$new/vmlinuz"
  mkdir "$new/modules"
  # in the order of their dependencies
  local module modules=(virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev
    virtio/virtio_pci fuse/fuse fuse/virtiofs overlayfs/overlay)
  for module in "${modules[@]}"; do
    cp "$new"/tree/lib/modules/*/kernel/{drivers,fs}/"$module.ko" "$new/modules" 2>/dev/null || true
    echo "${module#*/}.ko" >>"$new/modules/order"
  done
  rm -rf "$new"/tree "$new"/*.deb "$kernel"
  mv "$new" "$kernel"
}

# busybox, the modules and qemu-init.sh: what finds the way to this machine's files.
make_initramfs() {
  local root=$lab/initramfs applet
  mkdir -p "$root"/{bin,proc}
  cp /bin/busybox "$root/bin"
  for applet in sh mount umount insmod switch_root mkdir cat echo sleep; do ln -s busybox "$root/bin/$applet"; done
  cp -r "$kernel/modules" "$root"
  install "$here/lab/qemu-init.sh" "$root/init"
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$lab/initrd"
  rm -rf "$root"
}

# boot_guest PARAMETERS: runs the guest to its end. virtiofsd holds a descriptor for each file that the guest has seen.
boot_guest() {
  local size=${memory:-1024}
  $virtiofsd --socket-path="$lab/files" -o source=/ -o sandbox=chroot -o cache=always -o no_xattr \
    --rlimit-nofile="$(ulimit -Hn)" >"$lab/virtiofsd" 2>&1 &
  local server=$! tries ended=0
  for ((tries = 0; tries < 100; tries++)); do
    [ ! -S "$lab/files" ] || break
    sleep 0.05
  done
  trap 'kill $server ${machine:-} 2>/dev/null' TERM
  timeout -k 5 "$seconds" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 2 -m "$size" \
    -object "memory-backend-memfd,id=memory,size=${size}M,share=on" -machine pc,memory-backend=memory \
    -display none -nodefaults -no-reboot -kernel "$kernel/vmlinuz" -initrd "$lab/initrd" \
    -append "console=ttyS0 $1" -serial stdio \
    -chardev "socket,id=files,path=$lab/files" -device vhost-user-fs-pci,chardev=files,tag=host &
  local machine=$!
  wait $machine || ended=$?
  kill $server 2>/dev/null || true
  return $ended
}
