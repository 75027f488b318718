import type { NetworkPolicy, PolicyRule } from "#core/api/controlplane/index.ts";
import { nothing } from "#core/api/controlplane/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger } from "#core/pipeline/group-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  type LocalPort,
} from "#core/pipeline/index.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import { createServiceCompiler, createServiceNumbers } from "#core/pipeline/service/index.ts";
import { type IpAddress, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import type { Random } from "#lib/runtime/index.ts";
import type { BundledChange } from "../../connection.ts";
import type { Host } from "./world.ts";

export const gatewayPort = 6;
export const tunnelPort = 7;

/** Our own pipeline for pods behind ports 1 to 5, the host behind 6 and other nodes behind 7, with random policies and some Services. */
export function pipelineChanges(random: Random, everyone: readonly Host[]): BundledChange[] {
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const groups = createGroupLedger();
  const numbers = createServiceNumbers();
  const policies = createPolicyCompiler({ pipeline, ledger, services: numbers });
  const services = createServiceCompiler({ pipeline, flows: ledger, groups, numbers });
  const gatewayHost = everyone.find(({ port }) => port === gatewayPort);
  if (gatewayHost === undefined) throw new Error("nobody is behind the gateway's port");
  const tunnel = { ofport: tunnelPort };
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, { ofport: gatewayPort, mac: gatewayHost.mac, addresses: gatewayHost.addresses }));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  const remote = {
    name: "b",
    podCIDRs: ["10.10.1.0/24", "fd00:10:0:1::/64"].map(parsePrefix),
    transportAddresses: [parseAddress("172.16.0.2")],
  };
  ledger.set("node b", compileRemoteNode(pipeline, remote, tunnel));
  const pods = everyone.filter(({ port }) => port < gatewayPort).map(podOf);
  for (const pod of pods) {
    ledger.set(pod.interfaceName, compileLocalPort(pipeline, pod));
    policies.setPort(pod);
  }
  for (const pod of pods)
    policies.setAppliedToGroup({
      name: pod.podName,
      uid: pod.podName,
      members: [{ pod: { namespace: "shop", name: pod.podName }, ips: [], ports: [] }],
    });
  for (const name of ["one", "two", "three"])
    policies.setAddressGroup({
      name,
      uid: name,
      members: pods
        .filter(() => random.below(2) === 0)
        .map((pod) => ({ pod: { namespace: "shop", name: pod.podName }, ips: [...pod.addresses], ports: [] })),
    });
  for (let index = 0; index < 4; index++) policies.setPolicy(randomPolicy(random, index));
  policies.compile();
  for (const [index, address] of serviceAddresses.entries()) {
    const chosen = index % 2 === 0 ? [3, 4] : [random.below(5)];
    const endpoints = chosen.flatMap((place) => pods[place]?.addresses.filter(({ family }) => family === address.family) ?? []);
    for (const protocol of ["TCP", "UDP", "SCTP"] as const)
      services.set(`shop/service-${index}-${protocol}`, [
        {
          portName: `shop/service-${index}`,
          address,
          protocol,
          port: 80,
          // Which endpoint a packet taught that policy then dropped cannot be seen from outside.
          endpoints: (protocol === "SCTP" ? endpoints.slice(0, 1) : endpoints).map((each) => ({ address: each, port: 8_080 })),
          ...(index === 1 ? { affinitySeconds: 100 } : {}),
          whenEmpty: "drop",
        },
      ]);
  }
  return [
    ...[...groups.groups()].map((group) => ({ command: "add", group }) as const),
    ...[...ledger.flows()].map(([, flow]) => ({ command: "add", flow }) as const),
  ];
}

const serviceAddresses: readonly IpAddress[] = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "fd96::1", "fd96::2"].map(parseAddress);
/** Where traffic goes beside the hosts. */
export const pipelineDestinations: readonly IpAddress[] = [
  ...serviceAddresses,
  ...["10.10.1.7", "fd00:10:0:1::7", "203.0.113.5"].map(parseAddress),
];

const podOf = ({ port, mac, addresses }: Host): LocalPort => ({
  interfaceName: `pod${port}`,
  ofport: port,
  mac,
  addresses: [...addresses],
  podNamespace: "shop",
  podName: `pod${port}`,
  containerId: `c${port}`,
});

function randomPolicy(random: Random, index: number): NetworkPolicy {
  const name = `policy-${index}`;
  return {
    name,
    uid: name,
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
    appliedToGroups: [`pod${1 + random.below(5)}`],
    rules: Array.from({ length: 1 + random.below(3) }, () => randomRule(random)),
  };
}

function randomRule(random: Random): PolicyRule {
  const chance = (percent: number): boolean => random.below(100) < percent;
  const services = [
    ...(chance(60) ? [{ protocol: "TCP" as const, port: 80, ...(chance(50) ? { endPort: 90 } : {}) }] : []),
    ...(chance(40) ? [{ protocol: "UDP" as const, port: 443 }] : []),
    ...(chance(20) ? [{ protocol: "SCTP" as const }] : []),
  ];
  return {
    priority: -1,
    action: "Allow",
    enableLogging: false,
    appliedToGroups: [],
    l7Protocols: [],
    direction: chance(60) ? "In" : "Out",
    peer: {
      ...nothing,
      addressGroups: ["one", "two", "three"].filter(() => chance(40)),
      ipBlocks: chance(40) ? [{ cidr: parsePrefix("10.10.0.0/29"), except: [parsePrefix(`10.10.0.${random.below(4) * 2}/31`)] }] : [],
    },
    services,
  };
}
