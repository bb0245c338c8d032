#!/bin/bash
# Process 1 of a guest, in its own root: brings up the little that is needed, runs the command, powers off. With
# LABSYSTEMD on the kernel's command line, systemd does.
# /lab is the folder shared with the host: the command goes in, output and exit status come out.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

# The host's tree as it was before the guest's own root covered it (user-mode Linux).
[ ! -d /.host ] || { umount -l /.host && rmdir /.host; }

[ -z "$LABSYSTEMD" ] || exec /bin/bash /lab/systemd.sh

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
ln -sf pts/ptmx /dev/ptmx
ln -sfn /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr

mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t securityfs security /sys/kernel/security 2>/dev/null
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
ip link set lo up

# As on a real machine, nobody works in the root cgroup.
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
mkdir -p /sys/fs/cgroup/lab/command
(echo "$BASHPID" >/sys/fs/cgroup/lab/command/cgroup.procs && exec setsid /bin/bash /lab/command.sh) &
wait $!
sync
echo o >/proc/sysrq-trigger
sleep 10
