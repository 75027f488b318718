import assert from "node:assert/strict";
import { test } from "node:test";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy, AntreaRule } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import { completePolicy } from "./defaults.ts";
import { checkGroup } from "./groups.ts";
import { checkPolicy } from "./policies.ts";
import { checkClusterNetworkPolicy, checkTier } from "./tiers.ts";

type Spec = NonNullable<AntreaPolicy["spec"]>;
const web = { podSelector: { matchLabels: { app: "web" } } };
const policy = (spec: Partial<Spec>): AntreaPolicy => ({ metadata: { name: "p" }, spec: { priority: 1, appliedTo: [web], ...spec } });
const denialOf = (spec: Partial<Spec>, l7NetworkPolicy = false): string | undefined =>
  checkPolicy({ object: policy(spec) }, { tierExists: spec.tier === "own", l7NetworkPolicy }).denial;
const ingress = (...rules: Partial<AntreaRule>[]): Partial<Spec> => ({ ingress: rules.map((rule) => ({ action: "Drop", ...rule })) });
const egress = (...rules: Partial<AntreaRule>[]): Partial<Spec> => ({ egress: rules.map((rule) => ({ action: "Drop", ...rule })) });
const service = { service: { namespace: "x", name: "s" } };

for (const [spec, denial] of [
  [{}, undefined],
  [{ tier: "own" }, undefined],
  [{ tier: "SecurityOps" }, undefined],
  [{ tier: "other" }, "tier other does not exist"],
  [{ tier: "Baseline", ...ingress({ action: "Pass" }) }, "`Pass` action should not be set for Baseline Tier policy rules"],
  [{ ...ingress({ name: "a" }), ...egress({ name: "a" }) }, "rules names must be unique within the policy"],
  [ingress({ appliedTo: [web] }), "appliedTo should not be set in both spec and rules"],
  [{ appliedTo: [], ...ingress({}) }, "appliedTo needs to be set in either spec or rules"],
  [{ appliedTo: [], ...ingress({ appliedTo: [web] }, {}) }, "appliedTo field should either be set in all rules or in none of them"],
  [{ appliedTo: [{ ...web, group: "g" }] }, "group cannot be set with other peers in appliedTo"],
  [{ appliedTo: [service], ...egress({}) }, "egress rule cannot be applied to Services"],
  [{ appliedTo: [service, web] }, "a rule/policy cannot be applied to Services and other peers at the same time"],
  [{ appliedTo: [{ podSelector: { matchLabels: { "a b": "c" } } }] }, "Invalid label key: a b"],
  [ingress({ from: [{ podSelector: { matchLabels: { a: "c d" } } }] }), "Invalid label value: c d"],
  [
    ingress({ from: [{ namespaces: { match: "Self" }, namespaceSelector: {} }] }),
    "namespaces and namespaceSelector cannot be set at the same time for a single NetworkPolicyPeer",
  ],
  [
    ingress({ from: [{ namespaces: { match: "Self", sameLabels: ["a"] } }] }),
    "only one matching criteria can be specified in a single peer namespaces field",
  ],
  [ingress({ from: [{ namespaces: { sameLabels: ["-"] } }] }), "Invalid label key in sameLabels rule: -"],
  [
    ingress({ from: [{ ipBlock: { cidr: "10.0.0.0/24", except: ["10.0.0.0/24"] } }] }),
    "except CIDR 10.0.0.0/24 is not a strict subset of CIDR 10.0.0.0/24",
  ],
  [ingress({ from: [{ ...web, nodeSelector: {} }] }), "nodeSelector cannot be set with other peers in rules"],
  [egress({ toServices: [{ name: "s" }], ports: [{ port: 80 }] }), "`toServices` cannot be used with `to`, `ports` or `protocols`"],
  [
    egress({ toServices: [{ name: "s" }, { name: "far", scope: "ClusterSet" }] }),
    "toServices: far has scope ClusterSet, but Services of other clusters are not known here",
  ],
  [
    { appliedTo: [service], ...ingress({ from: [web] }) },
    "a rule/policy that is applied to Services can only use ipBlock to select workloads",
  ],
  [egress({ to: [{ fqdn: "a_b" }] }), "invalid characters in egress rule fqdn field: a_b"],
  [egress({ action: "Reject", to: [{ ipBlock: { cidr: "224.1.1.1/32" } }] }), "multicast does not support action Pass or Reject"],
  [
    egress({ to: [{ ipBlock: { cidr: "224.1.1.1/32" } }, web] }),
    "can not set multicast groupAddress and unicast ip address at the same time",
  ],
  [ingress({ action: "Pass", protocols: [{ igmp: {} }] }), "protocol IGMP does not support Pass or Reject"],
  [
    ingress({ from: [web], protocols: [{ igmp: {} }] }),
    "protocol IGMP can not be used with other protocols or other properties like from, to",
  ],
  [ingress({ protocols: [{ igmp: {} }] }, { from: [web] }), undefined],
  [ingress({ action: "Allow", l7Protocols: [{ http: {} }] }), "layer 7 protocols can only be used when L7NetworkPolicy is enabled"],
  [ingress({ ports: [{ endPort: 1 }] }), "if `endPort` is specified `port` must be specified"],
  [ingress({ ports: [{ port: 2, endPort: 1 }] }), "`endPort` should be greater than or equal to `port`"],
] as const satisfies readonly (readonly [Partial<Spec>, string | undefined])[])
  test(`a policy ${JSON.stringify(spec)}: ${denial ?? "is allowed"}`, () => assert.equal(denialOf(spec), denial));

