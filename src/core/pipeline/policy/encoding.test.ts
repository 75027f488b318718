import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkPolicy, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createFlowLedger, type FlowChange, type FlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline, type TableName } from "../tables.ts";
import { createPolicyCompiler, type EncodingLimits, type PolicyAllocations, type PolicyCompiler } from "./index.ts";
import { rule } from "./testing/rule.ts";

const pipeline = createPipeline();
const plain = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? part.toString() : part));

function start(
  remembered?: PolicyAllocations,
  limits?: EncodingLimits,
): { ledger: FlowLedger; compiler: PolicyCompiler; change: () => FlowChange } {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, remembered, ...(limits === undefined ? {} : { limits }) });
  const change = (): FlowChange => {
    compiler.compile();
    compiler.settle();
    return ledger.takeChange();
  };
  return { ledger, compiler, change };
}

const port = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac("0a:00:00:00:00:01"),
  addresses: [parseAddress(`10.0.0.${number}`)],
  podNamespace: "shop",
  podName: `p${number}`,
  containerId: `c${number}`,
});
const pod = (name: string, ...ips: string[]) => ({ pod: { namespace: "shop", name }, ips: ips.map(parseAddress), ports: [] });
const group = (name: string, ...members: ReturnType<typeof pod>[]) => ({ name, uid: name, members });
const policy = (name: string, appliedTo: string, ...rules: PolicyRule[]): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: [appliedTo],
  rules,
});
const from = (...addressGroups: string[]) => ({ ...nothing, addressGroups });
const tcp = (number: number) => [{ protocol: "TCP" as const, port: number }];
const tables = (change: FlowChange): string[] => change.add.map(({ table }) => pipeline.nameOf(table) ?? "");

test("a pod that joins a set of many rules is one flow per family", () => {
  const { compiler, change } = start();
  compiler.setPort(port(1));
  compiler.setAppliedToGroup(group("subjects", pod("p1")));
  compiler.setAddressGroup(group("peers", pod("a", "10.0.1.1", "fd00::1")));
  for (let number = 1; number <= 50; number++)
    compiler.setPolicy(policy(`n${number}`, "subjects", rule({ peer: from("peers"), services: tcp(number) })));
  change();
  compiler.patchAddressGroup({ name: "peers", uid: "peers", added: [pod("b", "10.0.1.2", "fd00::2")], removed: [] });
  const joined = change();
  assert.deepEqual([tables(joined), joined.remove.length], [["IngressMembers", "IngressMembers"], 0]);
});

test("a policy for a whole class of ports is its own flows only, whatever the class has already", () => {
  const { compiler, change } = start();
  for (const number of [1, 2, 3]) compiler.setPort(port(number));
  compiler.setAppliedToGroup(group("subjects", pod("p1"), pod("p2"), pod("p3")));
  compiler.setAddressGroup(group("peers", pod("a", "10.0.1.1")));
  compiler.setPolicy(policy("n1", "subjects", rule({ peer: from("peers"), services: tcp(80) })));
  change();
  compiler.setPolicy(policy("n2", "subjects", rule({ peer: from("peers"), services: tcp(81) })));
  const added = change();
  assert.deepEqual([tables(added), added.remove.length], [["IngressRule", "IngressRule"], 0]);
  compiler.removePolicy("n2");
  const removed = change();
  assert.deepEqual([removed.add.length, removed.remove.length], [0, 2]);
});

test("a class that splits gives the ports that leave a profile of their own, rules before the switch", () => {
  const { compiler, change } = start();
  for (const number of [1, 2, 3]) compiler.setPort(port(number));
  compiler.setAppliedToGroup(group("all", pod("p1"), pod("p2"), pod("p3")));
  compiler.setAppliedToGroup(group("one", pod("p3")));
  compiler.setPolicy(policy("deny", "all", rule({ direction: "In" })));
  change();
  compiler.setPolicy(policy("allow", "one", rule({ peer: { ...nothing, ipBlocks: [{ cidr: parsePrefix("10.1.0.0/16"), except: [] }] } })));
  assert.deepEqual(tables(change()), ["IngressDefaultRule", "IngressRule", "IngressSecurityClassifier"]);
});

