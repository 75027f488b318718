import assert from "node:assert/strict";
import { test } from "node:test";
import { type Group, type IpBlock, type NetworkPolicy, nothing, type PolicyRule, type ServiceMatch } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createFlowLedger, type FlowLedger } from "../flow-ledger.ts";
import { createPipeline, type TableName } from "../tables.ts";
import { createPolicyCompiler, type PolicyCompiler } from "./index.ts";
import { rule } from "./testing/rule.ts";

const pipeline = createPipeline();
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const policy = (name: string, ...rules: readonly PolicyRule[]): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: ["web"],
  rules,
});
const blocks = (...ipBlocks: readonly IpBlock[]) => ({ ...nothing, ipBlocks });
const group = (name: string, count: number): Group => ({
  name,
  uid: name,
  members: numbers(count).map((number) => ({ node: `n${number}`, ips: [parseAddress(`10.9.${number >> 8}.${number & 255}`)], ports: [] })),
});
const tcp = (port: number, endPort = port): ServiceMatch => ({ protocol: "TCP", port, endPort });

function start(): { readonly compiler: PolicyCompiler; readonly ledger: FlowLedger; readonly count: (table: TableName) => number } {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  compiler.setPort({
    interfaceName: "web",
    ofport: 5,
    mac: parseMac("0a:00:00:00:00:05"),
    addresses: [parseAddress("10.0.0.5"), parseAddress("fd00::5")],
    podNamespace: "shop",
    podName: "web",
    containerId: "c",
  });
  compiler.setAppliedToGroup({ name: "web", uid: "web", members: [{ pod: { namespace: "shop", name: "web" }, ips: [], ports: [] }] });
  const count = (name: TableName): number => [...ledger.flows()].filter(([, { table }]) => table === pipeline.table(name)).length;
  return { compiler, ledger, count };
}

test("1 000 rules of one policy over the same 500 peers are 1 000 flows and 500", () => {
  const { compiler, count } = start();
  compiler.setAddressGroup(group("peers", 500));
  const services = (number: number) => [tcp(1 + number), { protocol: "UDP" as const, port: 1 + number }];
  compiler.setPolicy(
    policy("many", ...numbers(1_000).map((number) => rule({ peer: { ...nothing, addressGroups: ["peers"] }, services: services(number) }))),
  );
  compiler.compile();
  // Two services, two families.
  assert.deepEqual([count("IngressRule"), count("IngressMembers")], [4 * 1_000, 500]);
  assert.deepEqual(compiler.problems(), []);
});

test("10 000 CIDRs with overlapping excepts are at most a flow for each prefix that is named", () => {
  const { compiler, count } = start();
  const hostile = numbers(10_000).map((number): IpBlock => {
    const [high, low] = [number >> 8, number & 255];
    const except = [`30.${high}.${low}.0/25`, `30.${high}.${low}.64/26`, `30.${high}.${low}.0/25`, `30.${high}.${low}.192/32`];
    return { cidr: parsePrefix(`30.${high}.${low & 0xfe}.0/23`), except: except.map(parsePrefix) };
  });
  compiler.setPolicy(policy("cidrs", rule({ peer: blocks(...hostile) })));
  compiler.compile();
  assert.equal(count("IngressRule"), 1);
  assert.equal(count("IngressPrefixes"), new Set(hostile.flatMap(({ cidr, except }) => [cidr, ...except].map(String))).size);
});

test("excepts that cover their block, one another, or lie outside of it are no more than prefixes", () => {
  const { compiler, count } = start();
  const block = (cidr: string, ...except: readonly string[]): IpBlock => ({ cidr: parsePrefix(cidr), except: except.map(parsePrefix) });
  compiler.setPolicy(
    policy(
      "odd",
      rule({
        peer: blocks(block("10.0.0.0/8", "10.0.0.0/8"), block("10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8"), block("0.0.0.0/0", "0.0.0.0/0")),
      }),
    ),
  );
  compiler.compile();
  assert.ok(count("IngressPrefixes") <= 3);
  assert.deepEqual(compiler.problems(), []);
});

