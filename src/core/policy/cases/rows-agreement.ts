import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import type { KubeObject, Pod } from "#lib/kube/index.ts";
import { seededRandom } from "#lib/runtime/index.ts";
import { createPolicyObjects, type PolicyObjectKind, type PolicyObjects } from "../policy-objects.ts";
import { createAgentMirror } from "../testing/agent-mirror.ts";
import { type NodeState, type SeenPacket, verdictOf } from "../testing/node-verdict.ts";
import { insistOnTold } from "../testing/told-on-node.ts";
import { podCidrs } from "./arithmetic-place.ts";
import { enforcerNames, randomOthers } from "./random-policies.ts";
import { type Chooser, chooser, nextWorld, randomWorld } from "./random-world.ts";
import { type Endpoint, endpointAt, enforcerName, isExternal } from "./reading.ts";
import { type FirstPacket, type Judgement, judge, type World } from "./reference.ts";

export interface RowsAgreement {
  readonly packets: number;
  readonly allowed: number;
  /** The first packet that the rows judge otherwise than the text. */
  readonly disagreement?: string;
}

const nodes = ["node-1", "node-2"] as const;
const states = 3;
const outside = { 4: parseAddress("192.0.2.77"), 6: parseAddress("2001:db8::77") } as const;

/** One state of a random cluster: what its nodes hold, and packets with what the text says of them. */
interface RowCase {
  /** The number alone brings a failing cluster back. */
  readonly title: string;
  readonly world: World;
  readonly held: ReadonlyMap<string, NodeState>;
  readonly samples: readonly {
    readonly packet: FirstPacket;
    readonly judgement: Judgement;
    /** Who has to let it pass. */
    readonly asked: readonly Asked[];
  }[];
}

/** A node, or what enforces policies for an ExternalEntity, and what it sees of a packet. */
interface Asked {
  readonly by: string;
  readonly seen: SeenPacket;
}

interface RowCasesOptions {
  readonly seed: number;
  readonly worlds: number;
  readonly packetsPerState: number;
}

/** Objects of every kind in random clusters, changed several times in random order: the rows that each node then holds, and random packets judged by the slow reading of the sheet. */
export function* rowCases({ seed, worlds, packetsPerState }: RowCasesOptions): Generator<RowCase> {
  for (let number = 0; number < worlds; number++) {
    const choose = chooser(seededRandom(seed + number));
    const objects = createPolicyObjects();
    const mirrors = new Map([...nodes, ...enforcerNames].map((name) => [name as string, createAgentMirror(name)]));
    const known = new Map<string, KubeObject>();
    let world = withAccounts(choose, { ...randomWorld(choose), ...randomOthers(choose) });
    for (let state = 0; state < states; state++) {
      if (state > 0)
        world = { ...world, ...withAccounts(choose, nextWorld(choose, world)), ...(choose.maybe(0.6) ? randomOthers(choose) : {}) };
      become(choose, objects, known, world);
      const changes = objects.flush();
      for (const [name, mirror] of mirrors) {
        mirror.apply(changes);
        insistOnTold(objects.engine, name, mirror);
      }
      const packets = Array.from({ length: packetsPerState }, () => randomPacket(choose, world)).filter((packet) => packet !== undefined);
      yield {
        title: `seed ${seed + number}, state ${state}`,
        world,
        held: new Map([...mirrors].map(([name, mirror]) => [name, heldNow(mirror)])),
        samples: packets.map((packet) => ({ packet, judgement: judge(world, packet), asked: askedFor(world, packet) })),
      };
    }
  }
}

/** What is held at this moment: members come and go in the mirror itself. */
const heldNow = ({ policies, addressGroups, appliedToGroups }: NodeState): NodeState => ({
  policies: new Map(policies),
  addressGroups: new Map([...addressGroups].map(([name, members]) => [name, new Map(members)])),
  appliedToGroups: new Map([...appliedToGroups].map(([name, members]) => [name, new Map(members)])),
});

