#!/bin/sh
# Process 1 of the aarch64 guest (../arm64.sh): a root file system in a tmpfs, as a mount that can be pivoted away from,
# with busybox and tsrunc, cgroup v2 with all controllers; then /script.
mount -t tmpfs none /new
mkdir -p /new/bin /new/dev /new/proc /new/sys /new/tmp /new/run /new/etc
cp /bin/busybox /bin/tsrunc /new/bin
cp /script /new
for applet in $(busybox --list); do [ -e "/new/bin/$applet" ] || ln -s busybox "/new/bin/$applet"; done
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs devtmpfs /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t cgroup2 none /new/sys/fs/cgroup
for controller in cpu cpuset io memory pids; do echo +$controller >/new/sys/fs/cgroup/cgroup.subtree_control; done
echo '4 4 1 7' >/new/proc/sys/kernel/printk
cat >/new/init <<'EOT'
export PATH=/bin
sh /script
poweroff -f
EOT
exec switch_root /new /bin/sh /init
