#!/bin/sh
# Runs ovsdb-server and ovs-vswitchd until one of them ends or the container does.
#   --netdev INTERFACE   for kernels without Open vSwitch: puts the interface that carries tunnels into a userspace bridge br-phy, with its addresses
set -eu
run=/var/run/openvswitch
db=$run/conf.db
log=/var/log/openvswitch
uplink=
# By its path: busybox's shell would take its own, which knows less.
ip=/usr/sbin/ip
if [ "${1:-}" = --netdev ]; then
  uplink=${2:?antrea-start-ovs: --netdev needs the name of an interface}
fi
export OVS_RUNDIR=$run OVS_DBDIR=$run OVS_LOGDIR=$log
mkdir -p "$run" "$log"
[ -f "$db" ] || ovsdb-tool create "$db" /usr/share/openvswitch/vswitch.ovsschema
rm -f "$run/db.sock"
stop() {
  trap - TERM INT
  kill "$vswitchd" 2>/dev/null && wait "$vswitchd" || true
  kill "$database" 2>/dev/null && wait "$database" || true
}
database= vswitchd=
trap 'stop; exit 0' TERM INT

ovsdb-server "$db" --remote=punix:"$run/db.sock" --pidfile="$run/ovsdb-server.pid" \
  -vconsole:warn -vsyslog:off -vfile:off &
database=$!
until [ -S "$run/db.sock" ] && ovs-vsctl --db=unix:"$run/db.sock" --no-wait init; do
  kill -0 "$database" || exit 1
  sleep 0.1
done
# Nothing is forwarded until the agent has restored its flows and takes the flag away: no packet passes a switch without policies.
ovs-vsctl --db=unix:"$run/db.sock" --no-wait set Open_vSwitch . other_config:flow-restore-wait=true
system=
if [ -n "$uplink" ]; then
  system=--disable-system
  ovs-vsctl --db=unix:"$run/db.sock" --no-wait --may-exist add-br br-phy \
    -- set Bridge br-phy datapath_type=netdev fail_mode=standalone -- --may-exist add-port br-phy "$uplink"
fi
# It counts processors for the first time when the machine is ten seconds old. One that started before has no thread for the kernel's packets and loses each, ever after.
read -r up _ </proc/uptime
up=${up%%.*}
[ "$up" -ge 11 ] || sleep $((11 - up))
ovs-vswitchd unix:"$run/db.sock" $system --pidfile="$run/ovs-vswitchd.pid" \
  -vconsole:warn -vsyslog:off -vfile:off &
vswitchd=$!

if [ -n "$uplink" ]; then
  tries=0
  until $ip link show br-phy >/dev/null 2>&1; do
    kill -0 "$vswitchd" || exit 1
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
      echo "antrea-start-ovs: br-phy does not come up after 30 s" >&2
      stop
      exit 1
    fi
    sleep 0.1
  done
  # The host's stack gets a copy of every frame of the interface: its addresses live on br-phy, and only there. br-phy ends with ovs-vswitchd, so
  # they are written down; and it goes down for a moment when the switch gives it a MAC address, which must not cost the IPv6 ones.
  saved=$run/$uplink.addresses
  $ip -o address show dev "$uplink" scope global | awk '{print $4}' >"$saved.new"
  if [ -s "$saved.new" ]; then mv "$saved.new" "$saved"; fi
  echo 1 >/proc/sys/net/ipv6/conf/br-phy/keep_addr_on_down 2>/dev/null || true
  for address in $(cat "$saved" 2>/dev/null); do
    $ip address del "$address" dev "$uplink" 2>/dev/null || true
    case $address in
      *:*) $ip address replace "$address" dev br-phy nodad ;;
      *) $ip address replace "$address" dev br-phy ;;
    esac
  done
  echo 8 >"/proc/sys/net/ipv4/conf/$uplink/arp_ignore"
  echo 0 >"/proc/sys/net/ipv4/conf/$uplink/forwarding"
  echo 1 >"/proc/sys/net/ipv6/conf/$uplink/disable_ipv6" 2>/dev/null || true
  $ip link set br-phy up
fi

while kill -0 "$database" 2>/dev/null && kill -0 "$vswitchd" 2>/dev/null; do
  sleep 1 &
  wait $! || true
done
echo "antrea-start-ovs: Open vSwitch ended; ending too, to be started again" >&2
stop
exit 1