test("layer 7 protocols go with Allow only", () => {
  assert.equal(denialOf(ingress({ l7Protocols: [{ http: {} }] }), true), "layer 7 protocols only support Allow");
});

test("a rule without a name gets one of its content, a policy without a tier the default one", () => {
  const patchOf = (rule: AntreaRule) => completePolicy({ object: policy({ ingress: [rule, { action: "Allow", name: "mine" }] }) }).patch;
  const patch = patchOf({ action: "Drop", from: [web] });
  assert.deepEqual(
    patch?.map(({ op, path }) => [op, path]),
    [
      ["replace", "/spec/ingress"],
      ["add", "/spec/tier"],
    ],
  );
  const [named, kept] = (patch?.[0]?.value ?? []) as AntreaRule[];
  assert.match(named?.name ?? "", /^ingress-drop-[0-9a-f]{7}$/);
  assert.equal(kept?.name, "mine");
  assert.deepEqual(patchOf({ from: [web], action: "Drop" }), patch);
  assert.deepEqual(completePolicy({ object: policy({ tier: "own", ...ingress({ name: "a" }) }) }).patch, []);
});

test("tiers keep their priorities, and those that are always there or used stay", () => {
  const tier = (name: string, priority: number): Tier => ({ metadata: { name }, spec: { priority } });
  const context = {
    tiers: [tier("own", 120)],
    isUsed: true,
    clusterNetworkPolicy: true,
    controller: "controller",
  };
  const check = (operation: "CREATE" | "UPDATE" | "DELETE", object?: Tier, oldObject?: Tier, username = "user") =>
    checkTier({ uid: "u", operation, username, object, oldObject }, context).denial;
  assert.equal(check("CREATE", tier("a", 130)), undefined);
  assert.match(check("CREATE", tier("a", 120)) ?? "", /overlaps with existing Tier/);
  assert.match(check("CREATE", tier("a", 252)) ?? "", /reserved/);
  assert.match(check("CREATE", tier("a", 220)) ?? "", /reserved/);
  assert.equal(check("UPDATE", tier("own", 121), tier("own", 120)), "update to Tier priority is not allowed");
  assert.equal(check("UPDATE", tier("baseline", 253), tier("baseline", 1), "controller"), undefined);
  assert.equal(check("DELETE", undefined, tier("baseline", 253)), "cannot delete reserved tier baseline");
  assert.match(check("DELETE", undefined, tier("own", 120)) ?? "", /is referenced/);
  const many = Array.from({ length: 20 }, (_, index) => tier(`t${index}`, index));
  assert.match(
    checkTier({ uid: "u", operation: "CREATE", username: "", object: tier("a", 100), oldObject: undefined }, { ...context, tiers: many })
      .denial ?? "",
    /maximum number of Tiers supported: 20/,
  );
});

test("a tier where ClusterNetworkPolicies stand keeps these out", () => {
  assert.deepEqual(checkClusterNetworkPolicy([{ metadata: { name: "own" }, spec: { priority: 120 } }]), {});
  assert.match(
    checkClusterNetworkPolicy([{ metadata: { name: "mine" }, spec: { priority: 220 } }]).denial ?? "",
    /tier mine has priority 220/,
  );
});

test("groups select in one way and nest once", () => {
  const group = (name: string, spec: AntreaGroup["spec"] & object): AntreaGroup => ({ metadata: { name }, spec });
  const siblings = [group("parent", { childGroups: ["child"] }), group("child", web)];
  const denial = (spec: AntreaGroup["spec"] & object, name = "g") => checkGroup({ object: group(name, spec) }, { siblings }).denial;
  assert.equal(denial({ ...web, namespaceSelector: {} }), undefined);
  assert.match(denial({ ...web, serviceReference: { name: "s" } }) ?? "", /^At most one of/);
  assert.match(denial({ ...web, ipBlocks: [{ cidr: "10.0.0.0/8" }] }) ?? "", /^At most one of/);
  assert.equal(denial({ childGroups: ["child", "later"] }), undefined);
  assert.match(denial({ childGroups: ["parent"] }) ?? "", /who has childGroups itself/);
  assert.match(denial({ childGroups: ["x"] }, "child") ?? "", /who has a parent group parent/);
  assert.match(denial({ childGroups: ["g"] }) ?? "", /itself/);
  assert.match(denial({ ipBlocks: [{ cidr: "10.0.0.0/8" }, { cidr: "224.0.0.0/24" }] }) ?? "", /multicast/);
});
