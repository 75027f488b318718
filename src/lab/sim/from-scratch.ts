import { compareFlows } from "#agent/flows/compare.ts";
import { gatewayMac, gatewayOfport, tunnelOfport } from "#agent/ovs/bridge.ts";
import { readSnapshot } from "#agent/policies/snapshot.ts";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import { createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import { createPolicyObjects, type PolicyChanges } from "#core/policy/index.ts";
import { learnedTables, createPipeline, type LocalPort } from "#core/pipeline/index.ts";
import { gatewayAddress } from "#agent/cni/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { WorldHistory } from "./history.ts";
import { type SimNode, snapshotFile } from "./node/node.ts";

/** What every node should be told, computed from the objects at once. */
export function computeFromScratch(history: WorldHistory): PolicyChanges {
  const objects = createPolicyObjects();
  for (const [key, namespace] of history.namespaces) objects.apply("Namespace", key, namespace);
  for (const [key, pod] of history.pods) objects.apply("Pod", key, pod);
  for (const [key, policy] of history.policies) objects.apply("K8sNetworkPolicy", key, policy);
  for (const { name, priority } of builtInTiers) objects.apply("Tier", name, { metadata: { name, uid: name }, spec: { priority } });
  for (const [key, policy] of history.clusterPolicies) objects.apply("AntreaClusterNetworkPolicy", key, policy);
  return objects.flush();
}

/** What is other in a node's switch than a computation from nothing gives; only the numbers that the agent gave away are taken from its snapshot. */
export async function differences({
  node,
  nodes,
  changes,
}: {
  readonly node: SimNode;
  readonly nodes: readonly SimNode[];
  readonly changes: PolicyChanges;
}): Promise<readonly string[]> {
  const snapshot = await readSnapshot(snapshotFile, node.disk.files).catch(() => undefined);
  const pipeline = createPipeline({ datapath: "system" });
  const compiled = createCompiledNode({
    pipeline,
    name: node.name,
    gateway: { ofport: gatewayOfport, mac: gatewayMac(node.name), addresses: node.podCIDRs.map(gatewayAddress), answersAll: false },
    tunnel: { ofport: tunnelOfport },
    remotes: nodes
      .filter((other) => other !== node)
      .map(({ name, podCIDRs, addresses }) => ({ name, podCIDRs, transportAddresses: addresses })),
    remembered: snapshot?.allocations,
  });
  compiled.setPorts(portsOf(node));
  compiled.deliver(changes);
  compiled.compile();
  const learned = new Set(pipeline.tables.filter(({ name }) => learnedTables.includes(name)).map(({ number }) => number));
  const present = node.bridge.memory.dumpFlows().filter(({ table }) => !learned.has(table));
  const found = await compareFlows({ ledger: compiled.ledger, present });
  return found.map(({ finding, item }) => `${node.name}: ${finding}: ${formatFlow(item)}`);
}

function portsOf({ bridge: { database, portNumber } }: SimNode): LocalPort[] {
  return [...database.rows("Port")].flatMap((row): LocalPort[] => {
    const ids = row.external_ids as ReadonlyMap<string, string>;
    const ofport = portNumber(String(row.name));
    if (ids.get("antrea-type") !== "container" || ofport === undefined) return [];
    return [
      {
        interfaceName: String(row.name),
        ofport,
        mac: parseMac(ids.get("attached-mac") ?? ""),
        addresses: (ids.get("ip-address") ?? "").split(",").map(parseAddress),
        podNamespace: ids.get("pod-namespace") ?? "",
        podName: ids.get("pod-name") ?? "",
        containerId: ids.get("container-id") ?? "",
      },
    ];
  });
}
