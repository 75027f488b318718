import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createFlowLedger } from "./flow-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  type LocalPort,
} from "./index.ts";
import { createPolicyCompiler } from "./policy/index.ts";
import { learnedReplies } from "./sctp/compile.ts";
import { startTracedSwitch, type TracedSwitch } from "./testing/traced-switch.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const pipeline = createPipeline();
const gatewayMac = "0e:00:00:00:00:01";
const tunnelMac = "aa:bb:cc:dd:ee:ff";
const gateway = { ofport: 100, mac: parseMac(gatewayMac), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) };
const tunnel = { ofport: 200 };
const pod = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac(`0a:00:00:00:00:0${number}`),
  addresses: [`10.10.0.${number}`, `fd00:10::${number}`].map(parseAddress),
  podNamespace: "shop",
  podName: `pod${number}`,
  containerId: `c${number}`,
});
const remote = {
  name: "b",
  podCIDRs: ["10.10.1.0/24", "fd00:10:0:1::/64"].map(parsePrefix),
  transportAddresses: [parseAddress("172.16.0.2")],
};
const unreachable = { name: "c", podCIDRs: [parsePrefix("10.10.2.0/24")], transportAddresses: [] };

let ovs: TracedSwitch;
before(async () => {
  ovs = await startTracedSwitch({ ports: [5, 6, 7, 100], tunnel: 200 });
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, gateway));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  for (const node of [remote, unreachable]) ledger.set(`node ${node.name}`, compileRemoteNode(pipeline, node, tunnel));
  for (const port of [5, 6, 7].map(pod)) ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
  for (const port of [5, 6].map(pod)) compiler.setPort(port);
  compiler.compile();
  await ovs.program(ledger);
});
after(() => ovs?.stop());

const mac = (number: number): string => `0a:00:00:00:00:0${number}`;
const tcp4 = (inPort: number, source: string, from: string, to: string, destination: string): string =>
  `in_port=${inPort},tcp,dl_src=${source},dl_dst=${to},nw_src=${from},nw_dst=${destination},nw_ttl=64,tp_src=1024,tp_dst=80`;
const tcp6 = (inPort: number, source: string, from: string, to: string, destination: string): string =>
  `in_port=${inPort},tcp6,dl_src=${source},dl_dst=${to},ipv6_src=${from},ipv6_dst=${destination},nw_ttl=64,tp_src=1024,tp_dst=80`;
const established = ["trk,est"];
const reply = ["trk,est,rpl"];

/** packet, connection states, port it must leave by ("" = dropped), what its end must contain. */
type Row = readonly [what: string, packet: string, states: readonly string[], port: string, ...final: readonly string[]];

function packets(title: string, rows: readonly Row[]): void {
  test(title, async () => {
    for (const [what, packet, states, port, ...final] of rows) {
      const trace = await ovs.trace(packet, states);
      assert.equal(trace.port ?? "", port, `${what}\n${trace.text}`);
      for (const part of final) assert.ok(trace.final.includes(part), `${what}: ${part}\n${trace.text}`);
    }
  });
}

const fresh = ["trk,new"];
packets("pods of one node reach each other in their subnet unchanged, whatever neighbour they believe in", [
  ["IPv4", tcp4(5, mac(5), "10.10.0.5", mac(6), "10.10.0.6"), fresh, "6", `dl_src=${mac(5)},dl_dst=${mac(6)}`, "nw_ttl=64"],
  ["IPv6", tcp6(5, mac(5), "fd00:10::5", mac(6), "fd00:10::6"), fresh, "6", `dl_src=${mac(5)},dl_dst=${mac(6)}`, "nw_ttl=64"],
  ["stale neighbour", tcp4(5, mac(5), "10.10.0.5", "0a:00:00:00:00:99", "10.10.0.6"), fresh, "6", `dl_dst=${mac(6)}`],
  [
    "by the gateway's address",
    tcp4(5, mac(5), "10.10.0.5", gatewayMac, "10.10.0.6"),
    fresh,
    "6",
    `dl_src=${gatewayMac},dl_dst=${mac(6)}`,
    "nw_ttl=63",
  ],
]);

packets("a pod whose policies are not known is closed to new connections and open to known ones", [
  ["to it", tcp4(5, mac(5), "10.10.0.5", mac(7), "10.10.0.7"), fresh, ""],
  ["from it", tcp4(7, mac(7), "10.10.0.7", mac(5), "10.10.0.5"), fresh, ""],
  ["to it, IPv6", tcp6(5, mac(5), "fd00:10::5", mac(7), "fd00:10::7"), fresh, ""],
  ["known connection", tcp4(5, mac(5), "10.10.0.5", mac(7), "10.10.0.7"), established, "7"],
  ["error about a known one", tcp4(7, mac(7), "10.10.0.7", mac(5), "10.10.0.5"), ["trk,rel"], "5"],
  ["no connection at all", tcp4(5, mac(5), "10.10.0.5", mac(6), "10.10.0.6"), ["trk,inv"], ""],
]);