test("a class that takes the place of another which moves on at the same time does not follow it", () => {
  const { compiler, change, ledger } = start();
  for (const number of [1, 2]) compiler.setPort(port(number));
  compiler.setAppliedToGroup(group("all", pod("p1"), pod("p2")));
  compiler.setAppliedToGroup(group("one", pod("p1")));
  compiler.setAppliedToGroup(group("two", pod("p2")));
  const anybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
  compiler.setPolicy(policy("deny", "all", rule({ direction: "In" })));
  compiler.setPolicy(policy("allow", "one", rule({ peer: anybody })));
  change();
  // The first pod is now what the second was, which is something new.
  compiler.removePolicy("allow");
  compiler.setPolicy(policy("other", "two", rule({ peer: anybody })));
  change();
  const profileOf = (ofport: number): string => {
    const classifier = [...ledger.flows()].find(
      ([, { table, match }]) => table === pipeline.table("IngressSecurityClassifier") && match.reg1 === BigInt(ofport),
    );
    return plain(classifier?.[1].actions[0]);
  };
  const [allowing] = [...ledger.flows()].filter(([, { table }]) => table === pipeline.table("IngressRule"));
  assert.notEqual(profileOf(1), profileOf(2));
  assert.equal(plain(allowing?.[1].match.reg2), plain(BigInt(JSON.parse(profileOf(2)).value)));
});

test("ports without rules in a direction skip its tables", () => {
  const { compiler, change } = start();
  compiler.setPort(port(1));
  const added = change();
  assert.deepEqual(tables(added), ["IngressSecurityClassifier", "EgressSecurityClassifier"]);
  assert.deepEqual(
    added.add.map(({ actions }) => actions),
    [[{ type: "goto_table", table: pipeline.table("ConntrackCommit") }], [{ type: "goto_table", table: pipeline.table("L3Forwarding") }]],
  );
});

test("pods with more sets together than a page holds get pages of their own", () => {
  const { compiler, change } = start();
  for (const number of [1, 2]) {
    compiler.setPort(port(number));
    compiler.setAppliedToGroup(group(`s${number}`, pod(`p${number}`)));
    for (let set = 0; set < 200; set++) {
      const name = `peers${number}-${set}`;
      compiler.setAddressGroup(group(name, pod("a", "10.0.1.1")));
      compiler.setPolicy(policy(`n${name}`, `s${number}`, rule({ peer: from(name) })));
    }
  }
  const added = change();
  assert.deepEqual(compiler.problems(), []);
  assert.equal(tables(added).filter((name) => name === "IngressRule").length, 400);
  assert.equal(tables(added).filter((name) => name === "IngressMembers").length, 2);
});

/** `count` policies for pod 1, each with peers of its own. */
function ownPeers(compiler: PolicyCompiler, count: number, addresses: number): void {
  compiler.setPort(port(1));
  compiler.setAppliedToGroup(group("subjects", pod("p1")));
  for (let set = 0; set < count; set++) {
    const ips = Array.from({ length: addresses }, (_, index) => `10.${index}.${set >> 8}.${set & 255}`);
    compiler.setAddressGroup(group(`peers${set}`, ...ips.map((ip) => pod(`a${ip}`, ip))));
    compiler.setPolicy(policy(`n${set}`, "subjects", rule({ peer: from(`peers${set}`) })));
  }
}
const flowsIn = (ledger: FlowLedger, name: TableName): number =>
  [...ledger.flows()].filter(([, { table }]) => table === pipeline.table(name)).length;

test("the 257th set of one pod stands in its rule when it is small", () => {
  const { compiler, change, ledger } = start();
  ownPeers(compiler, 257, 2);
  change();
  assert.deepEqual([flowsIn(ledger, "IngressRule"), flowsIn(ledger, "IngressMembers")], [256 + 2, 512]);
  const { rounds, inlineRules } = compiler.figures().In;
  assert.deepEqual([rounds, inlineRules, compiler.problems()], [1, 1, []]);
  compiler.patchAddressGroup({ name: "peers256", uid: "peers256", added: [pod("b", "10.9.9.9")], removed: [] });
  const joined = change();
  assert.deepEqual([tables(joined), joined.remove.length], [["IngressRule"], 0]);
});

