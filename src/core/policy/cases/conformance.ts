import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
} from "#core/api/upstream/cluster-network-policy.ts";
import type { PolicyCase, Row, Step } from "./case.ts";
import { apply, block, drop, ns, ok, remove } from "./notation.ts";
import { cnp, unset } from "./tier-notation.ts";

type Tier = "Admin" | "Baseline";
type Direction = "ingress" | "egress";
type Action = "Accept" | "Deny" | "Pass";

// The suite's four houses, with the fixture's namespaces and pods: whom the policies are about, those that are allowed everything (A), those that are denied one port (B), and those
// that are allowed one port (C). B and C are told apart by their pods.
const house = (name: string): ClusterPolicyPeer & { readonly namespaces: object } => ({ namespaces: { matchLabels: { ns: name } } });
const podsOfZ = (...names: string[]): ClusterPolicyPeer => ({
  pods: {
    namespaceSelector: { matchLabels: { ns: "z" } },
    podSelector: { matchExpressions: [{ key: "pod", operator: "In", values: names }] },
  },
});
const subject = "x";
const peersOf = {
  A: { peer: house("y"), ends: "y" },
  B: { peer: podsOfZ("a", "b"), ends: "z/a,z/b" },
  C: { peer: podsOfZ("c"), ends: "z/c" },
} as const;
type House = keyof typeof peersOf;

const protocols = ["tcp", "udp", "sctp"] as const;
type Protocol = (typeof protocols)[number];
const at = (protocol: Protocol, number: number): readonly ClusterPolicyProtocol[] => [{ [protocol]: { destinationPort: { number } } }];

type Said = readonly [action: Action, house: House, protocols?: readonly ClusterPolicyProtocol[]];
const rulesOf = (direction: Direction, said: readonly Said[]): readonly ClusterPolicyRule[] =>
  said.map(([action, name, only]) => ({
    action,
    [direction === "ingress" ? "from" : "to"]: [peersOf[name].peer],
    ...(only !== undefined && { protocols: only }),
  }));

type Spec = NonNullable<ClusterNetworkPolicy["spec"]>;
const policyOf = (tier: Tier, rules: Partial<Spec>) => cnp("suite", { tier, priority: 5, subject: house(subject), ...rules });
const way = (direction: Direction, name: House): string =>
  direction === "ingress" ? `${peersOf[name].ends} -> ${subject}` : `${subject} -> ${peersOf[name].ends}`;

/** Rules in the suite's order: in the Admin tier seven, in the Baseline tier the same without Pass. */
function pattern(tier: Tier, only: readonly ClusterPolicyProtocol[]): readonly Said[] {
  const rules: readonly Said[] = [
    ["Accept", "A"],
    ["Deny", "A"],
    ["Pass", "A"],
    ["Deny", "B", only],
    ["Pass", "B", only],
    ["Accept", "C", only],
    ["Deny", "C"],
  ];
  return tier === "Admin" ? rules : rules.filter(([action]) => action !== "Pass");
}

const swapped = <Item>(items: readonly Item[], one: number, other: number): readonly Item[] =>
  items.map((item, index) => (index === one ? (items[other] ?? item) : index === other ? (items[one] ?? item) : item));

/** Asserted as the suite does it: as created, then with rules changed in place. */
function patternCase(id: string, title: string, tier: Tier, direction: Direction, protocol: Protocol): PolicyCase {
  const [here, elsewhere] = [`80/${protocol}`, `81/${protocol}`];
  const both = [here, elsewhere];
  const rules = pattern(tier, at(protocol, 80));
  const created = [
    ...ok(way(direction, "A"), ...both),
    ...drop(way(direction, "B"), here),
    ...ok(way(direction, "B"), elsewhere),
    ...ok(way(direction, "C"), here),
    ...drop(way(direction, "C"), elsewhere),
  ];
  const step = (said: readonly Said[], ...rows: readonly Row[]): Step => ({
    changes: [policyOf(tier, { [direction]: rulesOf(direction, said) })],
    expect: [...created, ...rows],
  });
  return {
    id,
    title,
    onlyRows: true,
    steps: [
      step(rules),
      step(swapped(rules, 0, 1), ...drop(way(direction, "A"), ...both)),
      ...(tier === "Admin" ? [step(swapped(rules, 0, 2)), step(swapped(rules, 3, 4), ...ok(way(direction, "B"), here))] : []),
    ],
  };
}

