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
  readonly number: number;
}

const numbers = { TCP: 6n, UDP: 17n, SCTP: 132n } as const;

function packetOf({ port: { ofport }, direction, peer, protocol, number }: Probe): PacketFields {
  const packet: PacketFields = { eth_type: peer.family === 4 ? 0x0800n : 0x86ddn, ct_state: 33n };
  if (direction === "Out") Object.assign(packet, { in_port: BigInt(ofport), reg0: portKind.pod });
  else Object.assign(packet, { reg0: portKind.pod << 4n, reg1: BigInt(ofport) });
  packet[direction === "Out" ? (peer.family === 4 ? "ip_dst" : "ipv6_dst") : peer.family === 4 ? "ip_src" : "ipv6_src"] = peer.value;
  if (protocol === "ICMP") packet.ip_proto = peer.family === 4 ? 1n : 58n;
  else Object.assign(packet, { ip_proto: numbers[protocol], [`${protocol.toLowerCase()}_dst`]: BigInt(number) });
  return packet;
}

const missFlows: Flow[] = (["EgressSecurityClassifier", "IngressSecurityClassifier"] as const).map((name) => ({
  table: pipeline.table(name),
  priority: 0,
  cookie: 0n,
  match: {},
  actions: [
    { type: "goto_table", table: name === "EgressSecurityClassifier" ? pipeline.table("L3Forwarding") : pipeline.table("ConntrackCommit") },
  ],
}));
const passFlows: Flow[] = pipeline.tables
  .filter(({ feature, miss }) => feature === "policy" && miss === "next")
  .map(({ number }) => ({ table: number, priority: 0, cookie: 0n, match: {}, actions: [{ type: "goto_table", table: number + 1 }] }));

const admits = (ledger: FlowLedger, probe: Probe): boolean =>
  passes(
    [...ledger.flows()].map(([, flow]) => flow),
    probe,
  );

