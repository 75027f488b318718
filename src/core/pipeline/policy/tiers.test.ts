import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkPolicy, nothing, type PolicyRule, type RuleAction } from "#core/api/controlplane/index.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { createFlowLedger, type FlowChange, type FlowLedger } from "../flow-ledger.ts";
import { createPipeline, type TableName } from "../tables.ts";
import { createPolicyCompiler, type EncodingLimits, encodingLimits, type PolicyAllocations, type PolicyCompiler } from "./index.ts";
import { addWebPod } from "./testing/web-pod.ts";

const pipeline = createPipeline();
const plain = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? part.toString() : part));

interface Started {
  readonly ledger: FlowLedger;
  readonly compiler: PolicyCompiler;
  readonly change: () => FlowChange;
  readonly count: (table: TableName) => number;
}

/** One pod, which group `web` is about. */
function start(options: { readonly remembered?: PolicyAllocations; readonly limits?: EncodingLimits } = {}): Started {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, ...options });
  addWebPod(compiler);
  return {
    ledger,
    compiler,
    change() {
      compiler.compile();
      compiler.settle();
      return ledger.takeChange();
    },
    count: (name) => [...ledger.flows()].filter(([, { table }]) => table === pipeline.table(name)).length,
  };
}

const rule = (action: RuleAction, parts: Partial<PolicyRule> = {}): PolicyRule => ({
  direction: "In",
  peer: { ...nothing, addressGroups: ["peers"] },
  services: [],
  priority: 0,
  action,
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
  ...parts,
});
const policy = (name: string, parts: Partial<NetworkPolicy>, ...rules: readonly PolicyRule[]): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "AntreaClusterNetworkPolicy", name, uid: name },
  appliedToGroups: ["web"],
  tierPriority: 250,
  priority: 5,
  rules,
  ...parts,
});
const kubernetes = (name: string, ...rules: readonly PolicyRule[]): NetworkPolicy =>
  policy(name, { sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name } }, ...rules);
const addPeers = (compiler: PolicyCompiler, ...names: readonly string[]): void => {
  for (const [index, name] of names.entries())
    compiler.setAddressGroup({
      name,
      uid: name,
      members: [{ pod: { namespace: "shop", name }, ips: [parseAddress(`10.0.1.${index + 1}`)], ports: [] }],
    });
};
const inTable = ({ ledger }: Started, name: TableName) =>
  [...ledger.flows()].map(([, flow]) => flow).filter(({ table }) => table === pipeline.table(name));

test("pods of Kubernetes policies alone have no flow of tiers", () => {
  const started = start();
  addPeers(started.compiler, "peers");
  started.compiler.setPolicy(kubernetes("n", rule("Allow")));
  started.change();
  assert.deepEqual(
    [started.count("AntreaPolicyIngressRule"), started.count("IngressRule"), started.count("IngressDefaultRule")],
    [0, 1, 1],
  );
});

test("a rule between others is its own flow only, whatever stands there already", () => {
  const { compiler, change } = start();
  addPeers(compiler, "peers");
  for (let number = 1; number <= 100; number++) compiler.setPolicy(policy(`p${number}`, { priority: number }, rule("Drop")));
  change();
  compiler.setPolicy(policy("between", { priority: 50.5 }, rule("Allow")));
  const { add, remove } = change();
  assert.deepEqual([add.map(({ table }) => pipeline.nameOf(table)), remove], [["AntreaPolicyIngressRule"], []]);
  compiler.removePolicy("between");
  const gone = change();
  assert.deepEqual([gone.add.length, gone.remove.length], [0, 1]);
});

test("rules keep the order of tier, priority and index, over all policies", () => {
  const started = start();
  addPeers(started.compiler, "peers");
  const services = (port: number) => ({ services: [{ protocol: "TCP" as const, port }] });
  started.compiler.setPolicy(policy("b", { priority: 1 }, rule("Drop", services(4)), rule("Drop", { ...services(6), priority: 1 })));
  started.compiler.setPolicy(policy("a", { priority: 1 }, rule("Drop", services(3)), rule("Allow", { ...services(7), priority: 1 })));
  started.compiler.setPolicy(policy("early", { tierPriority: 50, priority: 9_999 }, rule("Allow", services(1))));
  started.compiler.setPolicy(policy("allows", { priority: 1 }, rule("Allow", services(5))));
  started.compiler.setPolicy(policy("first", { priority: 1, tierPriority: 220 }, rule("Pass", services(2))));
  started.change();
  const sorted = inTable(started, "AntreaPolicyIngressRule")
    .filter(({ match }) => match.eth_type === 0x0800n)
    .sort((one, other) => other.priority - one.priority);
  assert.deepEqual(
    sorted.map(({ match }) => match.tcp_dst),
    [1n, 2n, 3n, 4n, 5n, 6n, 7n],
  );
});

test("tiers and the layer behind them share the lookup where their sets are on one page; else a door leads to the other", () => {
  const shared = start();
  addPeers(shared.compiler, "peers", "others");
  const policies = [policy("t", {}, rule("Drop")), kubernetes("n", rule("Allow", { peer: { ...nothing, addressGroups: ["others"] } }))];
  for (const each of policies) shared.compiler.setPolicy(each);
  shared.change();
  assert.equal(shared.count("IngressRule"), 1);
  const apart = start({ limits: { ...encodingLimits, setsPerPage: 1 } });
  addPeers(apart.compiler, "peers", "others");
  for (const each of policies) apart.compiler.setPolicy(each);
  apart.change();
  assert.deepEqual(new Set(inTable(apart, "IngressRule").map(({ actions }) => actions.at(-1)?.type)), new Set(["goto_table", "resubmit"]));
});