const patternCases = (["Admin", "Baseline"] as const).flatMap((tier, tierIndex) =>
  (["ingress", "egress"] as const).flatMap((direction, directionIndex) =>
    protocols.map((protocol, index) => {
      const number = (tierIndex === 0 ? 86 : 99) + directionIndex * 3 + index;
      const name = `CNP${tier}Tier${direction === "ingress" ? "Ingress" : "Egress"}${protocol.toUpperCase()}`;
      return patternCase(`E.3-${number}`, `${name}: rules in order, and moved among each other`, tier, direction, protocol);
    }),
  ),
);

function namedPortCase(id: string, tier: Tier, direction: Direction, port: Protocol): PolicyCase {
  const [here, elsewhere] = [`81/${port}`, `80/${port}`];
  const named = [{ destinationNamedPort: `serve-81-${port}` }];
  return {
    id,
    title: `${tier}, ${direction}: a port by the name that each destination declares`,
    onlyRows: true,
    steps: [
      {
        changes: [
          policyOf(tier, {
            [direction]: rulesOf(direction, [
              ["Accept", "C", named],
              ["Deny", "C"],
            ]),
          }),
        ],
        expect: [...ok(way(direction, "C"), here), ...drop(way(direction, "C"), elsewhere)],
      },
    ],
  };
}

const everyPort = protocols.flatMap((protocol) => [`80/${protocol}`, `81/${protocol}`]);
const atEach = (number: number): readonly ClusterPolicyProtocol[] => protocols.flatMap((protocol) => at(protocol, number));

function bothWaysCase(id: string, tier: Tier): PolicyCase {
  const only = atEach(80);
  const rules: readonly Said[] = [
    ["Accept", "A"],
    ["Deny", "B", only],
    ["Accept", "C", only],
    ["Deny", "C"],
  ];
  const here = protocols.map((protocol) => `80/${protocol}`);
  const elsewhere = protocols.map((protocol) => `81/${protocol}`);
  const turned = (from: Action, to: Action): readonly Said[] =>
    rules.map(([action, name, ...rest]): Said => [name === "A" && action === from ? to : action, name, ...rest]);
  const spec = (said: readonly Said[]) => policyOf(tier, { ingress: rulesOf("ingress", said), egress: rulesOf("egress", said) });
  const common = (["ingress", "egress"] as const).flatMap((direction) => [
    ...drop(way(direction, "B"), ...here),
    ...ok(way(direction, "B"), ...elsewhere),
    ...ok(way(direction, "C"), ...here),
    ...drop(way(direction, "C"), ...elsewhere),
  ]);
  const ofA = (say: typeof ok): Row[] => (["ingress", "egress"] as const).flatMap((direction) => say(way(direction, "A"), ...everyPort));
  return {
    id,
    title: `${tier}: both directions and every protocol at once`,
    onlyRows: true,
    steps: [
      { changes: [spec(rules)], expect: [...common, ...ofA(ok)] },
      { changes: [spec(turned("Accept", "Deny"))], expect: [...common, ...ofA(drop)] },
      ...(tier === "Admin" ? [{ changes: [spec(turned("Accept", "Pass"))], expect: [...common, ...ofA(ok)] }] : []),
    ],
  };
}

