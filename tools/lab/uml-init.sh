#!/bin/bash
# Process 1 of a user-mode Linux guest, first stage: makes the guest's root and goes on with guest.sh in it.
# / is the host's tree through hostfs, read only. LAB, the host's folder to work in, comes from the kernel's command line.
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# What the guest changes in the tree goes into memory, and ends with it.
mount -t proc proc /proc
modules=/usr/lib/uml/modules/$(uname -r)/kernel
busybox insmod "$modules/fs/overlayfs/overlay.ko"
busybox insmod "$modules/drivers/block/loop.ko"
mount -t tmpfs -o size=60% memory /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work root /mnt/root
umount /proc

# The only writable way to the host.
mkdir /mnt/root/lab
mount -t hostfs -o "$LAB" lab /mnt/root/lab

# By pivot_root: processes below a mere chroot may not make user namespaces.
cd /mnt/root && mkdir .host && pivot_root . .host
exec chroot . /bin/bash /lab/guest.sh