/** Do the rows say what the text says? `mutate` changes what nodes hold, as an engine with a mistake would. Ends at the first disagreement. */
export function rowsAgreement(cases: Iterable<RowCase>, mutate: (state: NodeState) => NodeState = (state) => state): RowsAgreement {
  let packets = 0;
  let allowed = 0;
  for (const { title, world, held, samples } of cases) {
    const mutated = new Map<string, NodeState>();
    const stateOf = (name: string): NodeState | undefined => {
      const state = held.get(name);
      if (state === undefined || mutated.has(name)) return mutated.get(name);
      mutated.set(name, mutate(state));
      return mutated.get(name);
    };
    for (const { packet, judgement, asked } of samples) {
      packets++;
      if (judgement.allowed) allowed++;
      const passes = asked.every(({ by, seen }) => {
        const state = stateOf(by);
        return state === undefined || verdictOf(state, seen) === "Allow";
      });
      if (passes === judgement.allowed) continue;
      const { source, destination, protocol, port } = packet;
      const text = `${title}: ${source} -> ${destination} ${protocol} ${port}: rows say otherwise, but ${judgement.reason}`;
      return { packets, allowed, disagreement: `${text}\n${JSON.stringify(world)}` };
    }
  }
  return { packets, allowed };
}

function withAccounts<Kind extends Pick<World, "pods">>(choose: Chooser, world: Kind): Kind {
  return { ...world, pods: world.pods.map((pod) => ({ ...pod, spec: { ...pod.spec, serviceAccountName: choose.pick(["one", "two"]) } })) };
}

/** Tells the engine everything that differs, in random order, some of it twice. */
function become(choose: Chooser, objects: PolicyObjects, known: Map<string, KubeObject>, world: World): void {
  const now = new Map(objectsOf(world).map(([kind, object]) => [`${kind} ${keyOf(object)}`, { kind, object }]));
  const steps: (() => void)[] = [];
  const apply = (kind: string, key: string, object: KubeObject | undefined): void =>
    objects.apply(kind as PolicyObjectKind, key, object as never);
  for (const id of known.keys()) if (!now.has(id)) steps.push(() => apply(id.split(" ")[0] ?? "", id.split(" ")[1] ?? "", undefined));
  for (const { kind, object } of now.values()) {
    steps.push(() => apply(kind, keyOf(object), object));
    if (choose.maybe(0.1)) steps.push(() => apply(kind, keyOf(object), object));
  }
  while (steps.length > 0) {
    const [step] = steps.splice(choose.below(steps.length), 1);
    step?.();
    // Published in between, sometimes: agents then follow changes of changes.
  }
  known.clear();
  for (const [id, { object }] of now) known.set(id, object);
}

const keyOf = ({ metadata: { namespace, name = "" } }: KubeObject): string => (namespace === undefined ? name : `${namespace}/${name}`);

function objectsOf(world: World): (readonly [PolicyObjectKind, KubeObject])[] {
  const each = (kind: PolicyObjectKind, objects: readonly KubeObject[] = []) => objects.map((object) => [kind, object] as const);
  const [cluster, namespaced] = [true, false].map((isCluster) =>
    (world.antreaPolicies ?? []).filter(({ metadata }) => (metadata.namespace === undefined) === isCluster),
  );
  return [
    ...each("Namespace", world.namespaces),
    ...each("Pod", world.pods),
    ...each(
      "K8sNetworkPolicy",
      world.policies.map((policy) => ({
        ...policy,
        metadata: { ...policy.metadata, uid: `${policy.metadata.namespace}-${policy.metadata.name}` },
      })),
    ),
    ...each("ExternalEntity", world.externalEntities),
    ...each("Node", world.nodes),
    ...each("Service", world.services),
    ...each("Tier", world.tiers),
    ...each("ClusterGroup", world.clusterGroups),
    ...each("Group", world.groups),
    ...each("AntreaClusterNetworkPolicy", cluster),
    ...each("AntreaNetworkPolicy", namespaced),
    ...each("K8sClusterNetworkPolicy", world.clusterNetworkPolicies),
    ...each("AdminNetworkPolicy", world.adminNetworkPolicies),
    ...each("BaselineAdminNetworkPolicy", world.baselineAdminNetworkPolicies),
  ];
}

