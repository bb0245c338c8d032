#!/bin/bash
# Makes systemd start nothing but D-Bus and the command: three units and a target, 13 units in all instead of a whole
# system's. Units with default dependencies would pull in sysinit.target and with it the rest: 25 s more.
units=/etc/systemd/system
mkdir -p $units /etc/systemd/system.conf.d

cat >/etc/systemd/system.conf.d/lab.conf <<'CONF'
[Manager]
DefaultStandardOutput=null
DefaultStandardError=null
ShowStatus=no
CONF

cat >$units/lab.target <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=dbus.socket dbus.service lab-command.service
UNIT

# systemd itself takes to the bus only when units of these two names are up; Debian's own bring too much with them.
cat >$units/dbus.socket <<'UNIT'
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
UNIT

cat >$units/dbus.service <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation
UNIT

cat >$units/lab-command.service <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=dbus.service
After=dbus.service
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
Delegate=yes
TimeoutStartSec=infinity
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/bash /lab/command.sh
UNIT

# Where this machine is a container, the guest's systemd must not take itself for one: it would not read the kernel's
# command line.
rm -f /.dockerenv /run/.containerenv

# Without one, systemd takes this for a first boot and enables everything.
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
exec /lib/systemd/systemd --unit=lab.target
