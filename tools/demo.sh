#!/bin/bash
# A container from nothing but busybox: build/demo is its bundle. What runs inside says where it finds itself.
# Needs root. The runtime is dist/tsrunc, or another one given as RUNTIME.
set -euo pipefail
cd "$(dirname "$0")/.."

runtime=$(realpath "${RUNTIME:-dist/tsrunc}")
bundle=build/demo
id=demo-$$

[ "$(id -u)" = 0 ] || {
  echo "demo: needs root" >&2
  exit 1
}

rm -rf $bundle
mkdir -p $bundle/rootfs/{bin,dev,etc,proc,sys,tmp}
cp "$(command -v busybox)" $bundle/rootfs/bin/busybox
for applet in sh cat echo grep hostname id mount ps sed; do ln -s busybox $bundle/rootfs/bin/$applet; done
echo 'root:x:0:0:root:/:/bin/sh' >$bundle/rootfs/etc/passwd
cat >$bundle/rootfs/bin/tour <<'EOT'
#!/bin/sh
echo "hostname:     $(hostname)"
echo "i am pid:     $$, running as $(id -un)"
echo "processes:"
ps -o pid,args | sed 's/^/              /'
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ -e $file ] && echo "memory limit: $(cat $file) bytes"
done
echo "mounts:"
sed 's/^[^ ]* \([^ ]*\) \([^ ]*\) \([^ ]*\) .*/              \1 \2 \3/' /proc/mounts
EOT
chmod +x $bundle/rootfs/bin/tour

# The runtime's own default config, with our program, name and limit.
(cd $bundle && "$runtime" spec)
node -e '
  const fs = require("node:fs");
  const [file] = process.argv.slice(1);
  const config = JSON.parse(fs.readFileSync(file, "utf8"));
  config.process.terminal = false;
  config.process.args = ["/bin/tour"];
  config.hostname = "tsrunc-demo";
  config.linux.resources = { ...config.linux.resources, memory: { limit: 64 * 1024 * 1024 } };
  fs.writeFileSync(file, JSON.stringify(config, null, 2));
' $bundle/config.json

echo "\$ tsrunc run --bundle $bundle $id"
exec "$runtime" run --bundle $bundle $id
