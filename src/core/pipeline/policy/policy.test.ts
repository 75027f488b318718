import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Direction, Group, NetworkPolicy, PolicyRule, ServiceMatch } from "#core/api/controlplane/index.ts";
import { type IpAddress, parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { createFlowLedger, type FlowLedger } from "../flow-ledger.ts";
import { portKind } from "../registers.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline } from "../tables.ts";
import { evaluate, type PacketFields } from "../testing/evaluate.ts";
import { compilePolicyGates } from "./gates.ts";
import { createPolicyCompiler, type EncodingLimits, encodingLimits, type PolicyCompiler } from "./index.ts";

const pipeline = createPipeline();
const plain = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? part.toString() : part));
const newLedger = (): FlowLedger => createFlowLedger();

const port = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac(`0a:00:00:00:00:0${number}`),
  addresses: [parseAddress(`10.0.0.${number}`), parseAddress(`fd00::${number}`)],
  podNamespace: "shop",
  podName: `p${number}`,
  containerId: `c${number}`,
});
const ports = [1, 2, 3].map(port);

interface Probe {
  readonly port: LocalPort;
  readonly direction: Direction;
  readonly peer: IpAddress;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP";
  /** Destination port, or the type of ICMP. */
  readonly number: number;
  /** Source port, or the code of ICMP. */
  readonly source: number;
}

const numbers = { TCP: 6n, UDP: 17n, SCTP: 132n } as const;

function packetOf({ port: { ofport }, direction, peer, protocol, number, source }: Probe): PacketFields {
  const packet: PacketFields = { eth_type: peer.family === 4 ? 0x0800n : 0x86ddn, ct_state: 33n };
  if (direction === "Out") Object.assign(packet, { in_port: BigInt(ofport), reg0: portKind.pod });
  else Object.assign(packet, { reg0: portKind.pod << 4n, reg1: BigInt(ofport) });
  packet[direction === "Out" ? (peer.family === 4 ? "ip_dst" : "ipv6_dst") : peer.family === 4 ? "ip_src" : "ipv6_src"] = peer.value;
  const [first, second] = [BigInt(number), BigInt(source)];
  if (protocol !== "ICMP") {
    const name = protocol.toLowerCase();
    Object.assign(packet, { ip_proto: numbers[protocol], [`${name}_dst`]: first, [`${name}_src`]: second });
  } else if (peer.family === 4) Object.assign(packet, { ip_proto: 1n, icmp_type: first, icmp_code: second });
  else Object.assign(packet, { ip_proto: 58n, icmpv6_type: first, icmpv6_code: second });
  return packet;
}

const missFlows: Flow[] = pipeline.tables.flatMap(({ feature, miss, number }, index) => {
  if (feature !== "policy" || miss === "drop") return [];
  const table = miss === "next" ? (pipeline.tables[index + 1]?.number ?? 0) : pipeline.table(miss);
  return [{ table: number, priority: 0, cookie: 0n, match: {}, actions: [{ type: "goto_table", table }] }];
});

const admits = (ledger: FlowLedger, probe: Probe): boolean =>
  passes(
    [...ledger.flows()].map(([, flow]) => flow),
    probe,
  );

function passes(policyFlows: readonly Flow[], probe: Probe): boolean {
  const flows = [...policyFlows, ...missFlows, ...compilePolicyGates(pipeline)];
  const way =
    probe.direction === "Out"
      ? { table: pipeline.table("EgressSecurityClassifier"), until: pipeline.table("L3Forwarding") }
      : { table: pipeline.table("IngressSecurityClassifier"), until: pipeline.table("ConntrackCommit") };
  return evaluate(flows, packetOf(probe), way).arrived;
}

/** The objects as the controller holds them, and the verdict straight from the words of the specification. */
interface World {
  readonly policies: Map<string, NetworkPolicy>;
  readonly addressGroups: Map<string, Group>;
  readonly appliedTo: Map<string, Group>;
}

type Verdict = "Allow" | "Drop" | undefined;

/** Tiers, then Kubernetes or, where none of its policies isolates, the baseline. */
function naive(world: World, probe: Probe): boolean {
  const first = firstInOrder(world, probe, (tier) => tier < 253);
  if (first === "Allow" || first === "Drop" || first === "Reject") return first === "Allow";
  const kubernetes = byKubernetes(world, probe);
  if (kubernetes !== undefined) return kubernetes === "Allow";
  const last = firstInOrder(world, probe, (tier) => tier >= 253);
  return last !== "Drop" && last !== "Reject";
}