test("large sets beyond 256 are matched in further rounds, which go when they are not needed any more", () => {
  const { compiler, change, ledger } = start();
  ownPeers(compiler, 600, 12);
  change();
  assert.deepEqual([compiler.figures().In.rounds, compiler.problems()], [3, []]);
  // A rule each, and two flows that lead from round to round.
  assert.deepEqual([flowsIn(ledger, "IngressRule"), flowsIn(ledger, "IngressMembers")], [602, 600 * 12]);
  for (let set = 100; set < 600; set++) compiler.removePolicy(`n${set}`);
  change();
  change();
  assert.deepEqual([compiler.figures().In.rounds, flowsIn(ledger, "IngressRule")], [1, 100]);
});

test("what needs more rounds than there are stands in its rule, up to a bound; beyond it is refused closed, and said", () => {
  const limits = {
    setsPerPage: 4,
    rounds: 2,
    tierRounds: 2,
    inlineAtOnce: 1,
    inlineFlowsOfRule: 20,
    inlineFlows: 50,
    flowsOfRule: 100,
    orderedRules: 100,
  };
  const { compiler, change, ledger } = start(undefined, limits);
  ownPeers(compiler, 20, 12);
  change();
  assert.deepEqual(compiler.figures().In, {
    profiles: 1,
    rounds: 2,
    profilesWithRounds: 1,
    inlineRules: 5,
    inlineFlows: 60,
    refusedRules: 7,
  });
  assert.equal(compiler.problems().length, 7);
  assert.match(compiler.problems()[0]?.reason ?? "", /more than 8 peer sets/);
  for (let set = 0; set < 8; set++) compiler.removePolicy(`n${set}`);
  change();
  change();
  assert.deepEqual([compiler.figures().In.refusedRules, compiler.problems()], [0, []]);
  assert.equal(flowsIn(ledger, "IngressRule"), 1 + 7 + 60);
});

test("with its allocations remembered, a restart of a pod with rounds makes the same flows", () => {
  const before = start();
  ownPeers(before.compiler, 300, 12);
  ownPeers(before.compiler, 310, 2);
  before.change();
  const after = start(JSON.parse(JSON.stringify(before.compiler.allocations())));
  ownPeers(after.compiler, 310, 2);
  after.change();
  const flows = (ledger: FlowLedger) => [...ledger.flows()].map(([, flow]) => plain(flow)).sort();
  assert.deepEqual(flows(after.ledger), flows(before.ledger));
});

test("egress to a named port follows the numbers that members declare", () => {
  const { compiler, change, ledger } = start();
  const declares = (name: string, ip: string, number: number) => ({
    ...pod(name, ip),
    ports: [{ name: "web", port: number, protocol: "TCP" as const }],
  });
  const portsInRules = (): string[] =>
    [...ledger.flows()].flatMap(([, { table, match }]) => (table === pipeline.table("EgressRule") ? [String(match.tcp_dst)] : [])).sort();
  compiler.setPort(port(1));
  compiler.setAppliedToGroup(group("subjects", pod("p1")));
  compiler.setAddressGroup({ name: "peers", uid: "peers", members: [declares("a", "10.0.1.1", 80)] });
  compiler.setPolicy(
    policy("n", "subjects", rule({ direction: "Out", peer: from("peers"), services: [{ protocol: "TCP", port: "web" }] })),
  );
  change();
  assert.deepEqual(portsInRules(), ["80", "80"]);
  compiler.patchAddressGroup({ name: "peers", uid: "peers", added: [declares("b", "10.0.1.2", 8080)], removed: [] });
  change();
  assert.deepEqual(portsInRules(), ["80", "80", "8080", "8080"]);
  compiler.patchAddressGroup({ name: "peers", uid: "peers", added: [], removed: [declares("a", "10.0.1.1", 80)] });
  change();
  assert.deepEqual(portsInRules(), ["8080", "8080"]);
});