packets("pods send from their own addresses only", [
  ["other IPv4 source", tcp4(5, mac(5), "10.10.0.6", mac(6), "10.10.0.6"), fresh, ""],
  ["other IPv6 source", tcp6(5, mac(5), "fd00:10::7", mac(6), "fd00:10::6"), fresh, ""],
  ["other MAC", tcp4(5, mac(6), "10.10.0.5", mac(6), "10.10.0.6"), fresh, ""],
  ["the host's mark", tcp4(5, "aa:bb:cc:dd:ee:fe", "10.10.0.5", mac(7), "10.10.0.7"), fresh, ""],
  ["a VLAN", `${tcp4(5, mac(5), "10.10.0.5", mac(6), "10.10.0.6")},dl_vlan=5`, fresh, ""],
  [
    "DHCP",
    `in_port=5,udp,dl_src=${mac(5)},dl_dst=ff:ff:ff:ff:ff:ff,nw_src=0.0.0.0,nw_dst=255.255.255.255,udp_src=68,udp_dst=67`,
    fresh,
    "",
  ],
  [
    "multicast",
    `in_port=5,udp,dl_src=${mac(5)},dl_dst=01:00:5e:00:00:fb,nw_src=10.10.0.5,nw_dst=224.0.0.251,udp_src=5353,udp_dst=5353`,
    fresh,
    "",
  ],
  ["neither ARP nor IP", `in_port=5,dl_src=${mac(5)},dl_dst=${mac(6)},dl_type=0x88cc`, fresh, ""],
]);

const arp = (inPort: number, source: string, sender: string, target: string, op = 1, sha = source): string =>
  `in_port=${inPort},arp,dl_src=${source},dl_dst=ff:ff:ff:ff:ff:ff,arp_op=${op},arp_sha=${sha},arp_spa=${sender},arp_tpa=${target}`;
packets("the switch answers ARP", [
  [
    "for the gateway",
    arp(5, mac(5), "10.10.0.5", "10.10.0.1"),
    [],
    "IN_PORT",
    `dl_src=${gatewayMac},dl_dst=${mac(5)}`,
    "arp_spa=10.10.0.1,arp_tpa=10.10.0.5,arp_op=2",
    `arp_sha=${gatewayMac},arp_tha=${mac(5)}`,
  ],
  ["for a pod", arp(5, mac(5), "10.10.0.5", "10.10.0.6"), [], "IN_PORT", `arp_sha=${mac(6)}`],
  ["for the host, whatever address it uses", arp(100, gatewayMac, "172.16.0.1", "10.10.0.5"), [], "IN_PORT", `arp_sha=${mac(5)}`],
  [
    "for the host under its mark",
    arp(100, "aa:bb:cc:dd:ee:fe", "10.10.0.1", "10.10.0.5", 1, gatewayMac),
    [],
    "IN_PORT",
    `dl_dst=${gatewayMac}`,
  ],
  ["for another node's gateway", arp(100, gatewayMac, "10.10.0.1", "10.10.1.1"), [], "IN_PORT", `arp_sha=${tunnelMac}`],
  ["not for strangers", arp(5, mac(5), "10.10.0.5", "10.10.0.99"), [], ""],
  ["not to a liar", arp(5, mac(5), "10.10.0.6", "10.10.0.1"), [], ""],
  ["not to a liar in the payload", arp(5, mac(5), "10.10.0.5", "10.10.0.1", 1, mac(6)), [], ""],
  ["announcements reach the host", arp(5, mac(5), "10.10.0.5", "10.10.0.5"), [], "100"],
  ["announced replies too", arp(5, mac(5), "10.10.0.5", "10.10.0.5", 2), [], "100"],
  ["announcements of others do not", arp(5, mac(5), "10.10.0.6", "10.10.0.6"), [], ""],
  ["nothing from a tunnel", arp(200, mac(5), "10.10.1.5", "10.10.0.1"), [], ""],
]);

const nd = (inPort: number, source: string, from: string, rest: string): string =>
  `in_port=${inPort},icmp6,dl_src=${source},dl_dst=33:33:ff:00:00:01,ipv6_src=${from},ipv6_dst=ff02::1:ff00:1,nw_ttl=255,${rest}`;
