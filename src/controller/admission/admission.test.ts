import assert from "node:assert/strict";
import { test } from "node:test";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy, AntreaRule } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import { completePolicy } from "./defaults.ts";
import { checkGroup } from "./groups.ts";
import { labelNamespace } from "./namespaces.ts";
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

const block = (cidr: string, ...except: string[]) => ({ ipBlock: { cidr, except } });
const http = { l7Protocols: [{ http: {} }], action: "Allow" };
/** Each line of the interface sheet's table of checks: a policy that is refused, with the denial and the field it names, beside one that is not. */
const policies: readonly (readonly [Partial<Spec>, string | undefined])[] = [
  [{}, undefined],
  // 1: tiers
  [{ tier: "own" }, undefined],
  [{ tier: "securityops" }, undefined],
  [{ tier: "SecurityOps" }, undefined],
  [{ tier: "SECURITYOPS" }, "tier SECURITYOPS does not exist (spec.tier)"],
  [{ tier: "other" }, "tier other does not exist (spec.tier)"],
  // 2: Pass in the last tier
  [
    { tier: "Baseline", ...ingress({ action: "Pass" }) },
    "`Pass` action should not be set for Baseline Tier policy rules (spec.ingress[0].action)",
  ],
  [
    { tier: "baseline", ...egress({}, { action: "Pass" }) },
    "`Pass` action should not be set for Baseline Tier policy rules (spec.egress[1].action)",
  ],
  [{ tier: "own", ...ingress({ action: "Pass" }) }, undefined],
  // 3: names of rules
  [{ ...ingress({ name: "a" }), ...egress({ name: "a" }) }, "rules names must be unique within the policy (spec.egress[0].name: a)"],
  [{ ...ingress({ name: "a" }), ...egress({ name: "b" }) }, undefined],
  // 4: where subjects stand
  [ingress({ appliedTo: [web] }), "appliedTo should not be set in both spec and rules (spec.ingress[0].appliedTo)"],
  [{ appliedTo: [], ...ingress({}) }, "appliedTo needs to be set in either spec or rules (spec.appliedTo)"],
  [{ appliedTo: [] }, "appliedTo needs to be set in either spec or rules (spec.appliedTo)"],
  [
    { appliedTo: [], ...ingress({ appliedTo: [web] }), ...egress({}) },
    "appliedTo field should either be set in all rules or in none of them (spec.egress[0].appliedTo)",
  ],
  [{ appliedTo: [], ...ingress({ appliedTo: [web] }), ...egress({ appliedTo: [web] }) }, undefined],
  // 5: kinds of subjects that stand alone
  [{ appliedTo: [{ ...web, group: "g" }] }, "group cannot be set with other peers in appliedTo (spec.appliedTo[0])"],
  [{ appliedTo: [web, { ...web, nodeSelector: {} }] }, "nodeSelector cannot be set with other peers in appliedTo (spec.appliedTo[1])"],
  [
    { appliedTo: [], ...ingress({ appliedTo: [{ ...web, serviceAccount: { namespace: "x", name: "s" } }] }) },
    "serviceAccount cannot be set with other peers in appliedTo (spec.ingress[0].appliedTo[0])",
  ],
  [{ appliedTo: [{ ...web, ...service }] }, "service cannot be set with other peers in appliedTo (spec.appliedTo[0])"],
  [{ appliedTo: [{ ...web, namespaceSelector: {} }] }, undefined],
  // 6: Services as subjects
  [{ appliedTo: [service], ...egress({}) }, "egress rule cannot be applied to Services (spec.appliedTo[0])"],
  [
    { appliedTo: [], ...ingress({ appliedTo: [web] }), ...egress({ appliedTo: [service] }) },
    "egress rule cannot be applied to Services (spec.egress[0].appliedTo[0])",
  ],
  [{ appliedTo: [service, web] }, "a rule/policy cannot be applied to Services and other peers at the same time (spec.appliedTo[1])"],
  [{ appliedTo: [], ...ingress({ appliedTo: [service] }, { appliedTo: [web] }) }, undefined],
  // 7: labels
  [
    { appliedTo: [{ podSelector: { matchLabels: { "a b": "c" } } }] },
    "Invalid label key: a b: at most 63 letters, digits, '-', '_' and '.', behind a DNS name and '/' or without (spec.appliedTo[0].podSelector.matchLabels)",
  ],
  [
    ingress({ from: [{ nodeSelector: { matchLabels: { a: "c d" } } }] }),
    "Invalid label value: c d: at most 63 letters, digits, '-', '_' and '.' (spec.ingress[0].from[0].nodeSelector.matchLabels)",
  ],
  [ingress({ from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "" } } }] }), undefined],
  // 8: namespaces of peers
  [
    ingress({ from: [{ namespaces: { match: "Self" }, namespaceSelector: {} }] }),
    "namespaces and namespaceSelector cannot be set at the same time for a single NetworkPolicyPeer (spec.ingress[0].from[0])",
  ],
  [
    ingress({ from: [{ namespaces: { match: "Self", sameLabels: ["a"] } }] }),
    "only one matching criteria can be specified in a single peer namespaces field (spec.ingress[0].from[0].namespaces)",
  ],
  [
    ingress({ from: [{ namespaces: { sameLabels: ["-"] } }] }),
    "Invalid label key in sameLabels rule: - (spec.ingress[0].from[0].namespaces.sameLabels)",
  ],
  [egress({ to: [{ ...web, namespaces: { sameLabels: ["example.org/org"] } }] }), undefined],
  // 9: blocks
  [ingress({ from: [block("")] }), "field 'cidr' is required in an ipBlock (spec.ingress[0].from[0].ipBlock)"],
  [ingress({ from: [block("10.0.0.0")] }), "invalid CIDR address: 10.0.0.0 (spec.ingress[0].from[0].ipBlock)"],
  [egress({ to: [web, block("10.0.0.0/8", "x")] }), "invalid except CIDR value: invalid CIDR address: x (spec.egress[0].to[1].ipBlock)"],
  [
    ingress({ from: [block("10.0.0.0/24", "10.0.0.0/24")] }),
    "except CIDR 10.0.0.0/24 is not a strict subset of CIDR 10.0.0.0/24 (spec.ingress[0].from[0].ipBlock)",
  ],
  [
    ingress({ from: [block("fd00::/64", "10.0.0.0/24")] }),
    "except CIDR 10.0.0.0/24 is not a strict subset of CIDR fd00::/64 (spec.ingress[0].from[0].ipBlock)",
  ],
  [ingress({ from: [block("10.0.0.0/24", "10.0.0.8/29"), block("fd00::/64", "fd00::1/128")] }), undefined],
  // 10: kinds of peers that stand alone
  [ingress({ from: [{ ...web, nodeSelector: {} }] }), "nodeSelector cannot be set with other peers in rules (spec.ingress[0].from[0])"],
  [egress({ to: [{ ...web, group: "g" }] }), "group cannot be set with other peers in rules (spec.egress[0].to[0])"],
  [
    ingress({ from: [{ ...web, serviceAccount: { namespace: "x", name: "s" } }] }),
    "serviceAccount cannot be set with other peers in rules (spec.ingress[0].from[0])",
  ],
  // 11: Services as peers
  [
    egress({ toServices: [{ name: "s" }], ports: [{ port: 80 }] }),
    "`toServices` cannot be used with `to`, `ports` or `protocols` (spec.egress[0].toServices)",
  ],
  [
    egress({ toServices: [{ name: "s" }], protocols: [{ icmp: {} }] }),
    "`toServices` cannot be used with `to`, `ports` or `protocols` (spec.egress[0].toServices)",
  ],
  [
    egress({ toServices: [{ name: "s" }], to: [web] }),
    "`toServices` cannot be used with `to`, `ports` or `protocols` (spec.egress[0].toServices)",
  ],
  // its status tells that Services of other clusters are not known
  [egress({ toServices: [{ name: "s" }, { name: "far", scope: "ClusterSet" }] }), undefined],
  [egress({ toServices: [{ name: "s", scope: "Cluster" }] }), undefined],
  // 12: peers of what is applied to Services
  [
    { appliedTo: [service], ...ingress({ from: [block("10.0.0.0/8"), web] }) },
    "a rule/policy that is applied to Services can only use ipBlock to select workloads (spec.ingress[0].from[1])",
  ],
  [
    { appliedTo: [], ...ingress({ appliedTo: [service], from: [web] }) },
    "a rule/policy that is applied to Services can only use ipBlock to select workloads (spec.ingress[0].from[0])",
  ],
  [{ appliedTo: [service], ...ingress({ from: [block("10.0.0.0/8")] }, {}) }, undefined],
  // 13: names of hosts
  [egress({ to: [{ fqdn: "a_b" }] }), "invalid characters in egress rule fqdn field: a_b (spec.egress[0].to[0].fqdn)"],
  [egress({ to: [{ fqdn: "*.Example-1.org" }] }), undefined],
  // 14: groups of hosts
  [egress({ action: "Reject", to: [block("224.1.1.1/32")] }), "multicast does not support action Pass or Reject (spec.egress[0].action)"],
  [egress({ action: "Pass", to: [block("ff02::1/128")] }), "multicast does not support action Pass or Reject (spec.egress[0].action)"],
  [
    egress({ to: [block("224.1.1.1/32"), block("10.0.0.0/8")] }),
    "can not set multicast groupAddress and unicast ip address at the same time (spec.egress[0].to[1])",
  ],
  [
    egress({ to: [{ ...block("224.1.1.1/32"), ...web }] }),
    "can not set multicast groupAddress and selectors at the same time (spec.egress[0].to[0])",
  ],
  [egress({ to: [block("224.1.1.1/32"), web] }), undefined],
  [egress({ action: "Reject", to: [block("0.0.0.0/0")] }), undefined],
  [ingress({ action: "Reject", from: [block("224.1.1.1/32")] }), undefined],
  // 15: IGMP
  [ingress({ action: "Pass", protocols: [{ igmp: {} }] }), "protocol IGMP does not support Pass or Reject (spec.ingress[0].action)"],
  [
    egress({ protocols: [{ igmp: { groupAddress: "10.0.0.1" } }] }),
    "groupAddress 10.0.0.1 is not multicast address (spec.egress[0].protocols[0].igmp.groupAddress)",
  ],
  ...[{ from: [web] }, { ports: [{ port: 1 }] }, { protocols: [{ igmp: {} }, { icmp: {} }] }].map(
    (beside) =>
      [
        ingress({ protocols: [{ igmp: {} }], ...beside }),
        "protocol IGMP can not be used with other protocols or other properties like from, to (spec.ingress[0])",
      ] as const,
  ),
  [ingress({ protocols: [{ igmp: { groupAddress: "224.0.0.5" } }] }, { from: [web] }), undefined],
  // 16: layer 7
  [ingress(http), "layer 7 protocols can only be used when L7NetworkPolicy is enabled (spec.ingress[0].l7Protocols)"],
  // 17: ports
  [ingress({ ports: [{ endPort: 1 }] }), "if `endPort` is specified `port` must be specified (spec.ingress[0].ports[0])"],
  [ingress({ ports: [{ port: "http", endPort: 1 }] }), "if `port` is a string `endPort` cannot be specified (spec.ingress[0].ports[0])"],
  [
    egress({ ports: [{ port: 1 }, { port: 2, endPort: 1 }] }),
    "`endPort` should be greater than or equal to `port` (spec.egress[0].ports[1])",
  ],
  [ingress({ ports: [{ sourceEndPort: 1 }] }), "if `sourceEndPort` is specified `sourcePort` must be specified (spec.ingress[0].ports[0])"],
  [
    ingress({ ports: [{ sourcePort: 2, sourceEndPort: 1 }] }),
    "`sourceEndPort` should be greater than or equal to `sourcePort` (spec.ingress[0].ports[0])",
  ],
  [ingress({ ports: [{ port: 2, endPort: 2, sourcePort: 0, sourceEndPort: 9 }] }), undefined],
];
for (const [spec, denial] of policies)
  test(`a policy ${JSON.stringify(spec)}: ${denial ?? "is allowed"}`, () => assert.equal(denialOf(spec), denial));

