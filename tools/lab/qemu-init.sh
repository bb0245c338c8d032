#!/bin/sh
# Process 1 of a qemu guest, first stage, in an initramfs of busybox and modules: makes the guest's root and goes on with
# guest.sh in it. LAB, the host's folder to work in, comes from the kernel's command line.
mount -t proc proc /proc
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "lab: can't load $module"
done

die() {
  echo "lab: $1"
  echo o >/proc/sysrq-trigger
  sleep 10
}

# What the guest changes in the tree goes into memory, and ends with it.
mkdir /host /memory /root
mount -t virtiofs host /host || die "the host's tree can't be mounted"
mount -t tmpfs -o size=60% memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root || die "no overlay"

# The only writable way to the host.
mkdir /root/lab
mount -o bind "/host$LAB" /root/lab
umount /proc
exec switch_root /root /bin/bash /lab/guest.sh
