import { compareGroups, type Difference } from "#agent/flows/compare.ts";
import { gatewayOfport, tunnelOfport } from "#agent/ovs/bridge.ts";
import { readSnapshot } from "#agent/policies/snapshot.ts";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import { createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import { createPolicyObjects, type PolicyChanges, type PolicyObjectKinds } from "#core/policy/index.ts";
import { learnedTables, createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { gatewayAddress } from "#agent/cni/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { keyOf } from "#lib/kube/index.ts";
import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { formatGroup } from "#lib/openflow/group-text.ts";
import { type Frontend, resolveService } from "#core/services/index.ts";
import { serviceOfSlice } from "#agent/services/follow.ts";
import { enginesKinds, type WorldHistory } from "./history.ts";
import { type SimNode, snapshotFile } from "./node/node.ts";

/** What every node should be told, computed from the objects at once. */
export function computeFromScratch(history: WorldHistory): PolicyChanges {
  const objects = createPolicyObjects();
  for (const { name, priority } of builtInTiers) objects.apply("Tier", name, { metadata: { name, uid: name }, spec: { priority } });
  for (const kind of enginesKinds)
    for (const [key, object] of history.present[kind]) objects.apply(kind, key, object as PolicyObjectKinds[typeof kind]);
  return objects.flush();
}

/** What is other in a node's switch than a computation from nothing gives; only the numbers that the agent gave away are taken from its snapshot. */
export async function differences({
  node,
  nodes,
  changes,
  history,
}: {
  readonly node: SimNode;
  readonly nodes: readonly SimNode[];
  readonly changes: PolicyChanges;
  readonly history: WorldHistory;
}): Promise<readonly string[]> {
  const snapshot = await readSnapshot(snapshotFile, node.disk.files).catch(() => undefined);
  const pipeline = createPipeline({ datapath: "system" });
  const compiled = createCompiledNode({
    pipeline,
    name: node.name,
    gateway: { ofport: gatewayOfport, mac: node.gatewayMac, addresses: node.podCIDRs.map(gatewayAddress), answersAll: false },
    tunnel: { ofport: tunnelOfport },
    remotes: nodes.filter((other) => other !== node).map(rowOf),
    remembered: snapshot?.allocations,
    metered: true,
  });
  compiled.setPorts(portsOf(node));
  compiled.setServices(frontendsOf(node, history));
  compiled.deliver(changes);
  compiled.compile();
  const learned = new Set(pipeline.tables.filter(({ name }) => learnedTables.includes(name)).map(({ number }) => number));
  const present = node.bridge.entries().map(({ flow }) => flow);
  const found = compareShared(
    compiled.ledger,
    present.filter(({ table }) => !learned.has(table)),
  );
  const groups = compareGroups(compiled.groups, node.bridge.memory.dumpGroups());
  return [
    ...found.map(({ finding, item }) => `${node.name}: ${finding}: ${formatFlow(item)}`),
    ...groups.map(({ finding, item }) => `${node.name}: ${finding}: ${formatGroup(item)}`),
  ];
}

/** As the agent compares, but for what many nodes have alike: the key of a flow object is made once, and two that were found equal are not compared again. */
function compareShared(ledger: FlowLedger, present: readonly Flow[]): Difference<Flow>[] {
  const found = new Set<string>();
  const differences: Difference<Flow>[] = [];
  for (const flow of present) {
    const key = keys.get(flow) ?? flowKey(flow);
    keys.set(flow, key);
    const wanted = ledger.get(key);
    if (wanted === undefined) {
      differences.push({ finding: "unknown", item: flow });
      continue;
    }
    found.add(key);
    if (equals.get(wanted) === flow) continue;
    if (sameContent(flow, wanted)) equals.set(wanted, flow);
    else differences.push({ finding: "changed", item: wanted });
  }
  if (found.size < ledger.size)
    for (const [key, flow] of ledger.flows()) if (!found.has(key)) differences.push({ finding: "missing", item: flow });
  return differences;
}

/** Flows never change. */
const keys = new WeakMap<Flow, string>();
const equals = new WeakMap<Flow, Flow>();

/** The same row for all others: what follows from it is made once. */
const rows = new WeakMap<SimNode, RemoteNode>();
function rowOf(node: SimNode): RemoteNode {
  const { name, podCIDRs, addresses } = node;
  const row = rows.get(node) ?? { name, podCIDRs, transportAddresses: addresses };
  rows.set(node, row);
  return row;
}

function frontendsOf({ name }: SimNode, { present }: WorldHistory): Map<string, readonly Frontend[]> {
  const slices = Map.groupBy(present.EndpointSlice.values(), (slice) => serviceOfSlice(slice)[0]);
  const all = [...present.Service.values()].map(
    (service) => [keyOf(service), resolveService(service, slices.get(keyOf(service)) ?? [], { node: name }).frontends] as const,
  );
  return new Map(all.filter(([, frontends]) => frontends.length > 0));
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
