import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { compileGateway, compileLocalPort, compileRemoteNode, compileSkeleton, createPipeline, type LocalPort } from "../index.ts";
import { startTracedSwitch, type TracedSwitch } from "../testing/traced-switch.ts";

// On the kernel's datapath, which writes no neighbour advertisements, solicitations are brought to whose address it is. What the kernel takes is tried on a
// kernel (`npm run test:kernel`); here, whom the flows lead to whom.

const pipeline = createPipeline({ datapath: "system" });
const gatewayMac = "0e:00:00:00:00:01";
const gateway = { ofport: 100, mac: parseMac(gatewayMac), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) };
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
const remote = { name: "b", podCIDRs: [parsePrefix("fd00:10:0:1::/64")], transportAddresses: [parseAddress("172.16.0.2")] };

let ovs: TracedSwitch;
before(async () => {
  ovs = await startTracedSwitch({ ports: [5, 6, 100], tunnel: 200 });
  const ledger = createFlowLedger();
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, gateway));
  ledger.set("node b", compileRemoteNode(pipeline, remote, { ofport: 200 }));
  for (const port of [5, 6].map(pod)) ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
  await ovs.program(ledger);
});
after(() => ovs?.stop());

const message = (inPort: number, from: string, fromMac: string, toMac: string, rest: string): string =>
  `in_port=${inPort},icmp6,dl_src=${fromMac},dl_dst=${toMac},ipv6_src=${from},ipv6_dst=fd00:10::99,nw_ttl=255,${rest}`;
const solicited = "33:33:ff:00:00:01";
const asks = (target: string, sender: string): string => `icmpv6_type=135,nd_target=${target},nd_sll=${sender}`;
const answers = (target: string, owner: string): string => `icmpv6_type=136,nd_target=${target},nd_tll=${owner}`;

for (const [title, packet, port] of [
  ["a pod's question for the gateway reaches it", message(5, "fd00:10::5", mac(5), solicited, asks("fd00:10::1", mac(5))), "100"],
  ["one for a pod reaches that pod alone", message(5, "fd00:10::5", mac(5), solicited, asks("fd00:10::6", mac(5))), "6"],
  ["the host's question reaches the pod", message(100, "fe80::1", "aa:bb:cc:dd:ee:fe", solicited, asks("fd00:10::5", gatewayMac)), "5"],
  ["the gateway's answer comes back", message(100, "fd00:10::1", gatewayMac, mac(5), answers("fd00:10::1", gatewayMac)), "5"],
  ["a pod's answer comes back", message(6, "fd00:10::6", mac(6), mac(5), answers("fd00:10::6", mac(6))), "5"],
  ["without its link-layer address, too", message(6, "fd00:10::6", mac(6), mac(5), "icmpv6_type=136,nd_target=fd00:10::6"), "5"],
  ["its answer to the host comes back", message(6, "fd00:10::6", mac(6), gatewayMac, answers("fd00:10::6", mac(6))), "100"],
  ["its announcement reaches the host", message(6, "fd00:10::6", mac(6), "33:33:00:00:00:01", answers("fd00:10::6", mac(6))), "100"],
  ["nobody answers for another", message(6, "fd00:10::6", mac(6), mac(5), answers("fd00:10::1", mac(6))), ""],
  ["nobody answers with another's address", message(6, "fd00:10::6", mac(6), mac(5), answers("fd00:10::6", mac(5))), ""],
  ["nobody asks as another", message(6, "fd00:10::5", mac(6), solicited, asks("fd00:10::1", mac(6))), ""],
  ["no router speaks from a pod", message(5, "fd00:10::5", mac(5), mac(6), "icmpv6_type=134"), ""],
  ["nothing comes from a tunnel", message(200, "fd00:10:0:1::5", mac(5), solicited, asks("fd00:10::6", mac(5))), ""],
] as const)
  test(title, async () => {
    const trace = await ovs.trace(packet, []);
    assert.equal(trace.port ?? "", port, trace.text);
  });