const tieOrder = ["Drop", "Reject", "Allow", "Pass"];

function firstInOrder(world: World, probe: Probe, ofTier: (tier: number) => boolean): PolicyRule["action"] | undefined {
  return [...world.policies.values()]
    .flatMap((policy) => {
      const { tierPriority = -1, priority = 0, uid } = policy;
      if (policy.sourceRef.type === "K8sNetworkPolicy" || !ofTier(tierPriority)) return [];
      return policy.rules.map((rule) => ({
        policy,
        rule,
        key: [tierPriority, priority, rule.priority, tieOrder.indexOf(rule.action)],
        uid,
      }));
    })
    .sort((one, other) => {
      const at = one.key.findIndex((part, place) => part !== other.key[place]);
      return at >= 0 ? (one.key[at] ?? 0) - (other.key[at] ?? 0) : one.uid < other.uid ? -1 : 1;
    })
    .find(({ policy, rule }) => subjectOf(world, policy, rule, probe) !== undefined && hits(world, policy, rule, probe))?.rule.action;
}

function byKubernetes(world: World, probe: Probe): Verdict {
  const rules = [...world.policies.values()]
    .filter(({ sourceRef }) => sourceRef.type === "K8sNetworkPolicy")
    .flatMap((policy) => policy.rules.map((rule) => ({ policy, rule })))
    .filter(({ policy, rule }) => subjectOf(world, policy, rule, probe) !== undefined);
  if (rules.length === 0) return undefined;
  return rules.some(({ policy, rule }) => hits(world, policy, rule, probe)) ? "Allow" : "Drop";
}

function subjectOf({ appliedTo }: World, policy: NetworkPolicy, rule: PolicyRule, probe: Probe) {
  if (rule.direction !== probe.direction) return undefined;
  return [...policy.appliedToGroups, ...rule.appliedToGroups]
    .flatMap((name) => appliedTo.get(name)?.members ?? [])
    .find(({ pod }) => pod?.namespace === probe.port.podNamespace && pod.name === probe.port.podName);
}

/** Whether a rule whose subject the pod is matches the packet. */
function hits(world: World, policy: NetworkPolicy, rule: PolicyRule, probe: Probe): boolean {
  const self = subjectOf(world, policy, rule, probe);
  const holders = rule.peer.addressGroups
    .flatMap((name) => world.addressGroups.get(name)?.members ?? [])
    .filter(({ ips }) => ips.some((ip) => ip.equals(probe.peer)));
  const inBlock = rule.peer.ipBlocks.some(
    ({ cidr, except }) => cidr.contains(probe.peer) && !except.some((inner) => inner.contains(probe.peer)),
  );
  const isPeer = holders.length > 0 || inBlock;
  if (rule.services.length === 0) return isPeer;
  return rule.services.some((service) => {
    if (service.protocol !== probe.protocol) return false;
    if (service.srcPort !== undefined && (probe.source < service.srcPort || probe.source > (service.srcEndPort ?? service.srcPort)))
      return false;
    if (service.icmpType !== undefined && service.icmpType !== probe.number) return false;
    if (service.icmpCode !== undefined && service.icmpCode !== probe.source) return false;
    if (typeof service.port !== "string")
      return isPeer && (service.port === undefined || (probe.number >= service.port && probe.number <= (service.endPort ?? service.port)));
    const declares = (owner: { readonly ports: readonly { name: string; port: number; protocol: string }[] }) =>
      owner.ports.some(
        (declared) => declared.name === service.port && declared.protocol === service.protocol && declared.port === probe.number,
      );
    return rule.direction === "In" ? isPeer && self !== undefined && declares(self) : holders.some(declares);
  });
}