function passes(policyFlows: readonly Flow[], probe: Probe): boolean {
  const flows = [...policyFlows, ...passFlows, ...missFlows, ...compilePolicyGates(pipeline)];
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

function naive({ policies, addressGroups, appliedTo }: World, probe: Probe): boolean {
  const subject = (rule: PolicyRule, policy: NetworkPolicy) =>
    [...policy.appliedToGroups, ...rule.appliedToGroups]
      .flatMap((name) => appliedTo.get(name)?.members ?? [])
      .find(({ pod }) => pod?.namespace === probe.port.podNamespace && pod.name === probe.port.podName);
  let isolated = false;
  for (const policy of policies.values())
    for (const rule of policy.rules) {
      const self = rule.direction === probe.direction ? subject(rule, policy) : undefined;
      if (self === undefined) continue;
      isolated = true;
      const holders = rule.peer.addressGroups
        .flatMap((name) => addressGroups.get(name)?.members ?? [])
        .filter(({ ips }) => ips.some((ip) => ip.equals(probe.peer)));
      const inBlock = rule.peer.ipBlocks.some(
        ({ cidr, except }) => cidr.contains(probe.peer) && !except.some((inner) => inner.contains(probe.peer)),
      );
      const isPeer = holders.length > 0 || inBlock;
      if (rule.services.length === 0 && isPeer) return true;
      for (const service of rule.services) {
        if (service.protocol !== probe.protocol) continue;
        if (typeof service.port === "string") {
          const declares = (owner: { readonly ports: readonly { name: string; port: number; protocol: string }[] }) =>
            owner.ports.some(
              (declared) => declared.name === service.port && declared.protocol === service.protocol && declared.port === probe.number,
            );
          if (rule.direction === "In" ? isPeer && declares(self) : holders.some(declares)) return true;
        } else if (
          isPeer &&
          (service.port === undefined || (probe.number >= service.port && probe.number <= (service.endPort ?? service.port)))
        )
          return true;
      }
    }
  return !isolated;
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
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  direction: fc.constantFrom("In", "Out"),
  peer: fc.record({
    addressGroups: fc.subarray(["a1", "a2", "a3"]),
    ipBlocks: fc.array(ipBlock, { maxLength: 3 }),
    fqdns: fc.constant([]),
    toServices: fc.constant([]),
    labelIdentities: fc.constant([]),
  }),
  services: fc.array(service, { maxLength: 2 }),
  priority: fc.constant(-1),
  action: fc.constant("Allow"),
  enableLogging: fc.constant(false),
  appliedToGroups: fc.constant([]),
  l7Protocols: fc.constant([]),
});
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
const removePolicy = policyName.map(
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
const step = fc.oneof(
  { weight: 3, arbitrary: setPolicy },
  { weight: 1, arbitrary: removePolicy },
  { weight: 3, arbitrary: setAddressGroup },
  { weight: 1, arbitrary: removeAddressGroup },
  { weight: 3, arbitrary: patchAddressGroup },
  { weight: 1, arbitrary: setSubjects },
  { weight: 1, arbitrary: removeSubjects },
);
const portsOfPod: Readonly<Record<string, readonly { name: string; port: number; protocol: "TCP" }[]>> = {
  p1: [{ name: "web", port: 80, protocol: "TCP" }],
  p2: [{ name: "web", port: 81, protocol: "TCP" }],
};

function probes(): Probe[] {
  return ports.flatMap((subject) =>
    (["In", "Out"] as const).flatMap((direction) =>
      addresses.flatMap((peer) => [
        { port: subject, direction, peer, protocol: "ICMP" as const, number: 0 },
        ...(["TCP", "UDP"] as const).flatMap((protocol) =>
          [80, 81, 82, 91].map((number) => ({ port: subject, direction, peer, protocol, number })),
        ),
        { port: subject, direction, peer, protocol: "SCTP" as const, number: 80 },
      ]),
    ),
  );
}

/** The same with a place for two sets at a time: nearly every pod needs rounds, and peers inline. */
const cramped: EncodingLimits = {
  setsPerPage: 2,
  rounds: 3,
  inlineAtOnce: 1,
  inlineFlowsOfRule: 1_024,
  inlineFlows: 65_536,
  flowsOfRule: 16_384,
};

for (const [name, limits] of [
  ["with the limits of the product", encodingLimits],
  ["with a place for two sets at a time", cramped],
] as const)
  test(`after any sequence of changes, compiled in any portions, every packet gets the verdict of the specification: ${name}`, () => {
    // Long enough that cramped ones need rounds and peers inline; overflow.test.ts shows each form by itself.
    const lengths = limits === cramped ? { minLength: 8, maxLength: 20 } : { maxLength: 12 };
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.boolean()), lengths), (steps) => {
        const world: World = { policies: new Map(), addressGroups: new Map(), appliedTo: new Map() };
        const ledger = newLedger();
        const compiler = createPolicyCompiler({ pipeline, ledger, limits });
        const inSwitch = new Map<string, Flow>();
        const apply = (): void => {
          compiler.compile();
          const { add, remove } = ledger.takeChange();
          for (const flow of add) inSwitch.set(flowKey(flow), flow);
          for (const flow of remove) assert.ok(inSwitch.delete(flowKey(flow)), "what was never added cannot be removed");
          compiler.settle();
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
        for (const subject of ports) compiler.removePort(subject.interfaceName);
        apply();
        assert.deepEqual([...inSwitch.values()], []);
      }),
      { numRuns: 40 },
    );
  });

/** Tells the switch the flows of each change one by one, and asks in between. */
function playInParts(steps: readonly Step[], asked: readonly Probe[]): void {
  const world: World = { policies: new Map(), addressGroups: new Map(), appliedTo: new Map() };
  const ledger = createFlowLedger({ atOnce: 0 });
  const compiler = createPolicyCompiler({ pipeline, ledger, limits: cramped });
  const inSwitch = new Map<string, Flow>();
  for (const subject of ports) compiler.setPort(subject);
  for (const name of ["t1", "t2"]) {
    const members = ["p1", "p2"].map((pod) => ({ pod: { namespace: "shop", name: pod }, ips: [], ports: portsOfPod[pod] ?? [] }));
    compiler.setAppliedToGroup({ name, uid: name, members });
  }
  const verdicts = (): boolean[] => asked.map((probe) => passes([...inSwitch.values()], probe));
  let before = verdicts();
  for (const change of steps) {
    change(world, compiler);
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

test("a change that reaches the switch in parts gives every packet the old verdict or the new one", () => {
  const some = probes().filter((_, index) => index % 13 === 0);
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 8 }), (steps) => playInParts(steps, some)),
    { numRuns: 30 },
  );
});

test("pods that part in a change that reaches the switch in parts meet none of the other's rules", () => {
  playInParts([toPodsOfTwoNumbers(toDns), toPodsOfTwoNumbers(toWeb)], probes());
});

test("pods that come together in a change that reaches the switch in parts meet none of the other's rules", () => {
  playInParts([toPodsOfTwoNumbers(toDns, toWeb), toPodsOfTwoNumbers(toDns)], probes());
});
