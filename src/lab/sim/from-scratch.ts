import { compareGroups, type Difference } from "#agent/flows/compare.ts";
import { gatewayOfport, tunnelOfport } from "#agent/ovs/bridge.ts";
import { readSnapshot } from "#agent/policies/snapshot.ts";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import { createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import { createPolicyObjects, type PolicyChanges, type PolicyObjectKinds } from "#core/policy/index.ts";
import {
  type Bank,
  compileRemoteNode,
  createPipeline,
  learnedTables,
  type LocalPort,
  type Pipeline,
  readLayout,
} from "#core/pipeline/index.ts";
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
function computeFromScratch(history: WorldHistory): PolicyChanges {
  const objects = createPolicyObjects();
  for (const { name, priority } of builtInTiers) objects.apply("Tier", name, { metadata: { name, uid: name }, spec: { priority } });
  for (const kind of enginesKinds)
    for (const [key, object] of history.present[kind]) objects.apply(kind, key, object as PolicyObjectKinds[typeof kind]);
  return objects.flush();
}

/** Compares nodes with a computation from nothing. What all nodes have alike, the ways to the others, is computed once. */
export function compareWithScratch({ nodes, history }: { readonly nodes: readonly SimNode[]; readonly history: WorldHistory }): {
  /** What is other in the node's switch; only the numbers that the agent gave away are taken from its snapshot. */
  differences(node: SimNode): Promise<readonly string[]>;
} {
  const changes = computeFromScratch(history);
  const ofBanks = new Map<Bank, ReturnType<typeof ofBank>>();
  const ofBank = (bank: Bank) => {
    const pipeline = createPipeline({ datapath: "system", bank });
    const learned = new Set(pipeline.tables.filter(({ name }) => learnedTables.includes(name)).map(({ number }) => number));
    const made = { pipeline, learned, ways: waysTo(nodes, pipeline) };
    ofBanks.set(bank, made);
    return made;
  };
  return {
    async differences(node) {
      const entries = node.bridge.entries().map(({ flow }) => flow);
      const bank = readLayout(entries)?.bank ?? 0;
      const { pipeline, learned, ways } = ofBanks.get(bank) ?? ofBank(bank);
      const snapshot = await readSnapshot(snapshotFile, node.disk.files).catch(() => undefined);
      const compiled = createCompiledNode({
        pipeline,
        name: node.name,
        gateway: { ofport: gatewayOfport, mac: node.gatewayMac, addresses: node.podCIDRs.map(gatewayAddress), answersAll: false },
        tunnel,
        remembered: snapshot?.allocations,
        metered: true,
      });
      compiled.setPorts(portsOf(node));
      compiled.setServices(frontendsOf(node, history));
      compiled.deliver(changes);
      compiled.compile();
      const present = entries.filter(({ table }) => !learned.has(table));
      const found = compareFlows(present, { node, ledger: compiled.ledger, ways });
      const groups = compareGroups(compiled.groups, node.bridge.memory.dumpGroups());
      return [
        ...found.map(({ finding, item }) => `${node.name}: ${finding}: ${formatFlow(item)}`),
        ...groups.map(({ finding, item }) => `${node.name}: ${finding}: ${formatGroup(item)}`),
      ];
    },
  };
}

const tunnel = { ofport: tunnelOfport };

/** What every other node has for the way to one, by the flows' keys, which no two nodes have in common. */
interface Ways {
  readonly flows: ReadonlyMap<string, { readonly to: SimNode; readonly flow: Flow }>;
  readonly sizes: ReadonlyMap<SimNode, number>;
  /** Flow objects that were found to be right for the way to a node, in these tables: flows never change. */
  readonly right: WeakMap<Flow, SimNode>;
}

function waysTo(nodes: readonly SimNode[], pipeline: Pipeline): Ways {
  const flows = new Map<string, { readonly to: SimNode; readonly flow: Flow }>();
  const sizes = new Map<SimNode, number>();
  for (const to of nodes) {
    const { name, podCIDRs, addresses } = to;
    const compiled = compileRemoteNode(pipeline, { name, podCIDRs, transportAddresses: addresses }, tunnel);
    sizes.set(to, compiled.length);
    for (const flow of compiled) flows.set(flowKey(flow), { to, flow });
  }
  return { flows, sizes, right: new WeakMap() };
}

/** As the agent compares, but that a flow object which was found to be right for the way to a node is not looked at again: nearly all flows of a large cluster are, on each node. */
function compareFlows(
  present: readonly Flow[],
  { node, ledger, ways }: { readonly node: SimNode; readonly ledger: FlowLedger; readonly ways: Ways },
): Difference<Flow>[] {
  const differences: Difference<Flow>[] = [];
  const found = new Set<string>();
  let foundWays = 0;
  for (const flow of present) {
    const to = ways.right.get(flow);
    if (to !== undefined && to !== node) {
      foundWays++;
      continue;
    }
    const key = flowKey(flow);
    const way = ways.flows.get(key);
    const isWay = way !== undefined && way.to !== node;
    const wanted = isWay ? way.flow : ledger.get(key);
    if (wanted === undefined) {
      differences.push({ finding: "unknown", item: flow });
      continue;
    }
    if (isWay) foundWays++;
    else found.add(key);
    if (!sameContent(flow, wanted)) differences.push({ finding: "changed", item: wanted });
    else if (isWay) ways.right.set(flow, way.to);
  }
  if (found.size < ledger.size)
    for (const [key, flow] of ledger.flows()) if (!found.has(key)) differences.push({ finding: "missing", item: flow });
  if (foundWays < ways.flows.size - (ways.sizes.get(node) ?? 0)) {
    const keys = new Set(present.map(flowKey));
    for (const [key, { to, flow }] of ways.flows) if (to !== node && !keys.has(key)) differences.push({ finding: "missing", item: flow });
  }
  return differences;
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