test("with its allocations remembered, a restart makes the same flows, also of rules that came between others and where there are rounds", () => {
  const few: EncodingLimits = { ...encodingLimits, setsPerPage: 2, inlineAtOnce: 0 };
  const peers = ["peers", "a", "b", "c", "d"];
  const of = (name: string) => ({ peer: { ...nothing, addressGroups: [name] } });
  for (const limits of [encodingLimits, few]) {
    const before = start({ limits });
    addPeers(before.compiler, ...peers);
    const policies = [1, 2, 3, 4].map((number) =>
      policy(`p${number}`, { priority: number }, rule("Drop", of(peers[number] ?? "")), rule("Allow", { ...of("peers"), priority: 1 })),
    );
    policies.push(policy("baseline", { tierPriority: 253 }, rule("Drop", { direction: "Out" })));
    policies.push(policy("between", { priority: 2.5 }, rule("Allow", of("a"))), kubernetes("n", rule("Allow", of("d"))));
    for (const each of policies) {
      before.compiler.setPolicy(each);
      before.change();
    }
    before.change();
    const remembered = JSON.parse(JSON.stringify(before.compiler.allocations())) as PolicyAllocations;
    const after = start({ limits, remembered });
    for (const each of policies.toReversed()) after.compiler.setPolicy(each);
    addPeers(after.compiler, ...peers);
    after.change();
    const flows = ({ ledger }: Started) => [...ledger.flows()].map(([, flow]) => plain(flow)).sort();
    assert.deepEqual(flows(after), flows(before));
  }
});

test("what has no place for its peers and denies or passes on drops everything at its place, and is said", () => {
  const started = start({ limits: { ...encodingLimits, setsPerPage: 1, tierRounds: 1, inlineAtOnce: 0, inlineFlowsOfRule: 0 } });
  addPeers(started.compiler, "peers", "others");
  started.compiler.setPolicy(policy("a", { priority: 1 }, rule("Drop")));
  const others = { peer: { ...nothing, addressGroups: ["others"] } };
  started.compiler.setPolicy(policy("b", { priority: 2 }, rule("Allow", others)));
  started.compiler.setPolicy(policy("c", { priority: 3 }, rule("Pass", others)));
  started.change();
  const [, ...rest] = inTable(started, "AntreaPolicyIngressRule").sort((one, other) => other.priority - one.priority);
  assert.deepEqual(
    rest.map(({ match, actions }) => [Object.keys(match), actions]),
    [[["reg6"], []]],
  );
  assert.deepEqual(
    started.compiler.problems().map(({ policy: uid }) => uid),
    ["b", "c"],
  );
});

test("a pod under more rules than there are numbers for is closed, which each of its policies tells, until there are fewer", () => {
  const started = start({ limits: { ...encodingLimits, orderedRules: 3 } });
  addPeers(started.compiler, "peers");
  for (const number of [1, 2, 3]) started.compiler.setPolicy(policy(`p${number}`, { priority: number }, rule("Allow")));
  started.change();
  assert.deepEqual([started.count("IngressSecurityClassifier"), started.compiler.problems()], [1, []]);
  started.compiler.setPolicy(policy("p4", { priority: 4 }, rule("Allow")));
  started.change();
  assert.equal(started.count("IngressSecurityClassifier"), 0);
  assert.deepEqual(
    started.compiler.problems().map(({ policy: uid }) => uid),
    ["p1", "p2", "p3", "p4"],
  );
  assert.match(
    started.compiler.problems()[0]?.reason ?? "",
    /pod shop\/web is under more rules than there are numbers for \(3 in one layer\): nothing new to it passes/,
  );
  started.compiler.removePolicy("p4");
  started.change();
  assert.deepEqual([started.count("IngressSecurityClassifier"), started.compiler.problems()], [1, []]);
});

test("priorities at the edges of what a float tells apart are in order", () => {
  const started = start();
  addPeers(started.compiler, "peers");
  const close = [
    1,
    1 + Number.EPSILON,
    1 + 2 * Number.EPSILON,
    9_999.999_999_999_998,
    10_000,
    -Number.MAX_VALUE,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
    -0,
    0,
  ];
  for (const [index, priority] of close.entries())
    started.compiler.setPolicy(policy(`p${index}`, { priority }, rule("Drop", { services: [{ protocol: "TCP", port: 1 + index }] })));
  started.change();
  const sorted = inTable(started, "AntreaPolicyIngressRule")
    .filter(({ match }) => match.eth_type === 0x0800n)
    .sort((one, other) => other.priority - one.priority)
    .map(({ match }) => Number(match.tcp_dst) - 1);
  assert.deepEqual(
    sorted.map((index) => close[index]),
    close.toSorted((one, other) => one - other),
  );
});

test("a change of several layers of one pod comes by the pod's own flow", () => {
  const started = start();
  addPeers(started.compiler, "peers");
  started.compiler.setPolicy(policy("t", {}, rule("Drop")));
  started.compiler.setPolicy(
    kubernetes("n", rule("Allow", { peer: { ...nothing, ipBlocks: [{ cidr: parsePrefix("0.0.0.0/0"), except: [] }] } })),
  );
  started.change();
  started.compiler.setPolicy(policy("t2", { priority: 1 }, rule("Pass")));
  started.compiler.setPolicy(kubernetes("n2", rule("Allow")));
  assert.equal(pipeline.nameOf(started.change().add.at(-1)?.table ?? -1), "IngressSecurityClassifier");
});