const addresses = [1, 2, 3, 4, 5, 6].flatMap((last) => [parseAddress(`10.0.0.${last}`), parseAddress(`fd00::${last}`)]);
const blocks = [
  "0.0.0.0/0",
  "::/0",
  "10.0.0.0/29",
  "10.0.0.2/31",
  "10.0.0.4/30",
  "10.0.0.5/32",
  "fd00::/125",
  "fd00::2/127",
  "fd00::3/128",
].map(parsePrefix);
const declared = fc.constantFrom(
  [],
  [{ name: "web", port: 80, protocol: "TCP" as const }],
  [{ name: "web", port: 81, protocol: "TCP" as const }],
  [
    { name: "web", port: 80, protocol: "UDP" as const },
    { name: "web", port: 82, protocol: "TCP" as const },
  ],
);
const groupMembers = fc.uniqueArray(
  fc.record({
    pod: fc.record({ namespace: fc.constant("shop"), name: fc.constantFrom("p1", "p2", "p3", "p4") }),
    ips: fc.subarray(addresses, { maxLength: 3 }),
    ports: declared,
  }),
  { selector: ({ pod }) => pod.name, maxLength: 3 },
);
const service: fc.Arbitrary<ServiceMatch> = fc.oneof(
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP") }),
  fc.record({ protocol: fc.constantFrom("TCP", "UDP"), port: fc.constantFrom<number | string>(80, "web", "web", "none") }),
  fc.record({ protocol: fc.constant("TCP" as const), port: fc.constant(79), endPort: fc.constantFrom(80, 82, 90) }),
);
const ipBlock = fc.constantFrom(...blocks).chain((cidr) =>
  fc.record({
    cidr: fc.constant(cidr),
    except: fc.subarray(blocks.filter((inner) => cidr.covers(inner) && inner.length > cidr.length)).map((inner) => inner.slice(0, 2)),
  }),
);
const orderedService: fc.Arbitrary<ServiceMatch> = fc.oneof(
  { weight: 3, arbitrary: service },
  fc.record({ protocol: fc.constantFrom("TCP", "UDP"), srcPort: fc.constantFrom(0, 79), srcEndPort: fc.constantFrom(79, 90) }),
  fc.constantFrom<ServiceMatch>(
    { protocol: "ICMP" },
    { protocol: "ICMP", icmpType: 80 },
    { protocol: "ICMP", icmpType: 80, icmpCode: 0 },
    { protocol: "TCP", port: "web", srcPort: 0, srcEndPort: 78 },
  ),
);
const ruleOf = (services: fc.Arbitrary<ServiceMatch>): fc.Arbitrary<PolicyRule> =>
  fc.record({
    direction: fc.constantFrom("In", "Out"),
    peer: fc.record({
      addressGroups: fc.subarray(["a1", "a2", "a3"]),
      ipBlocks: fc.array(ipBlock, { maxLength: 3 }),
      fqdns: fc.constant([]),
      toServices: fc.constant([]),
      labelIdentities: fc.constant([]),
    }),
    services: fc.array(services, { maxLength: 2 }),
    priority: fc.constant(-1),
    action: fc.constant("Allow"),
    enableLogging: fc.constant(false),
    appliedToGroups: fc.constant([]),
    l7Protocols: fc.constant([]),
  });
const rule = ruleOf(service);
/** One of a policy that names its place: its index is given when it has one. */
const orderedRule = fc.tuple(
  ruleOf(orderedService),
  fc.constantFrom<PolicyRule["action"]>("Allow", "Drop", "Reject", "Pass"),
  fc.subarray(["t1", "t2", "t3"]),
);
type Step = (world: World, compiler: PolicyCompiler) => void;
const policyName = fc.constantFrom("n1", "n2", "n3");
const addressGroup = fc.constantFrom("a1", "a2", "a3");
const subjectGroup = fc.constantFrom("t1", "t2", "t3");

const setPolicy = fc
  .tuple(policyName, fc.array(rule, { minLength: 1, maxLength: 3 }), fc.subarray(["t1", "t2", "t3"], { minLength: 1 }))
  .map(
    ([name, rules, appliedToGroups]): Step =>
      (world, compiler) => {
        const sourceRef = { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name } as const;
        const policy: NetworkPolicy = { name, uid: name, generation: 1, sourceRef, appliedToGroups, rules };
        world.policies.set(name, policy);
        compiler.setPolicy(policy);
      },
  );