test("every range of ports is the ports that they cover together, once", () => {
  const { compiler, count } = start();
  const services = numbers(2_000).map((number) => tcp(1 + number, 65_535 - number));
  compiler.setPolicy(policy("ranges", rule({ peer: blocks({ cidr: parsePrefix("192.0.2.0/24"), except: [] }), services })));
  compiler.compile();
  // 1 to 65535 in masks.
  assert.equal(count("IngressRule"), 16);
});

test("a rule with more flows than a rule may have is refused alone, closed, and by name", () => {
  const { compiler, count } = start();
  const peer = blocks({ cidr: parsePrefix("192.0.2.0/24"), except: [] });
  compiler.setPolicy(policy("every-second-port", rule({ peer, services: numbers(32_000).map((number) => tcp(1 + 2 * number)) })));
  compiler.setPolicy(policy("good", rule({ peer, services: [tcp(80)] })));
  compiler.compile();
  assert.deepEqual([count("IngressRule"), count("IngressDefaultRule")], [1, 1]);
  assert.deepEqual(compiler.problems(), [
    {
      policy: "every-second-port",
      reason: "K8sNetworkPolicy shop/every-second-port: a rule needs 32000 flows of at most 16384; what it allows stays closed",
    },
  ]);
});

test("prefix 0 matches its family without a lookup, with excepts by one", () => {
  const { compiler, count } = start();
  const whole = { cidr: parsePrefix("0.0.0.0/0"), except: [] };
  compiler.setPolicy(policy("all-v4", rule({ peer: blocks(whole, whole) })));
  compiler.compile();
  assert.deepEqual([count("IngressRule"), count("IngressPrefixes")], [1, 0]);
  compiler.setPolicy(policy("all-v4", rule({ peer: blocks({ ...whole, except: [parsePrefix("10.0.0.0/8")] }, whole) })));
  compiler.compile();
  assert.deepEqual([count("IngressRule"), count("IngressPrefixes")], [1, 0]);
  compiler.setPolicy(policy("all-v4", rule({ peer: blocks({ ...whole, except: [parsePrefix("10.0.0.0/8")] }) })));
  compiler.compile();
  assert.deepEqual([count("IngressRule"), count("IngressPrefixes")], [1, 2]);
});

test("names that no pod has allow nothing and cost nothing but the isolation", () => {
  const { compiler, count } = start();
  compiler.setAddressGroup(group("peers", 10));
  const named = numbers(200).map((number): ServiceMatch => ({ protocol: "TCP", port: `none-${number}` }));
  const peer = { ...nothing, addressGroups: ["peers", "group-that-is-not-there"] };
  compiler.setPolicy(policy("in", rule({ peer, services: named })));
  compiler.setPolicy(policy("out", rule({ direction: "Out", peer, services: named })));
  compiler.compile();
  const tables: TableName[] = ["IngressRule", "EgressRule", "EgressMembers", "IngressDefaultRule", "EgressDefaultRule"];
  assert.deepEqual(tables.map(count), [0, 0, 0, 1, 1]);
});

test("a policy that cannot be read isolates its own pods and no others, and says why", () => {
  const { compiler, count } = start();
  const broken = { ...rule({ direction: "Out" }), peer: undefined } as unknown as PolicyRule;
  compiler.setPolicy(policy("broken", broken));
  compiler.setPolicy(policy("good", rule({ peer: blocks({ cidr: parsePrefix("192.0.2.0/24"), except: [] }) })));
  compiler.compile();
  assert.deepEqual([count("EgressRule"), count("EgressDefaultRule"), count("IngressRule")], [0, 1, 1]);
  assert.match(compiler.problems()[0]?.reason ?? "", /^K8sNetworkPolicy shop\/broken: .*; what it allows stays closed$/);
  compiler.removePolicy("broken");
  compiler.compile();
  assert.deepEqual([count("EgressDefaultRule"), compiler.problems()], [0, []]);
});