/** A solicitation with the asker's link-layer address, as all but those of duplicate address detection have it. */
const ns = (target: string, sender: string): string => `icmpv6_type=135,nd_target=${target},nd_sll=${sender},nd_options_type=1`;
packets("the switch answers neighbour discovery", [
  [
    "for the gateway",
    nd(5, mac(5), "fd00:10::5", ns("fd00:10::1", mac(5))),
    [],
    "IN_PORT",
    `dl_src=${gatewayMac},dl_dst=${mac(5)}`,
    "ipv6_src=fd00:10::1,ipv6_dst=fd00:10::5",
    "icmp_type=136",
    `nd_tll=${gatewayMac}`,
  ],
  ["for a pod", nd(5, mac(5), "fd00:10::5", ns("fd00:10::6", mac(5))), [], "IN_PORT", `nd_tll=${mac(6)}`],
  [
    "for the host under its mark",
    nd(100, "aa:bb:cc:dd:ee:fe", "fe80::1", ns("fd00:10::5", gatewayMac)),
    [],
    "IN_PORT",
    `dl_dst=${gatewayMac}`,
  ],
  ["for another node's gateway", nd(100, gatewayMac, "fd00:10::1", ns("fd00:10:0:1::1", gatewayMac)), [], "IN_PORT", `nd_tll=${tunnelMac}`],
  [
    "not without an option that the answer can be written into",
    nd(5, mac(5), "fd00:10::5", "icmpv6_type=135,nd_target=fd00:10::1"),
    [],
    "",
  ],
  ["not to a liar", nd(5, mac(5), "fd00:10::6", ns("fd00:10::1", mac(5))), [], ""],
  ["announcements reach the host", nd(5, mac(5), "fd00:10::5", `icmpv6_type=136,nd_target=fd00:10::5,nd_tll=${mac(5)}`), [], "100"],
  ["announcements of others do not", nd(5, mac(5), "fd00:10::5", `icmpv6_type=136,nd_target=fd00:10::6,nd_tll=${mac(5)}`), [], ""],
  ["announcements for others do not", nd(5, mac(5), "fd00:10::5", `icmpv6_type=136,nd_target=fd00:10::5,nd_tll=${mac(6)}`), [], ""],
  ["no router speaks from a pod", nd(5, mac(5), "fd00:10::5", "icmpv6_type=134"), [], ""],
  ["no redirect", nd(5, mac(5), "fd00:10::5", "icmpv6_type=137"), [], ""],
  ["no router is asked", nd(5, mac(5), "fd00:10::5", "icmpv6_type=133"), [], ""],
  ["nothing forwarded counts", nd(5, mac(5), "fd00:10::5", ns("fd00:10::1", mac(5))).replace("nw_ttl=255", "nw_ttl=254"), [], ""],
  ["nothing from a tunnel", nd(200, mac(5), "fd00:10:0:1::5", ns("fd00:10::1", mac(5))), [], ""],
]);

packets("host and outside are reached by the gateway", [
  ["outside", tcp4(5, mac(5), "10.10.0.5", gatewayMac, "192.0.2.1"), fresh, "100", `dl_dst=${gatewayMac}`, "nw_ttl=64"],
  ["outside, IPv6", tcp6(5, mac(5), "fd00:10::5", gatewayMac, "2001:db8::1"), fresh, "100", `dl_dst=${gatewayMac}`],
  ["the gateway itself", tcp4(5, mac(5), "10.10.0.5", gatewayMac, "10.10.0.1"), fresh, "100"],
  ["reply from outside", tcp4(100, gatewayMac, "192.0.2.1", mac(5), "10.10.0.5"), reply, "5", "nw_ttl=64"],
  ["from outside", tcp4(100, gatewayMac, "192.0.2.1", mac(5), "10.10.0.5"), fresh, "5"],
  ["from outside to a closed pod", tcp4(100, gatewayMac, "192.0.2.1", mac(7), "10.10.0.7"), fresh, ""],
  ["the node's own packet is exempt", tcp4(100, "aa:bb:cc:dd:ee:fe", "10.10.0.1", mac(7), "10.10.0.7"), fresh, "7", `dl_src=${gatewayMac}`],
  ["the same by packet mark", `pkt_mark=0x80000000,${tcp4(100, gatewayMac, "10.10.0.1", mac(7), "10.10.0.7")}`, fresh, "7"],
  ["the same, IPv6", tcp6(100, "aa:bb:cc:dd:ee:fe", "fd00:10::1", mac(7), "fd00:10::7"), fresh, "7"],
  ["reply to what the host translated", `ct_mark=2,${tcp4(5, mac(5), "10.10.0.5", mac(6), "10.10.0.6")}`, ["trk,est,rpl"], "100"],
  [
    "SCTP that the tracker takes for such a reply, whatever its ports",
    `ct_mark=2,in_port=5,sctp,dl_src=${mac(5)},dl_dst=${mac(6)},nw_src=10.10.0.5,nw_dst=10.10.0.6,nw_ttl=64,sctp_src=7,sctp_dst=8`,
    ["trk,est,rpl"],
    "6",
  ],
  ["unknown address from the host", tcp4(100, gatewayMac, "10.10.0.1", mac(6), "10.10.0.99"), fresh, ""],
]);