/** A policy of another kind, which stands in a tier: the names are those of the others, so that one may become the other. */
const setOrdered = fc
  .tuple(
    fc.constantFrom("n1", "m1", "m2", "m3"),
    fc.array(orderedRule, { minLength: 1, maxLength: 4 }),
    fc.subarray(["t1", "t2", "t3"]),
    fc.record({ tierPriority: fc.constantFrom(50, 220, 250, 253, 254), priority: fc.constantFrom(1, 5, 5.5) }),
  )
  .map(
    ([name, rules, appliedToGroups, place]): Step =>
      (world, compiler) => {
        const next = { In: 0, Out: 0 };
        const policy: NetworkPolicy = {
          name,
          uid: name,
          generation: 1,
          sourceRef: { type: "AntreaClusterNetworkPolicy", name, uid: name },
          appliedToGroups,
          ...place,
          rules: rules.map(([given, action, own]) => ({
            ...given,
            priority: next[given.direction]++,
            action: action === "Pass" && place.tierPriority >= 253 ? "Allow" : action,
            appliedToGroups: appliedToGroups.length > 0 ? [] : own,
          })),
        };
        world.policies.set(name, policy);
        compiler.setPolicy(policy);
      },
  );
/** Policy n1 with such ingress rules for p1 and p2, whose port named "web" has another number each. */
const toPodsOfTwoNumbers = (...rules: readonly Partial<PolicyRule>[]): Step => {
  const peer = {
    addressGroups: [],
    ipBlocks: blocks.slice(0, 2).map((cidr) => ({ cidr, except: [] })),
    fqdns: [],
    toServices: [],
    labelIdentities: [],
  };
  const common = { direction: "In", peer, services: [], priority: -1, action: "Allow", enableLogging: false } as const;
  const policy: NetworkPolicy = {
    name: "n1",
    uid: "n1",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "n1", uid: "n1" },
    appliedToGroups: ["t1"],
    rules: rules.map((rule) => ({ ...common, appliedToGroups: [], l7Protocols: [], ...rule })),
  };
  return (world, compiler) => {
    world.policies.set(policy.name, policy);
    compiler.setPolicy(policy);
  };
};
const toWeb: Partial<PolicyRule> = { services: [{ protocol: "TCP", port: "web" }] };
const toDns: Partial<PolicyRule> = { services: [{ protocol: "UDP", port: 91 }] };
const removePolicy = fc.oneof(policyName, fc.constantFrom("m1", "m2", "m3")).map(
  (name): Step =>
    (world, compiler) => {
      world.policies.delete(name);
      compiler.removePolicy(name);
    },
);
const setAddressGroup = fc.tuple(addressGroup, groupMembers).map(
  ([name, members]): Step =>
    (world, compiler) => {
      world.addressGroups.set(name, { name, uid: name, members });
      compiler.setAddressGroup({ name, uid: name, members });
    },
);
const removeAddressGroup = addressGroup.map(
  (name): Step =>
    (world, compiler) => {
      world.addressGroups.delete(name);
      compiler.removeAddressGroup(name);
    },
);
const patchAddressGroup = fc.tuple(addressGroup, groupMembers).map(
  ([name, added]): Step =>
    (world, compiler) => {
      const before = world.addressGroups.get(name)?.members ?? [];
      const kept = before.slice(1).filter(({ pod }) => !added.some((member) => member.pod.name === pod?.name));
      const removed = before.filter((member) => !kept.includes(member));
      world.addressGroups.set(name, { name, uid: name, members: [...kept, ...added] });
      compiler.patchAddressGroup({ name, uid: name, added, removed });
    },
);
const setSubjects = fc.tuple(subjectGroup, groupMembers).map(
  ([name, listed]): Step =>
    (world, compiler) => {
      // A pod declares the same ports in every group it is in.
      const members = listed.map((member) => ({ ...member, ips: [], ports: portsOfPod[member.pod.name] ?? [] }));
      world.appliedTo.set(name, { name, uid: name, members });
      compiler.setAppliedToGroup({ name, uid: name, members });
    },
);
const removeSubjects = subjectGroup.map(
  (name): Step =>
    (world, compiler) => {
      world.appliedTo.delete(name);
      compiler.removeAppliedToGroup(name);
    },
);
const stepOfPolicies = fc.oneof(
  { weight: 2, arbitrary: setPolicy },
  { weight: 4, arbitrary: setOrdered },
  { weight: 2, arbitrary: removePolicy },
  { weight: 1, arbitrary: setSubjects },
  { weight: 1, arbitrary: removeSubjects },
);
const stepOfPeers = fc.oneof(
  { weight: 3, arbitrary: setAddressGroup },
  { weight: 1, arbitrary: removeAddressGroup },
  { weight: 3, arbitrary: patchAddressGroup },
);
const stepOfKubernetes = fc.oneof(
  { weight: 3, arbitrary: setPolicy },
  { weight: 1, arbitrary: removePolicy },
  { weight: 7, arbitrary: stepOfPeers },
  { weight: 2, arbitrary: fc.oneof(setSubjects, removeSubjects) },
);
const step = fc.oneof({ weight: 10, arbitrary: stepOfPolicies }, { weight: 7, arbitrary: stepOfPeers });
const portsOfPod: Readonly<Record<string, readonly { name: string; port: number; protocol: "TCP" }[]>> = {
  p1: [{ name: "web", port: 80, protocol: "TCP" }],
  p2: [{ name: "web", port: 81, protocol: "TCP" }],
};

