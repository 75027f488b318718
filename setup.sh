#!/bin/sh
# Makes a fresh Debian machine ready for `npm start` and `npm test`: installs what is missing, says what and why, leaves what is there alone.
set -eu
cd "$(dirname "$0")"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -s)" = Linux ] || fail "this needs Linux (found $(uname -s)): run it on a Debian 12 machine or virtual machine"
[ "$(id -u)" = 0 ] || fail "this needs root, for network namespaces, Open vSwitch and containers: run it again with sudo"

# npm: everything from the lock file, Node 26 itself included. The stamp is the lock file that was installed last.
if ! cmp -s package-lock.json node_modules/.installed-lock; then
  say "npm packages from the lock file (Node 26, TypeScript, Biome and the libraries the code uses)"
  npm ci --no-audit --no-fund --loglevel=error >&2 || fail "npm ci failed: it needs the npm registry once"
  cp package-lock.json node_modules/.installed-lock
fi

# Debian: "command package reason". A command that exists is used, whatever package it came from.
missing=""
while read -r command package reason; do
  [ -n "$command" ] || continue
  PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null 2>&1 && continue
  say "Debian package $package: $reason"
  missing="$missing $package"
done <<'PACKAGES'
ovs-vswitchd openvswitch-switch the switch that carries every pod packet
containerd containerd the container runtime that calls antrea-cni
runc runc starts the containers
busybox busybox-static the shell and tools inside the lab's pod images
/usr/lib/cni/portmap containernetworking-plugins CNI plugins beside ours: host ports, bandwidth, and ptp for networkPolicyOnly
iptables iptables the portmap plugin opens host ports with it
nft nftables masquerade of traffic that leaves the cluster
ip iproute2 network namespaces for the lab's nodes
curl curl fetches pages inside the lab's test image, as suites of Kubernetes do
nc.openbsd netcat-openbsd opens connections there
iperf3 iperf3 throughput pods and benches
conntrack conntrack looks at connection tracking in tests
tcpdump tcpdump packet capture in tests
openssl openssl checks the lab's certificates in tests
nsenter util-linux enters the namespaces of the lab
kubectl kubernetes-client the client that people drive the lab with
PACKAGES

if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || fail "needs$missing, and there is no apt-get here: install them by hand and run this again"
  # A policy file of our own, for this one call, keeps packages from starting daemons; one that was there before is put back.
  policy=/usr/sbin/policy-rc.d
  saved=""
  if [ -e "$policy" ]; then saved=$(mktemp); cp -p "$policy" "$saved"; fi
  restore() { if [ -n "$saved" ]; then cp -p "$saved" "$policy" && rm -f "$saved"; else rm -f "$policy"; fi; }
  trap restore EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { apt-get update && apt-get install -y --no-remove --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    fail "apt-get could not install$missing: its last words are above, all of them in $log"
  fi
  rm -f "$log"
fi
