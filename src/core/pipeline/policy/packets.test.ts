import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type IpBlock, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { compileGateway, compileLocalPort, compileSkeleton } from "../compile.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline } from "../tables.ts";
import { startTracedSwitch, type TracedSwitch } from "../testing/traced-switch.ts";
import { createPolicyCompiler } from "./index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { rule as ruleOf } from "./testing/rule.ts";

const pipeline = createPipeline({ datapath: testDatapath });
const gatewayMac = "0e:00:00:00:00:01";
const web: LocalPort = {
  interfaceName: "web",
  ofport: 5,
  mac: parseMac("0a:00:00:00:00:05"),
  addresses: ["10.10.0.5", "fd00:10::5"].map(parseAddress),
  podNamespace: "shop",
  podName: "web",
  containerId: "c",
};
const block = (cidr: string, ...except: string[]): IpBlock => ({ cidr: parsePrefix(cidr), except: except.map(parsePrefix) });
const rule = (direction: "In" | "Out", parts: Partial<PolicyRule>): PolicyRule => ruleOf({ direction, ...parts });
const member = (name: string, number: number, ...ips: string[]) => ({
  pod: { namespace: "shop", name },
  ips: ips.map(parseAddress),
  ports: [{ name: "http", port: number, protocol: "TCP" as const }],
});

let ovs: TracedSwitch;
before(async () => {
  ovs = await startTracedSwitch({ ports: [5, 100] });
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set(
    "gateway",
    compileGateway(pipeline, { ofport: 100, mac: parseMac(gatewayMac), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) }),
  );
  ledger.set("web", compileLocalPort(pipeline, web));
  compiler.setPort(web);
  compiler.setAppliedToGroup({ name: "web", uid: "web", members: [{ ...member("web", 8_080), ips: [] }] });
  compiler.setAddressGroup({
    name: "db",
    uid: "db",
    members: [member("a", 80, "10.20.0.1", "fd00:20::1"), member("b", 8_000, "10.20.0.2")],
  });
  compiler.setPolicy({
    name: "n",
    uid: "n",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "n", uid: "n" },
    appliedToGroups: ["web"],
    rules: [
      rule("In", {
        peer: { ...nothing, ipBlocks: [block("10.0.0.0/8", "10.1.0.0/16"), block("10.1.2.0/24", "10.1.2.128/25"), block("2001:db8::/32")] },
        services: [{ protocol: "TCP", port: 1_000, endPort: 1_999 }],
      }),
      rule("In", { peer: { ...nothing, ipBlocks: [block("0.0.0.0/0"), block("::/0")] }, services: [{ protocol: "TCP", port: "http" }] }),
      rule("In", { peer: { ...nothing, ipBlocks: [block("192.0.2.0/24")] } }),
      rule("Out", { peer: { ...nothing, addressGroups: ["db"] }, services: [{ protocol: "TCP", port: "http" }, { protocol: "UDP" }] }),
      rule("Out", { peer: { ...nothing, ipBlocks: [block("0.0.0.0/0")] }, services: [{ protocol: "SCTP", port: 9_003 }] }),
    ],
  });
  compiler.compile();
  await ovs.program(ledger);
});
after(() => ovs?.stop());

type Row = readonly [peer: string, protocol: "tcp" | "udp" | "sctp" | "icmp", port: number, verdict: "allow" | "drop"];

function packets(title: string, direction: "In" | "Out", rows: readonly Row[]): void {
  test(title, async () => {
    for (const [peer, protocol, port, verdict] of rows) {
      const v6 = peer.includes(":");
      const own = v6 ? "fd00:10::5" : "10.10.0.5";
      const [source, destination] = direction === "In" ? [peer, own] : [own, peer];
      const ends =
        direction === "In" ? `in_port=100,dl_src=${gatewayMac},dl_dst=${web.mac}` : `in_port=5,dl_src=${web.mac},dl_dst=${gatewayMac}`;
      const addresses = v6 ? `ipv6_src=${source},ipv6_dst=${destination}` : `nw_src=${source},nw_dst=${destination}`;
      const layer4 = protocol === "icmp" ? (v6 ? "icmp6,icmpv6_type=128" : "icmp,icmp_type=8") : `${protocol}${v6 ? "6" : ""}`;
      const ports = protocol === "icmp" ? "" : `,${protocol}_src=40000,${protocol}_dst=${port}`;
      const trace = await ovs.trace(`${layer4},${ends},${addresses},nw_ttl=64${ports}`);
      assert.equal(trace.port === undefined ? "drop" : "allow", verdict, `${peer} ${protocol} ${port}\n${trace.text}`);
    }
  });
}

packets("blocks: excepts take from their own block only, ranges are exact, families apart", "In", [
  ["10.9.9.9", "tcp", 1_000, "allow"],
  ["10.9.9.9", "tcp", 1_999, "allow"],
  ["10.9.9.9", "tcp", 999, "drop"],
  ["10.9.9.9", "tcp", 2_000, "drop"],
  ["10.9.9.9", "udp", 1_000, "drop"],
  ["10.1.1.1", "tcp", 1_500, "drop"],
  ["10.1.2.1", "tcp", 1_500, "allow"],
  ["10.1.2.200", "tcp", 1_500, "drop"],
  ["11.0.0.1", "tcp", 1_500, "drop"],
  ["2001:db8::1", "tcp", 1_500, "allow"],
  ["2001:db9::1", "tcp", 1_500, "drop"],
]);

packets("any source by a named port of the pod's own; a block that stands in its rule, for every protocol", "In", [
  ["198.51.100.1", "tcp", 8_080, "allow"],
  ["2001:db9::1", "tcp", 8_080, "allow"],
  ["198.51.100.1", "udp", 8_080, "drop"],
  ["192.0.2.7", "icmp", 0, "allow"],
  ["192.0.2.7", "udp", 53, "allow"],
  ["198.51.100.1", "icmp", 0, "drop"],
  ["2001:db9::1", "icmp", 0, "drop"],
]);

packets("egress: each peer by its own number of a named port, all of a protocol, a family alone", "Out", [
  ["10.20.0.1", "tcp", 80, "allow"],
  ["fd00:20::1", "tcp", 80, "allow"],
  ["10.20.0.1", "tcp", 8_000, "drop"],
  ["10.20.0.2", "tcp", 8_000, "allow"],
  ["10.20.0.2", "tcp", 80, "drop"],
  ["10.20.0.2", "udp", 53, "allow"],
  ["198.51.100.1", "udp", 53, "drop"],
  ["198.51.100.1", "sctp", 9_003, "allow"],
  ["198.51.100.1", "sctp", 9_004, "drop"],
  ["2001:db8::1", "sctp", 9_003, "drop"],
]);