function randomPacket(choose: Chooser, world: World): FirstPacket | undefined {
  const family = choose.pick([4, 6]);
  const speakers = world.pods.filter(
    (pod) => pod.spec.hostNetwork !== true && pod.status?.phase === "Running" && addressOf(pod, family) !== undefined,
  );
  const [first, ...rest] = speakers;
  if (first === undefined) return undefined;
  const receiver = choose.pick([first, ...rest]);
  const sender = choose.pick([first, ...rest]);
  const node = choose.pick(nodes);
  const gateway = podCidrs[node][family].address.plus(1n);
  const kind = choose.below(10);
  const source = kind < 6 || kind >= 8 ? addressOf(sender, family) : kind === 6 ? gateway : outside[family];
  const destination = kind < 8 ? addressOf(receiver, family) : kind === 8 ? gateway : outside[family];
  const protocol = choose.pick(["TCP", "TCP", "UDP", "SCTP", "ICMP"]);
  const l4 = { protocol, ...(protocol === "ICMP" ? {} : { port: choose.pick([80, 81, 82, 83]) }) };
  const [entity, ...more] = (world.externalEntities ?? []).filter((each) => entityAddress(each, family) !== undefined);
  if (entity !== undefined && choose.maybe(0.3)) {
    const known = choose.pick([entity, ...more]);
    const own = entityAddress(known, family);
    const podAddress = addressOf(receiver, family);
    if (own === undefined || podAddress === undefined) return undefined;
    // To or from a pod, or the outside.
    const other = choose.maybe(0.7) ? podAddress : outside[family];
    if (choose.maybe(0.5)) return { from: { entity: known }, source: own, destination: other, ...l4 };
    return { from: other === podAddress ? { pod: receiver } : { outside: true }, source: other, destination: own, ...l4 };
  }
  if (source === undefined || destination === undefined) return undefined;
  const from = kind < 6 || kind >= 8 ? { pod: sender } : kind === 6 ? { node } : { outside: true as const };
  return { from, source, destination, ...l4 };
}

function addressOf({ status }: Pod, family: 4 | 6): IpAddress | undefined {
  return (status?.podIPs ?? []).map(({ ip }) => parseAddress(ip)).find((address) => address.family === family);
}

const entityAddress = ({ spec }: ExternalEntity, family: 4 | 6): IpAddress | undefined =>
  (spec?.endpoints ?? []).map(({ ip }) => parseAddress(ip)).find((address) => address.family === family);

/** The one or two nodes concerned. */
function askedFor(world: World, packet: FirstPacket): readonly Asked[] {
  if (packet.source.equals(packet.destination)) return [];
  const { protocol, port } = packet;
  const l4 = { protocol, ...(port !== undefined && { port }) };
  const { from } = packet;
  const sender = "pod" in from ? from.pod : "entity" in from ? from.entity : undefined;
  const ask = (subject: Endpoint, direction: "In" | "Out", other: IpAddress): Asked => ({
    by: (isExternal(subject) ? enforcerName(subject) : subject.spec.nodeName) ?? "",
    seen: { direction, subject: keyOf(subject), other, ...l4 },
  });
  const asked = sender === undefined ? [] : [ask(sender, "Out", packet.destination)];
  const receiver = world.pods.find(
    (pod) => isPoliced(pod) && (pod.status?.podIPs ?? []).some(({ ip }) => parseAddress(ip).equals(packet.destination)),
  );
  const entity = endpointAt(world, packet.destination);
  if (entity !== undefined && isExternal(entity)) return [...asked, ask(entity, "In", packet.source)];
  if (receiver === undefined || ("node" in packet.from && packet.from.node === receiver.spec.nodeName)) return asked;
  return [...asked, ask(receiver, "In", packet.source)];
}

const isPoliced = ({ spec, status }: Pod): boolean => spec.hostNetwork !== true && status?.phase === "Running";