function probes(): Probe[] {
  return ports.flatMap((subject) =>
    (["In", "Out"] as const).flatMap((direction) =>
      addresses.flatMap((peer) => [
        ...[0, 80].map((number) => ({ port: subject, direction, peer, protocol: "ICMP" as const, number, source: 0 })),
        ...(["TCP", "UDP"] as const).flatMap((protocol) =>
          [80, 81, 82, 91].map((number) => ({ port: subject, direction, peer, protocol, number, source: 78 })),
        ),
        { port: subject, direction, peer, protocol: "TCP" as const, number: 80, source: 85 },
        { port: subject, direction, peer, protocol: "SCTP" as const, number: 80, source: 78 },
      ]),
    ),
  );
}

/** The same with a place for two sets at a time: nearly every pod needs rounds, and peers inline. */
const cramped: EncodingLimits = {
  setsPerPage: 2,
  rounds: 3,
  tierRounds: 3,
  inlineAtOnce: 1,
  inlineFlowsOfRule: 1_024,
  inlineFlows: 65_536,
  flowsOfRule: 16_384,
  orderedRules: 64_000,
};

for (const [name, limits] of [
  ["with the limits of the product", encodingLimits],
  ["with a place for two sets at a time", cramped],
] as const)
  test(`after any sequence of changes, compiled in any portions, every packet gets the verdict of the specification: ${name}`, () => {
    // Long enough that cramped ones need rounds and peers inline; overflow.test.ts shows each form by itself.
    const lengths = limits === cramped ? { minLength: 8, maxLength: 20 } : { maxLength: 12 };
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.boolean()), lengths), fc.array(fc.nat(), { maxLength: 3 }), (steps, picked) => {
        const world: World = { policies: new Map(), addressGroups: new Map(), appliedTo: new Map() };
        const ledger = newLedger();
        const compiler = createPolicyCompiler({ pipeline, ledger, limits });
        const inSwitch = new Map<string, Flow>();
        const apply = (): void => {
          do {
            compiler.compile();
            const { add, remove } = ledger.takeChange();
            for (const flow of add) inSwitch.set(flowKey(flow), flow);
            for (const flow of remove) assert.ok(inSwitch.delete(flowKey(flow)), "what was never added cannot be removed");
          } while (compiler.settle());
        };
        for (const subject of ports) compiler.setPort(subject);
        for (const [group, ...pods] of [
          ["t1", "p1", "p2"],
          ["t2", "p2", "p3"],
        ] as const) {
          const members = pods.map((pod) => ({ pod: { namespace: "shop", name: pod }, ips: [], ports: portsOfPod[pod] ?? [] }));
          world.appliedTo.set(group, { name: group, uid: group, members });
          compiler.setAppliedToGroup({ name: group, uid: group, members });
        }
        for (const [change, compileNow] of steps) {
          change(world, compiler);
          if (compileNow) apply();
        }
        apply();
        assert.deepEqual(compiler.problems(), []);
        assert.deepEqual(inSwitch, new Map(ledger.flows()));
        for (const [key, flow] of inSwitch) assert.deepEqual(ledger.get(key), flow);
        for (const probe of probes()) assert.equal(admits(ledger, probe), naive(world, probe), plain(probe));
        // Whatever the switch does not take: nothing passes that policies deny, and all is as before when it takes it.
        const all = [...inSwitch.values()];
        const lacking = all.length === 0 ? [] : [...new Set(picked.map((number) => all[number % all.length] as Flow))];
        compiler.refused(lacking);
        apply();
        const left = [...inSwitch.values()].filter((flow) => !lacking.includes(flow));
        for (const probe of some)
          if (!naive(world, probe)) assert.equal(passes(left, probe), false, `${plain(probe)} without ${plain(lacking)}`);
        compiler.refused([]);
        apply();
        assert.deepEqual(new Set(inSwitch.values()), new Set(all));
        for (const subject of ports) compiler.removePort(subject.interfaceName);
        apply();
        assert.deepEqual([...inSwitch.values()], []);
      }),
      { numRuns: 40 },
    );
  });