for (const [rule, denial] of [
  [{ ...http, action: "Drop" }, "layer 7 protocols only support Allow (spec.egress[0].action)"],
  [{ ...http, toServices: [{ name: "s" }] }, "layer 7 protocols can not be used with toServices (spec.egress[0].toServices)"],
  [
    { ...http, ports: [{ port: 80 }, { protocol: "UDP", port: 80 }] },
    "HTTP protocol can only be used when layer 4 protocol is TCP or unset (spec.egress[0].ports[1].protocol)",
  ],
  [{ ...http, protocols: [{ icmp: {} }] }, "HTTP protocol can not be used with protocol IGMP or ICMP (spec.egress[0].protocols[0])"],
  [{ ...http, ports: [{ protocol: "TCP", port: 80 }] }, undefined],
  [{ action: "Allow", l7Protocols: [{ tls: { sni: "*.example.org" } }], ports: [{ protocol: "UDP", port: 443 }] }, undefined],
] as const satisfies readonly (readonly [Partial<AntreaRule>, string | undefined])[])
  test(`with L7NetworkPolicy, a rule ${JSON.stringify(rule)}: ${denial ?? "is allowed"}`, () =>
    assert.equal(denialOf(egress(rule), true), denial));

test("a long log label of a rule for Nodes is taken with a warning", () => {
  const warnings = (appliedTo: NonNullable<Spec["appliedTo"]>, logLabel: string, enableLogging = true) =>
    checkPolicy({ object: policy({ appliedTo, ...egress({ enableLogging, logLabel }) }) }, { tierExists: false, l7NetworkPolicy: false })
      .warnings;
  assert.match(
    warnings([{ nodeSelector: {} }], "longer-than-twelve")?.[0] ?? "",
    /longer-than-twelve .*12 .*\(spec\.egress\[0\]\.logLabel\)$/,
  );
  assert.deepEqual(warnings([{ nodeSelector: {} }], "twelve-chars"), []);
  assert.deepEqual(warnings([{ nodeSelector: {} }], "longer-than-twelve", false), []);
  assert.deepEqual(warnings([web], "longer-than-twelve"), []);
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
  assert.equal(check("UPDATE", tier("own", 121), tier("own", 120)), "update to Tier priority is not allowed (spec.priority)");
  assert.equal(check("UPDATE", { ...tier("own", 120), spec: { priority: 120, description: "new" } }, tier("own", 120)), undefined);
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
  const group = (name: string, spec: AntreaGroup["spec"] & object): AntreaGroup => ({ metadata: { name, namespace: "x" }, spec });
  const siblings = [group("parent", { childGroups: ["child"] }), group("child", web)];
  const denial = (spec: AntreaGroup["spec"] & object, name = "g") => checkGroup({ object: group(name, spec) }, { siblings }).denial;
  for (const spec of [
    { ...web, namespaceSelector: {} },
    { externalEntitySelector: {}, namespaceSelector: {} },
    { childGroups: ["child", "later"] },
    { ipBlocks: [block("224.0.0.0/24").ipBlock, block("ff02::/64").ipBlock] },
  ])
    assert.equal(denial(spec), undefined);
  const { ipBlock } = block("10.0.0.0/8");
  for (const [spec, fields] of [
    [{ ...web, serviceReference: { name: "s" } }, "spec.podSelector, spec.serviceReference"],
    [{ namespaceSelector: {}, serviceReference: { name: "s" } }, "spec.namespaceSelector, spec.serviceReference"],
    [{ serviceReference: { name: "s" }, ipBlocks: [ipBlock] }, "spec.serviceReference, spec.ipBlocks"],
    [{ ...web, ipBlocks: [ipBlock] }, "spec.podSelector, spec.ipBlocks"],
    [{ namespaceSelector: {}, ipBlocks: [ipBlock] }, "spec.namespaceSelector, spec.ipBlocks"],
    [{ ...web, childGroups: ["child"] }, "spec.podSelector, spec.childGroups"],
    [{ serviceReference: { name: "s" }, childGroups: ["child"] }, "spec.serviceReference, spec.childGroups"],
    [{ namespaceSelector: {}, nodeSelector: {} }, "spec.namespaceSelector, spec.nodeSelector"],
    [
      { ...web, namespaceSelector: {}, externalEntitySelector: {} },
      "spec.podSelector, spec.namespaceSelector, spec.externalEntitySelector",
    ],
  ] as const) {
    assert.match(denial(spec) ?? "", /^At most one of/);
    assert.ok(denial(spec)?.endsWith(`(${fields})`), denial(spec) ?? "allowed");
  }
  for (const [spec, expected, name] of [
    [{ childGroups: ["parent"] }, "cannot set group parent as childGroup, who has 1 childGroups itself (spec.childGroups)"],
    [{ childGroups: ["later"] }, "cannot set childGroups for Group x/child, who has 1 parents: parent (spec.childGroups)", "child"],
    [{ childGroups: ["later", "g"] }, "cannot set Group x/g as its own childGroup (spec.childGroups)"],
    [{ ipBlocks: [ipBlock, { cidr: "10.0.0" }] }, "invalid CIDR address: 10.0.0 (spec.ipBlocks[1])"],
    [
      { ipBlocks: [ipBlock, block("224.0.0.0/24").ipBlock] },
      "can not set multicast groupAddress together with unicast ip address (spec.ipBlocks[1])",
    ],
    [
      { podSelector: { matchLabels: { app: "-" } } },
      "Invalid label value: -: at most 63 letters, digits, '-', '_' and '.' (spec.podSelector.matchLabels)",
    ],
  ] as const)
    assert.equal(denial(spec, name), expected);
  const cluster = { metadata: { name: "g" }, spec: { childGroups: ["g"] } };
  assert.equal(
    checkGroup({ object: cluster }, { siblings: [] }).denial,
    "cannot set ClusterGroup g as its own childGroup (spec.childGroups)",
  );
});

test("a Namespace gets the label of its name, once", () => {
  const patch = (labels?: Record<string, string>) =>
    labelNamespace({ object: { metadata: { name: "shop", ...(labels && { labels }) } } }).patch;
  assert.deepEqual(patch(), [{ op: "add", path: "/metadata/labels", value: { "antrea.io/metadata.name": "shop" } }]);
  assert.deepEqual(patch({ a: "b" }), [{ op: "add", path: "/metadata/labels/antrea.io~1metadata.name", value: "shop" }]);
  assert.equal(patch({ "antrea.io/metadata.name": "shop" }), undefined);
});