test("with its allocations remembered, a restart in another order makes the same flows", () => {
  const fill = (compiler: PolicyCompiler, order: readonly number[]): void => {
    for (const number of order) {
      compiler.setPolicy(policy(`n${number}`, `s${number}`, rule({ peer: from(`peers${number}`) }), rule({ direction: "Out" })));
      compiler.setAddressGroup(group(`peers${number}`, pod("a", `10.0.1.${number}`)));
      compiler.setAppliedToGroup(group(`s${number}`, pod(`p${number}`)));
      compiler.setPort(port(number));
    }
  };
  const before = start();
  fill(before.compiler, [1, 2, 3]);
  before.change();
  before.compiler.setAppliedToGroup(group("s1", pod("p2")));
  before.change();
  const allocations: PolicyAllocations = JSON.parse(JSON.stringify(before.compiler.allocations()));
  const after = start(allocations);
  fill(after.compiler, [3, 2, 1]);
  after.compiler.setAppliedToGroup(group("s1", pod("p2")));
  after.change();
  const flows = (ledger: FlowLedger) => [...ledger.flows()].map(([, flow]) => plain(flow)).sort();
  assert.deepEqual(flows(after.ledger), flows(before.ledger));
});

test("with its allocations remembered, a restart leaves a rule at the priority that it got beside one that is gone", () => {
  const fill = (compiler: PolicyCompiler, numbers: readonly number[]): void => {
    compiler.setPort(port(1));
    compiler.setAppliedToGroup(group("subjects", pod("p1")));
    compiler.setAddressGroup(group("peers", pod("a", "10.0.1.1")));
    for (const number of numbers)
      compiler.setPolicy(policy(`n${number}`, "subjects", rule({ peer: from("peers"), services: tcp(number) })));
  };
  // Priorities are 64 000: of so many rules some would have the same one.
  const numbers = Array.from({ length: 1_000 }, (_, index) => index + 1);
  const [gone, kept] = [numbers.slice(0, 500), numbers.slice(500)];
  const before = start();
  fill(before.compiler, numbers);
  before.change();
  for (const number of gone) before.compiler.removePolicy(`n${number}`);
  before.change();
  const allocations: PolicyAllocations = JSON.parse(JSON.stringify(before.compiler.allocations()));
  const flows = ({ ledger }: { readonly ledger: FlowLedger }) => [...ledger.flows()].map(([, flow]) => plain(flow)).sort();
  const restart = (remembered: PolicyAllocations): string[] => {
    const after = start(remembered);
    fill(after.compiler, kept.toReversed());
    after.change();
    return flows(after);
  };
  assert.deepEqual(restart(allocations), flows(before));
  const { In, Out } = allocations;
  const forgotten = { In: { ...In, kubernetes: { ...In.kubernetes, orders: {} } }, Out };
  assert.notDeepEqual(restart(forgotten), flows(before), "some rule stood elsewhere than it would by itself");
});

test("what is not enforced yet is said by name and stays closed", () => {
  const { compiler, change } = start();
  compiler.setPort(port(1));
  compiler.setAppliedToGroup(group("subjects", pod("p1")));
  compiler.setPolicy(policy("n", "subjects", rule({ direction: "Out", peer: { ...nothing, fqdns: ["example.com"] } })));
  compiler.setPolicy({
    ...policy("m", "subjects", rule({ direction: "Out", peer: { ...nothing, toServices: [{ namespace: "shop", name: "web" }] } })),
    sourceRef: { type: "AntreaNetworkPolicy", namespace: "shop", name: "m", uid: "m" },
  });
  assert.ok(tables(change()).includes("EgressDefaultRule"));
  assert.deepEqual(
    compiler.problems().map(({ reason }) => reason),
    [
      "K8sNetworkPolicy shop/n: rule 0: fqdns are not enforced yet; what it allows stays closed",
      "AntreaNetworkPolicy shop/m: rule 0: toServices need antreaProxy, which is off on this node; these match nothing",
    ],
  );
});
