#!/bin/sh
# Gives the host the CNI executable and its configuration; the executable first, each whole or not at all.
set -eu
bin=/host/opt/cni/bin
conf=/host/etc/cni/net.d

# The kernel's datapath, where the kernel has it; with ovsDatapathType netdev nothing of it is needed.
modprobe openvswitch 2>/dev/null || echo "antrea-install-cni: the kernel has no module openvswitch: ovsDatapathType must be netdev"

cp /usr/local/bin/antrea-cni "$bin/.antrea.new"
chmod 0755 "$bin/.antrea.new"
mv -f "$bin/.antrea.new" "$bin/antrea"
cp /etc/antrea/antrea-cni.conflist "$conf/.antrea.new"
chmod 0644 "$conf/.antrea.new"
mv -f "$conf/.antrea.new" "$conf/10-antrea.conflist"
echo "antrea-install-cni: $bin/antrea and $conf/10-antrea.conflist are in place"
