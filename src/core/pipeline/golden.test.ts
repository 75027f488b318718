import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nothing } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { compileAnnouncements, compileArpAnswer, compileArpAnswerToAll } from "./arp-responder/compile.ts";
import {
  compileGatewayClassification,
  compileMulticastEnd,
  compilePodClassification,
  compileRoot,
  compileTunnelClassification,
} from "./classification/compile.ts";
import { compileCommit, compileConntrack } from "./conntrack/compile.ts";
import { createFlowLedger } from "./flow-ledger.ts";
import { compileGatewayForwarding, compileOutput, compilePodForwarding, compileRemoteForwarding } from "./forwarding/compile.ts";
import { compileNdAnswer, compileNdAnswerToAll, compileNdReply } from "./nd-responder/compile.ts";
import { compilePolicyGates } from "./policy/gates.ts";
import { createPolicyCompiler } from "./policy/index.ts";
import { describeRegisters } from "./register-allocation.ts";
import { registers } from "./registers.ts";
import { compileSctp } from "./sctp/compile.ts";
import { compileGatewayGuard, compileSpoofGuard } from "./spoof-guard/compile.ts";
import { createPipeline } from "./tables.ts";

const pipeline = createPipeline();
const gateway = { ofport: 32_769, mac: parseMac("0e:00:00:00:00:01"), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) };
const tunnel = { ofport: 32_768 };
const port = {
  interfaceName: "web-1a2b3c",
  ofport: 5,
  mac: parseMac("0a:00:00:00:00:05"),
  addresses: ["10.10.0.5", "fd00:10::5"].map(parseAddress),
  podNamespace: "shop",
  podName: "web",
  containerId: "c",
};
const remote = { name: "b", podCIDRs: ["10.10.1.0/24", "fd00:10:0:1::/64"].map(parsePrefix) };
const gatewayAnswers = { mac: gateway.mac, owner: gateway.ofport };

/** Compares with the file beside the feature; UPDATE_GOLDEN=1 writes it instead. */
function golden(feature: string, text: string): void {
  test(`${feature}: the flows are as reviewed`, () => {
    const file = join(import.meta.dirname, feature, "flows.golden");
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, "utf8"));
  });
}

const printed = (flows: readonly Flow[]): string =>
  flows.map((flow) => `${formatFlow(flow, { tableName: (table) => pipeline.nameOf(table) })}\n`).join("");

golden(
  "classification",
  printed([
    ...compileRoot(pipeline),
    ...compileMulticastEnd(pipeline),
    ...compileGatewayClassification(pipeline, gateway),
    ...compileTunnelClassification(pipeline, tunnel),
    ...compilePodClassification(pipeline, port),
  ]),
);
golden("spoof-guard", printed([...compileSpoofGuard(pipeline, port), ...compileGatewayGuard(pipeline, gateway)]));
golden(
  "arp-responder",
  printed([
    compileArpAnswer(pipeline, { address: parseAddress("10.10.0.1"), ...gatewayAnswers }),
    ...compileAnnouncements(pipeline, gateway),
    ...compileArpAnswerToAll(pipeline, gateway),
  ]),
);
golden(
  "nd-responder",
  printed([
    compileNdAnswer(pipeline, { address: parseAddress("fd00:10::1"), ...gatewayAnswers }),
    ...compileNdAnswerToAll(pipeline, gateway),
    compileNdReply(pipeline),
  ]),
);
golden("sctp", printed(compileSctp(pipeline)));
golden("conntrack", printed([...compileConntrack(pipeline), ...compileCommit(pipeline)]));
golden(
  "forwarding",
  printed([
    ...compilePodForwarding(pipeline, port),
    ...compileGatewayForwarding(pipeline, gateway),
    ...compileRemoteForwarding(pipeline, { ...remote, transportAddresses: [parseAddress("172.16.0.2")] }, tunnel),
    ...compileRemoteForwarding(pipeline, { ...remote, transportAddresses: [parseAddress("fd99::2")] }, tunnel),
    ...compileRemoteForwarding(pipeline, { ...remote, transportAddresses: [] }, tunnel),
    compileOutput(pipeline),
  ]),
);
golden("policy", `${printed(compilePolicyGates(pipeline))}${printed(policyFlows())}`);

function policyFlows(): Flow[] {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  const peers = { addressGroups: ["db"], ipBlocks: [{ cidr: parsePrefix("10.1.0.0/16"), except: [parsePrefix("10.1.2.0/24")] }] };
  const common = { priority: -1, action: "Allow", enableLogging: false, appliedToGroups: [], l7Protocols: [] } as const;
  compiler.setPort(port);
  compiler.setAppliedToGroup({ name: "web", uid: "web", members: [{ pod: { namespace: "shop", name: "web" }, ips: [], ports: [] }] });
  const member = { pod: { namespace: "shop", name: "db" }, ips: ["10.10.1.7", "fd00:10:0:1::7"].map(parseAddress), ports: [] };
  compiler.setAddressGroup({ name: "db", uid: "db", members: [member] });
  compiler.setPolicy({
    name: "uid-1",
    uid: "uid-1",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "web", uid: "uid-1" },
    appliedToGroups: ["web"],
    rules: [
      { ...common, direction: "In", peer: { ...nothing, ...peers }, services: [{ protocol: "TCP", port: 8_080, endPort: 8_083 }] },
      { ...common, direction: "Out", peer: { ...nothing, ipBlocks: [{ cidr: parsePrefix("192.0.2.1/32"), except: [] }] }, services: [] },
    ],
  });
  const ordered = (priority: number, action: "Drop" | "Reject" | "Pass") => ({ ...common, direction: "In" as const, priority, action });
  compiler.setPolicy({
    name: "uid-2",
    uid: "uid-2",
    generation: 1,
    sourceRef: { type: "AntreaClusterNetworkPolicy", name: "web", uid: "uid-2" },
    appliedToGroups: ["web"],
    tierPriority: 250,
    priority: 5.5,
    rules: [
      {
        ...ordered(0, "Pass"),
        peer: { ...nothing, addressGroups: ["db"] },
        services: [{ protocol: "UDP", port: 53, srcPort: 1_024, srcEndPort: 2_047 }],
      },
      { ...ordered(1, "Reject"), peer: { ...nothing, addressGroups: ["db"] }, services: [{ protocol: "ICMP", icmpType: 8 }] },
      { ...ordered(2, "Drop"), peer: { ...nothing, ipBlocks: [{ cidr: parsePrefix("0.0.0.0/0"), except: [] }] }, services: [] },
    ],
  });
  compiler.compile();
  return [...ledger.flows()]
    .sort(([oneKey, one], [otherKey, other]) => one.table - other.table || other.priority - one.priority || (oneKey < otherKey ? -1 : 1))
    .map(([, flow]) => flow);
}

test("the registers in the docs are those of the code", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/design/pipeline.md"), "utf8");
  assert.ok(page.includes(describeRegisters(registers)), describeRegisters(registers));
});

test("every table of the docs is in the code, in this order", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/design/pipeline.md"), "utf8");
  const named = [...page.matchAll(/^\| (\d+) \| (\w+) \|/gm)].map(([, number, name]) => `${number} ${name}`);
  assert.deepEqual(
    named,
    pipeline.tables.map(({ number, name }) => `${number} ${name}`),
  );
});