packets("other nodes are reached by the tunnel", [
  [
    "IPv4",
    tcp4(5, mac(5), "10.10.0.5", gatewayMac, "10.10.1.7"),
    fresh,
    "200",
    "tun_dst=172.16.0.2",
    `dl_src=${gatewayMac},dl_dst=${tunnelMac}`,
    "nw_ttl=63",
  ],
  ["IPv6", tcp6(5, mac(5), "fd00:10::5", gatewayMac, "fd00:10:0:1::7"), fresh, "200", "tun_dst=172.16.0.2", "nw_ttl=63"],
  ["from the host", tcp4(100, gatewayMac, "10.10.0.1", tunnelMac, "10.10.1.7"), fresh, "200", "nw_ttl=64"],
  ["no endpoint yet", tcp4(5, mac(5), "10.10.0.5", gatewayMac, "10.10.2.7"), fresh, ""],
  [
    "to a pod here",
    tcp4(200, gatewayMac, "10.10.1.7", tunnelMac, "10.10.0.5"),
    fresh,
    "5",
    `dl_src=${gatewayMac},dl_dst=${mac(5)}`,
    "nw_ttl=63",
  ],
  ["to a closed pod here", tcp4(200, gatewayMac, "10.10.1.7", tunnelMac, "10.10.0.7"), fresh, ""],
  ["to the gateway here", tcp4(200, gatewayMac, "10.10.1.7", tunnelMac, "10.10.0.1"), fresh, "100", `dl_dst=${gatewayMac}`],
  ["to nobody here", tcp4(200, gatewayMac, "10.10.1.7", tunnelMac, "10.10.0.99"), fresh, ""],
  ["not through", tcp4(200, gatewayMac, "10.10.1.7", tunnelMac, "10.10.1.8"), fresh, ""],
]);

test("SCTP is judged by its ports, packet by packet, whatever the tracker says; replies are known", async () => {
  // Pod 7 is closed, but this node's own packets reach it.
  const probe = `eth(src=aa:bb:cc:dd:ee:fe,dst=${mac(7)}),eth_type(0x0800),ipv4(src=10.10.0.1,dst=10.10.0.7,proto=132,tos=0,ttl=64,frag=no),sctp(src=1024,dst=9003)`;
  const toPod = `in_port=5,sctp,dl_src=${mac(5)},dl_dst=${mac(7)},nw_src=10.10.0.5,nw_dst=10.10.0.7,nw_ttl=64,sctp_src=1024,sctp_dst=9003`;
  const fromPod = (port: number): string =>
    `in_port=7,sctp,dl_src=${mac(7)},dl_dst=${gatewayMac},nw_src=10.10.0.7,nw_dst=10.10.0.1,nw_ttl=64,sctp_src=${port},sctp_dst=1024`;
  const leavesBy = async (text: string): Promise<string> => (await ovs.trace(text, established)).port ?? "";
  assert.deepEqual([await leavesBy(toPod), await leavesBy(fromPod(9_003))], ["", ""]);
  await ovs.receive(100, probe);
  const deadline = AbortSignal.timeout(amplePatience);
  while ((await leavesBy(fromPod(9_003))) !== "100") deadline.throwIfAborted();
  assert.deepEqual([await leavesBy(fromPod(9_004)), await leavesBy(toPod)], ["", ""]);
  // What is known of others stays.
  const forget = (text: string): Promise<void> => ovs.remove(learnedReplies(pipeline, parseAddress(text)));
  for (const other of ["10.10.0.6", "fd00:10::7"]) await forget(other);
  assert.equal(await leavesBy(fromPod(9_003)), "100");
  for (const end of ["10.10.0.7", "10.10.0.1"]) {
    await ovs.receive(100, probe);
    while ((await leavesBy(fromPod(9_003))) !== "100") deadline.throwIfAborted();
    await forget(end);
    assert.equal(await leavesBy(fromPod(9_003)), "", `without ${end}`);
  }
});
