import assert from "node:assert/strict";
import { test } from "node:test";
import { type GroupMember, nothing } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { type Random, seededRandom } from "#lib/runtime/random.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline } from "../tables.ts";
import { createPolicyCompiler, decodeAllocations, type EncodingLimits, encodingLimits, type PolicyCompiler } from "./index.ts";
import { rule } from "./testing/rule.ts";

const pipeline = createPipeline();
const names = ["a", "b", "c", "d", "e", "f"];
/** So few that there are rounds, rules with their peers in them, and rules without a place. */
const few: EncodingLimits = { ...encodingLimits, setsPerPage: 1, rounds: 2, tierRounds: 2, inlineAtOnce: 2, inlineFlowsOfRule: 4 };

const port = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac(`0a:00:00:00:00:0${number}`),
  addresses: [parseAddress(`10.0.0.${number}`)],
  podNamespace: "shop",
  podName: `pod${number}`,
  containerId: `c${number}`,
});
const subject = (number: number): GroupMember => ({ pod: { namespace: "shop", name: `pod${number}` }, ips: [], ports: [] });
const peer = (number: number): GroupMember => ({
  pod: { namespace: "shop", name: `peer${number}` },
  ips: [parseAddress(`10.0.1.${number}`)],
  ports: [],
});

/** One change of what the compiler knows. */
type Change = (compiler: PolicyCompiler) => void;

/** Peers come to a group, or go: rules with their peers in them have more or fewer flows, and maybe another place. */
function ofMembers(random: Random): Change {
  const name = names[random.below(names.length)] ?? "a";
  const members = Array.from({ length: 1 + random.below(6) }, () => peer(random.below(12)));
  const [added, removed] = random.below(2) === 0 ? [members, []] : [[], members];
  return (compiler) => {
    compiler.patchAddressGroup({ name, uid: name, added, removed });
    compiler.compile();
    compiler.settle();
  };
}

function anyChange(random: Random): Change {
  const any = (): string => names[random.below(names.length)] ?? "a";
  const [name, group, other, number] = [any(), any(), any(), 1 + random.below(5)];
  const direction = random.below(2) === 0 ? "In" : "Out";
  const [tierPriority, priority] = [random.below(2) === 0 ? 250 : 253, random.below(4)];
  const policy = { name, uid: name, generation: 1, appliedToGroups: [any()] };
  const kinds: readonly Change[] = [
    (compiler) => compiler.setPort(port(number)),
    (compiler) => (number > 3 ? compiler.removePort(`pod${number}`) : compiler.setPort(port(number))),
    (compiler) => compiler.patchAppliedToGroup({ name: group, uid: group, added: [subject(number)], removed: [] }),
    (compiler) => compiler.patchAppliedToGroup({ name: group, uid: group, added: [], removed: [subject(number)] }),
    (compiler) => compiler.patchAddressGroup({ name: group, uid: group, added: [peer(number), peer(number + 10)], removed: [] }),
    (compiler) => compiler.patchAddressGroup({ name: group, uid: group, added: [], removed: [peer(number)] }),
    (compiler) =>
      compiler.setPolicy({
        ...policy,
        sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
        rules: names.map((each) => rule({ direction, peer: { ...nothing, addressGroups: [each] } })),
      }),
    (compiler) =>
      compiler.setPolicy({
        ...policy,
        sourceRef: { type: "AntreaClusterNetworkPolicy", name, uid: name },
        tierPriority,
        priority,
        rules: [rule({ direction, action: "Drop", priority: 0, peer: { ...nothing, addressGroups: [group, other] } })],
      }),
    (compiler) => compiler.removePolicy(name),
    (compiler) => void compiler.settle(),
  ];
  return kinds[random.below(kinds.length)] ?? kinds[0] ?? (() => {});
}

function start(): PolicyCompiler {
  const compiler = createPolicyCompiler({ pipeline, ledger: createFlowLedger(), limits: few });
  for (const number of [1, 2, 3]) compiler.setPort(port(number));
  for (const [at, name] of names.entries()) {
    compiler.setAppliedToGroup({ name, uid: name, members: [subject(1 + (at % 3))] });
    compiler.setAddressGroup({ name, uid: name, members: [peer(20 + at)] });
  }
  return compiler;
}

test("who asks after each change is told the same as who asks once, and can read it again", () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = seededRandom(seed);
    const changes = [
      ...Array.from({ length: 1 + random.below(80) }, () => anyChange(random)),
      ...Array.from({ length: random.below(6) }, () => ofMembers(random)),
    ];
    const [asked, unasked] = [start(), start()];
    for (const change of changes) {
      for (const compiler of [asked, unasked]) {
        change(compiler);
        compiler.compile();
      }
      asked.allocations();
    }
    const allocations = unasked.allocations();
    assert.deepEqual(asked.allocations(), allocations, `seed ${seed}`);
    assert.deepEqual(decodeAllocations(JSON.parse(JSON.stringify(allocations))), { ok: true, value: allocations });
  }
});

test("as long as no number changes, what is told is the same object", () => {
  const compiler = start();
  compiler.setPolicy({
    name: "p",
    uid: "p",
    generation: 1,
    appliedToGroups: ["a"],
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "p", uid: "p" },
    rules: [rule({ peer: { ...nothing, addressGroups: ["a"] } })],
  });
  compiler.compile();
  compiler.settle();
  const before = compiler.allocations();
  compiler.patchAddressGroup({ name: "a", uid: "a", added: [peer(1)], removed: [] });
  compiler.compile();
  compiler.settle();
  assert.equal(compiler.allocations(), before);
  compiler.removePort("pod1");
  compiler.compile();
  assert.notEqual(compiler.allocations(), before);
});

test("what no compiler gives away is refused", () => {
  const given = JSON.parse(JSON.stringify(start().allocations())) as { readonly In: Record<string, unknown> };
  const wrong: Readonly<Record<string, unknown>> = {
    bits: { 0: { set: 256 } },
    doors: { 1: 65_536 },
    tiers: { ports: { pod1: [{ id: 1 }] }, inline: [], orders: {} },
    kubernetes: { ports: {}, inline: [1], orders: {} },
    baseline: { ports: {}, inline: [], orders: { 1: [[1, 2]] } },
  };
  for (const [name, value] of Object.entries(wrong)) {
    const read = decodeAllocations({ ...given, In: { ...given.In, [name]: value } });
    assert.ok(!read.ok && read.path.startsWith(`allocations.In.${name}`), JSON.stringify(read));
  }
  for (const value of [undefined, null, 1, "In", [], {}]) assert.equal(decodeAllocations(value).ok, false);
});
