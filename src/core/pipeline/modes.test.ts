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
import { startTracedSwitch, type TracedSwitch } from "./testing/traced-switch.ts";

const pipeline = createPipeline();
const gatewayMac = "0e:00:00:00:00:01";
const tunnel = { ofport: 200 };
const mac = (number: number): string => `0a:00:00:00:00:0${number}`;
const pod = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac(mac(number)),
  addresses: [`10.10.0.${number}`, `fd00:10::${number}`].map(parseAddress),
  podNamespace: "shop",
  podName: `pod${number}`,
  containerId: `c${number}`,
});
/** IPv4 on our link; the IPv6 pods take the tunnel. */
const hybrid = {
  name: "b",
  podCIDRs: ["10.10.1.0/24", "fd00:10:0:1::/64"].map(parsePrefix),
  transportAddresses: [parseAddress("172.16.0.2")],
  routed: [{ block: parsePrefix("10.10.1.0/24"), nextHop: parseAddress("172.16.0.2") }],
};
/** As with networkPolicyOnly: the gateway has the node's address and answers for all. */
const gateway = { ofport: 100, mac: parseMac(gatewayMac), addresses: ["172.16.0.1", "fd16::1"].map(parseAddress), answersAll: true };

let ovs: TracedSwitch;
before(async () => {
  ovs = await startTracedSwitch({ ports: [5, 6, 100], tunnel: 200 });
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, gateway));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  ledger.set("node b", compileRemoteNode(pipeline, hybrid, tunnel));
  for (const port of [5, 6].map(pod)) {
    ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
    compiler.setPort(port);
  }
  compiler.compile();
  await ovs.program(ledger);
});
after(() => ovs?.stop());

const tcp = (inPort: number, source: string, from: string, to: string, destination: string): string =>
  `in_port=${inPort},${from.includes(":") ? `tcp6,ipv6_src=${from},ipv6_dst=${destination}` : `tcp,nw_src=${from},nw_dst=${destination}`},dl_src=${source},dl_dst=${to},nw_ttl=64,tp_src=1024,tp_dst=80`;
const arp = (inPort: number, source: string, from: string, target: string): string =>
  `in_port=${inPort},arp,dl_src=${source},dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_sha=${source},arp_spa=${from},arp_tpa=${target}`;
const solicit = (inPort: number, source: string, from: string, target: string): string =>
  `in_port=${inPort},icmp6,dl_src=${source},dl_dst=33:33:ff:00:00:01,ipv6_src=${from},ipv6_dst=ff02::1:ff00:1,nw_ttl=255,icmpv6_type=135,icmpv6_code=0,nd_target=${target},nd_sll=${source},nd_options_type=1`;

test("what the node's own routing reaches leaves by the gateway, untouched; the rest takes the tunnel", async () => {
  const routed = await ovs.trace(tcp(5, mac(5), "10.10.0.5", gatewayMac, "10.10.1.7"), ["trk,new"]);
  assert.equal(routed.port, "100", routed.text);
  assert.ok(routed.final.includes("nw_ttl=64") && routed.final.includes("nw_src=10.10.0.5"), routed.text);
  const back = await ovs.trace(tcp(100, gatewayMac, "10.10.1.7", mac(5), "10.10.0.5"), ["trk,est,rpl"]);
  assert.equal(back.port, "5", back.text);
  const tunnelled = await ovs.trace(tcp(5, mac(5), "fd00:10::5", gatewayMac, "fd00:10:0:1::7"), ["trk,new"]);
  assert.equal(tunnelled.port, "200", tunnelled.text);
  const looped = await ovs.trace(tcp(200, mac(9), "10.10.3.7", "aa:bb:cc:dd:ee:ff", "10.10.1.7"), ["trk,new"]);
  assert.equal(looped.port ?? "", "", looped.text);
});

test("with answersAll, a pod that asks for any address hears of the gateway; for a pod here, of that pod; the host only of pods", async () => {
  const rows = [
    [arp(5, mac(5), "10.10.0.5", "10.10.0.1"), "IN_PORT", ["arp_op=2", `arp_sha=${gatewayMac}`, "arp_spa=10.10.0.1", "arp_tpa=10.10.0.5"]],
    [arp(5, mac(5), "10.10.0.5", "192.0.2.77"), "IN_PORT", [`arp_sha=${gatewayMac}`, "arp_spa=192.0.2.77", `arp_tha=${mac(5)}`]],
    [arp(5, mac(5), "10.10.0.5", "10.10.0.6"), "IN_PORT", [`arp_sha=${mac(6)}`]],
    [arp(100, gatewayMac, "172.16.0.1", "10.10.0.6"), "IN_PORT", [`arp_sha=${mac(6)}`]],
    [arp(100, gatewayMac, "172.16.0.1", "10.10.0.77"), "", []],
    [solicit(5, mac(5), "fd00:10::5", "fd00:10::1"), "IN_PORT", ["icmp_type=136", `nd_tll=${gatewayMac}`, "ipv6_src=fd00:10::1"]],
    [solicit(100, gatewayMac, "fd16::1", "fd00:10::77"), "", []],
  ] as const;
  for (const [packet, port, parts] of rows) {
    const trace = await ovs.trace(packet, []);
    assert.equal(trace.port ?? "", port, trace.text);
    for (const part of parts) assert.ok(trace.final.includes(part), `${part}\n${trace.text}`);
  }
});

test("pods of one node reach each other through the gateway's address, and the node's own address leads to the host", async () => {
  const neighbour = await ovs.trace(tcp(5, mac(5), "10.10.0.5", gatewayMac, "10.10.0.6"), ["trk,new"]);
  assert.equal(neighbour.port, "6", neighbour.text);
  assert.ok(neighbour.final.includes("nw_ttl=63"), neighbour.text);
  const host = await ovs.trace(tcp(5, mac(5), "10.10.0.5", gatewayMac, "172.16.0.1"), ["trk,new"]);
  assert.equal(host.port, "100", host.text);
});