interface PartsOptions {
  /** Changes that the switch hears of at once, before the others. */
  readonly first?: readonly Step[];
  readonly steps: readonly Step[];
  readonly asked: readonly Probe[];
  readonly limits: EncodingLimits;
}

/** Tells the switch the flows of each change one by one, and asks in between. */
function playInParts({ first = [], steps, asked, limits }: PartsOptions): void {
  const world: World = { policies: new Map(), addressGroups: new Map(), appliedTo: new Map() };
  const ledger = createFlowLedger({ atOnce: 0 });
  const compiler = createPolicyCompiler({ pipeline, ledger, limits });
  const inSwitch = new Map<string, Flow>();
  for (const change of first) change(world, compiler);
  for (const subject of ports) compiler.setPort(subject);
  for (const name of ["t1", "t2"]) {
    const members = ["p1", "p2"].map((pod) => ({ pod: { namespace: "shop", name: pod }, ips: [], ports: portsOfPod[pod] ?? [] }));
    compiler.setAppliedToGroup({ name, uid: name, members });
  }
  const verdicts = (): boolean[] => asked.map((probe) => passes([...inSwitch.values()], probe));
  let before = verdicts();
  const more = (): void => {};
  const changes = steps.flatMap((change) => [() => change(world, compiler), more]);
  for (const change of changes) {
    change();
    compiler.compile();
    const after = asked.map((probe) => admits(ledger, probe));
    const { add, remove } = ledger.takeChange();
    const parts = [
      ...add.map((flow) => () => inSwitch.set(flowKey(flow), flow)),
      ...remove.map((flow) => () => inSwitch.delete(flowKey(flow))),
    ];
    for (const [index, part] of parts.entries()) {
      part();
      for (const [place, verdict] of verdicts().entries())
        assert.ok(verdict === before[place] || verdict === after[place], `${plain(asked[place])} after part ${index} of ${parts.length}`);
    }
    compiler.settle();
    before = after;
  }
}

const some = probes().filter((_, index) => index % 13 === 0);

test("a change that reaches the switch in parts gives every packet the old verdict or the new one", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 8 }), (steps) => playInParts({ steps, asked: some, limits: encodingLimits })),
    { numRuns: 30 },
  );
});

test("also where packets of Kubernetes policies need rounds", () => {
  fc.assert(
    fc.property(fc.array(stepOfKubernetes, { minLength: 2, maxLength: 8 }), (steps) =>
      playInParts({ steps, asked: some, limits: cramped }),
    ),
    { numRuns: 30 },
  );
});

test("also where those of tiers need rounds, as long as nobody joins or leaves a group in the same change", () => {
  fc.assert(
    fc.property(
      fc.array(stepOfPeers, { minLength: 2, maxLength: 5 }),
      fc.array(stepOfPolicies, { minLength: 2, maxLength: 8 }),
      (first, steps) => playInParts({ first, steps, asked: some, limits: cramped }),
    ),
    { numRuns: 30 },
  );
});

test("pods that part in a change that reaches the switch in parts meet none of the other's rules", () => {
  playInParts({ steps: [toPodsOfTwoNumbers(toDns), toPodsOfTwoNumbers(toWeb)], asked: probes(), limits: cramped });
});

test("pods that come together in a change that reaches the switch in parts meet none of the other's rules", () => {
  playInParts({ steps: [toPodsOfTwoNumbers(toDns, toWeb), toPodsOfTwoNumbers(toDns)], asked: probes(), limits: cramped });
});