function inlineBlocksCase(id: string, tier: Tier): PolicyCase {
  const networks = (...names: string[]) => names.flatMap((name) => block(name).flatMap(({ ipBlock }) => ipBlock?.cidr ?? []));
  const closed: readonly ClusterPolicyRule[] = [
    { action: "Accept", to: [house("z")] },
    { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
  ];
  const spec = (egress: readonly ClusterPolicyRule[]) => policyOf(tier, { egress });
  return {
    id,
    title: `${tier}: blocks of addresses inside the cluster, and a namespace that stops being a peer`,
    services: ["80/tcp", "80/udp"],
    onlyRows: true,
    steps: [
      {
        changes: [spec(closed)],
        expect: [...ok(`${subject} -> z`, "80/tcp", "80/udp", "80/sctp"), ...drop(`${subject} -> y`, "80/tcp", "80/udp", "80/sctp")],
      },
      {
        changes: [{ type: "label-namespace", namespace: "z", labels: { ns: "other" } }],
        expect: drop(`${subject} -> y,z`, "80/tcp", "80/udp"),
      },
      {
        changes: [
          { type: "label-namespace", namespace: "z", labels: { ns: "z" } },
          spec([{ action: "Accept", to: [{ networks: networks("y/a", "y/b") }] }, ...closed]),
        ],
        expect: [...ok(`${subject} -> z,y/a,y/b`, "80/tcp", "80/udp"), ...drop(`${subject} -> y/c`, "80/tcp", "80/udp")],
      },
    ],
  };
}

const saysOf = (action: Action) => ({
  ingress: [{ action, from: [house("z")] }],
  egress: [{ action, to: [house("z")] }],
});
const named = (name: string, tier: Tier, priority: number, action: Action) =>
  cnp(name, { tier, priority, subject: house(subject), ...saysOf(action) });
const bothWays = (say: typeof ok): Row[] => [...say("z -> x"), ...say("x -> z")];

/** E.3: the conformance suite of network-policy-api, on the fixture. Denials are silent everywhere. */
export const conformanceCases: readonly PolicyCase[] = [
  ...patternCases,
  namedPortCase("E.3-92", "Admin", "ingress", "udp"),
  namedPortCase("E.3-93", "Admin", "egress", "tcp"),
  bothWaysCase("E.3-94", "Admin"),
  inlineBlocksCase("E.3-95", "Admin"),
  {
    id: "E.3-96",
    also: ["E.3-109"],
    title: "nodes as peers by protocol: accepted, passed on, denied; in the Baseline by a range",
    onlyRows: true,
    steps: [
      {
        changes: [
          policyOf("Admin", {
            egress: [
              { action: "Accept", to: [{ nodes: {} }], protocols: at("tcp", 80) },
              { action: "Pass", to: [{ nodes: {} }], protocols: at("udp", 81) },
              { action: "Deny", to: [house("x"), { nodes: {} }, { networks: ["0.0.0.0/0", "::/0"] }] },
            ],
          }),
        ],
        expect: [
          ...ok("x -> node-1,node-2", "80/tcp", "81/udp"),
          ...drop("x -> node-1,node-2", "81/tcp", "80/udp"),
          ...drop("x -> y,z", "80/tcp"),
        ],
      },
      {
        changes: [
          unset("K8sClusterNetworkPolicy", "suite"),
          cnp("behind", {
            tier: "Baseline",
            priority: 5,
            subject: house(subject),
            egress: [
              { action: "Accept", to: [{ nodes: {} }], protocols: [{ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }] },
              { action: "Deny", to: [{ nodes: {} }, { networks: ["0.0.0.0/0", "::/0"] }] },
            ],
          }),
        ],
        expect: [...ok("x -> node-1,node-2", "80/tcp", "81/tcp"), ...drop("x -> node-1,node-2", "82/tcp", "80/udp")],
      },
    ],
  },
  {
    id: "E.3-97",
    title: "CNPAdminTierPriorityField: the lower number comes first, also after it was changed",
    services: ["80/tcp"],
    onlyRows: true,
    steps: [
      {
        changes: [named("denies", "Admin", 50, "Deny"), named("passes", "Admin", 60, "Pass"), named("baseline", "Baseline", 10, "Accept")],
        expect: bothWays(drop),
      },
      { changes: [named("passes", "Admin", 40, "Pass")], expect: bothWays(ok) },
    ],
  },
  {
    id: "E.3-98",
    title: "CNPAdminTierIntegration: Admin, NetworkPolicy and Baseline, each where the one before passes on",
    services: ["80/tcp"],
    onlyRows: true,
    steps: [
      {
        changes: [
          named("admin", "Admin", 15, "Deny"),
          named("baseline", "Baseline", 10, "Deny"),
          apply("x[*]", { ingress: [{ from: [ns("z")] }], egress: [{ to: [ns("z")] }] }),
        ],
        expect: bothWays(drop),
      },
      {
        changes: [
          cnp("admin", {
            tier: "Admin",
            priority: 15,
            subject: house(subject),
            ingress: saysOf("Pass").ingress,
            egress: saysOf("Deny").egress,
          }),
        ],
        expect: [...ok("z -> x"), ...drop("x -> z")],
      },
      { changes: [named("admin", "Admin", 15, "Pass")], expect: bothWays(ok) },
      { changes: [remove("x/of-all")], expect: bothWays(drop) },
      { changes: [unset("K8sClusterNetworkPolicy", "baseline")], expect: bothWays(ok) },
    ],
  },
  namedPortCase("E.3-105", "Baseline", "ingress", "tcp"),
  namedPortCase("E.3-106", "Baseline", "egress", "udp"),
  bothWaysCase("E.3-107", "Baseline"),
  inlineBlocksCase("E.3-108", "Baseline"),
];
