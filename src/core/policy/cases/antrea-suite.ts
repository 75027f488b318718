import type { PolicyCase } from "./case.ts";
import { apply, block, cidr, drop, ns, ok, pod } from "./notation.ts";
import { acnp, allow, annp, clusterGroup, deny, inNs, outwards, pass, pods } from "./tier-notation.ts";

const all = "x,y,z";
const tcp = (port?: number | string, endPort?: number) => ({
  protocol: "TCP",
  ...(port === undefined ? {} : { port }),
  ...(endPort === undefined ? {} : { endPort }),
});
const protocols = ["TCP", "UDP", "SCTP"] as const;
/** Namespaces closed by policies of their own. */
const closed = ["x", "y", "z"].map((name) => apply(`${name}[*]`, { name: "closed", ingress: [] }));
const labelled = (namespace: string, labels: Readonly<Record<string, string | null>>) =>
  ({ type: "label-namespace", namespace, labels }) as const;
const sameLabels = (...keys: string[]) => [{ namespaces: { sameLabels: keys } }];

/** E.4: what antrea (Go) tests end to end, as far as parts B and C do not have it by another name. */
export const antreaCases: readonly PolicyCase[] = [
  {
    id: "E.4-110",
    title: "ACNPAllowXBtoA: one way through closed namespaces",
    services: ["80/tcp", "81/tcp"],
    steps: [
      {
        changes: [...closed, acnp({ priority: 1, to: [pods("a", "x")], ingress: [allow([pods("b", "x")], { ports: [tcp(80)] })] })],
        expect: [...drop(`${all} -> ${all}`, "80/tcp", "81/tcp"), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "E.4-111",
    title: "ACNPAllowXBtoYA: one way by a port's name",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          ...closed,
          acnp({ priority: 2, to: [pods("a", "y")], ingress: [allow([pods("b", "x")], { ports: [tcp("serve-81-tcp")] })] }),
        ],
        expect: [...drop(`${all} -> ${all}`, "80/tcp", "81/tcp"), ...ok("x/b -> y/a", "81/tcp")],
      },
    ],
  },
  {
    id: "E.4-112",
    title: "ACNPPriorityOverrideDefaultDeny",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          ...closed,
          acnp({ name: "later", priority: 2, to: [inNs("x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "earlier", priority: 1, to: [pods("a", "x")], ingress: [deny([inNs("z")])] }),
        ],
        expect: [...drop(`${all} -> ${all}`), ...ok("z -> x/b,x/c")],
      },
    ],
  },
  {
    id: "E.4-113",
    title: "ACNPAllowNoDefaultIsolation: who is allowed something is not closed to the rest",
    services: ["80/tcp", "81/tcp", "80/udp", "81/udp"],
    steps: protocols.map((protocol) => ({
      changes: [
        acnp({
          priority: 1.1,
          to: [inNs("x")],
          ingress: [allow([inNs("y")], { ports: [{ protocol, port: 81 }] })],
          egress: [outwards(allow([inNs("z")], { ports: [{ protocol, port: 81 }] }))],
        }),
      ],
      expect: [],
    })),
  },
  {
    id: "E.4-114",
    title: "ACNPDropEgress, for each protocol",
    services: ["80/tcp"],
    steps: protocols.map((protocol) => ({
      changes: [acnp({ priority: 1, to: [pods("a")], egress: [outwards(deny([inNs("z")], { ports: [{ protocol, port: 80 }] }))] })],
      expect: [
        ...ok("x/a -> z", "80/tcp", "80/udp"),
        ...drop("x/a,y/a -> z", `80/${protocol.toLowerCase()}`),
        ...drop("z/a -> z/b,z/c", `80/${protocol.toLowerCase()}`),
      ],
    })),
  },
  {
    id: "E.4-115",
    title: "ACNPDropIngressInNamespace",
    services: ["80/tcp", "81/tcp"],
    steps: [
      {
        changes: [acnp({ priority: 1, to: [inNs("x")], ingress: [deny([], { ports: [tcp(80)] })] })],
        expect: drop(`${all} -> x`),
      },
    ],
  },
  {
    id: "E.4-116",
    title: "ACNPDropIPBlockWithExcept: who is in an exception is up to the next policy",
    services: ["80/tcp4"],
    onlyRows: true,
    steps: [
      {
        changes: [
          acnp({
            name: "everybody-but",
            priority: 1,
            to: [pods("a", "y")],
            egress: [
              outwards(
                deny(
                  block("x/a", { bits: 1, families: [4], except: ["x/a", "x/b"] }).map(({ ipBlock }) => ({
                    ipBlock: ipBlock ?? { cidr: "" },
                  })),
                ),
              ),
            ],
          }),
        ],
        expect: [...ok("y/a -> x/a,x/b", "80/tcp4"), ...drop("y/a -> x/c,y/b,y/c,z", "80/tcp4")],
      },
      {
        changes: [acnp({ name: "and-one", priority: 2, to: [pods("a", "y")], egress: [outwards(deny([pods("a", "x")]))] })],
        expect: [...ok("y/a -> x/b", "80/tcp4"), ...drop("y/a -> x/a,x/c,y/b,y/c,z", "80/tcp4")],
      },
    ],
  },
  {
    id: "E.4-117",
    title: "ACNPPortRange, ANNPPortRange",
    services: ["80/tcp", "81/tcp", "82/tcp"],
    steps: [
      {
        changes: [
          acnp({ to: [pods("a")], egress: [outwards(deny([inNs("z")], { ports: [tcp(80, 81)] }))] }),
          annp("y", { to: [pods("b")], egress: [outwards(deny([pods("c", "x")], { ports: [tcp(81, 82)] }))] }),
        ],
        expect: [
          ...drop("x/a,y/a -> z", "80/tcp", "81/tcp"),
          ...drop("z/a -> z/b,z/c", "80/tcp", "81/tcp"),
          ...drop("y/b -> x/c", "81/tcp", "82/tcp"),
        ],
      },
    ],
  },
  {
    id: "E.4-130",
    also: ["E.4-131"],
    title: "ANNPBasic, ANNPUpdate: beside a NetworkPolicy of the same name, and turned by an update",
    services: ["80/tcp"],
    steps: [
      { changes: [annp("y", { name: "same", to: [pods("a")], ingress: [deny([pods("b", "x")])] })], expect: drop("x/b -> y/a") },
      {
        changes: [apply("y[a]", { name: "same", ingress: [{ from: [ns("x")] }] })],
        expect: [...drop("x/b,y,z -> y/a"), ...ok("x/a,x/c -> y/a")],
      },
      {
        changes: [annp("y", { name: "same", to: [pods("a")], ingress: [allow([pods("b", "x")])] })],
        expect: [...drop("y,z -> y/a"), ...ok("x -> y/a")],
      },
    ],
  },
  {
    id: "E.4-136",
    title: "isolation by two labels: who lacks one has no peers, not even beside himself",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          labelled("x", { purpose: "test", tier: "one" }),
          labelled("y", { purpose: "test", tier: "one" }),
          labelled("z", { purpose: "test" }),
          acnp({ tier: "securityops", to: [inNs()], ingress: [pass(sameLabels("purpose", "tier")), deny([inNs()])] }),
        ],
        expect: [...drop("x,y -> z"), ...drop("z -> x,y,z")],
      },
      { changes: [labelled("z", { tier: "two" })], expect: [...drop("x,y -> z"), ...drop("z -> x,y")] },
      { changes: [labelled("z", { tier: "one" })], expect: [] },
    ],
  },
  {
    id: "E.4-138",
    title: "a ClusterGroup as peers that comes after its policy, and then means others",
    services: ["80/tcp"],
    steps: [
      { changes: [acnp({ to: [pods("a")], egress: [outwards(deny([{ group: "peers" }]))] })], expect: [] },
      {
        changes: [clusterGroup("peers", { namespaceSelector: { matchLabels: { ns: "z" } } })],
        expect: [...drop("x/a,y/a -> z"), ...drop("z/a -> z/b,z/c")],
      },
      {
        changes: [clusterGroup("peers", { namespaceSelector: { matchLabels: { ns: "y" } } })],
        expect: [...drop("x/a,z/a -> y"), ...drop("y/a -> y/b,y/c")],
      },
    ],
  },
  {
    id: "E.4-143",
    title: "ACNPClusterGroupRuleWithNodeSelector: a ClusterGroup of Nodes as peers, a pod on its node's own network among them",
    onlyRows: true,
    steps: [
      {
        changes: [
          {
            type: "create-pod",
            pod: { name: "x/on-host", node: "node-1", labels: { pod: "on-host" }, hostNetwork: true },
          },
          clusterGroup("first-node", { nodeSelector: { matchLabels: { "kubernetes.io/hostname": "node-1" } } }),
          acnp({ to: [pods("a")], egress: [outwards(deny([{ group: "first-node" }], { ports: [tcp(80)] }))] }),
        ],
        expect: [
          ...drop("x/a,y/a,z/a -> node-1"),
          ...drop("x/a,y/a,z/a -> x/on-host", "80/tcp4"),
          ...ok("x/a,y/a,z/a -> node-1", "81/tcp", "80/udp"),
          ...ok("x/a,y/a,z/a -> node-2"),
          ...ok("x/b,y/c -> x/on-host", "80/tcp4"),
          ...ok("x/a,y/a,z/a -> x/b,y/b,z/b"),
        ],
      },
      {
        changes: [clusterGroup("first-node", { nodeSelector: { matchLabels: { "kubernetes.io/hostname": "node-2" } } })],
        expect: [...drop("x/a,y/a,z/a -> node-2"), ...ok("x/a,y/a,z/a -> node-1"), ...ok("x/a,y/a,z/a -> x/on-host", "80/tcp4")],
      },
    ],
  },
  {
    id: "E.4-162",
    also: ["E.4-163"],
    title: "a default deny for egress; a protocol without number; a range",
    services: ["80/tcp", "81/tcp", "82/tcp", "80/udp"],
    steps: [
      {
        changes: [apply("x[a]", { egress: [] })],
        expect: drop("x/a -> x/b,x/c,y,z", "80/tcp", "81/tcp", "82/tcp", "80/udp"),
      },
      { changes: [apply("x[a]", { egress: [{ ports: [{ protocol: "TCP" }] }] })], expect: drop("x/a -> x/b,x/c,y,z", "80/udp") },
      {
        changes: [apply("x[a]", { egress: [{ to: [pod(), cidr("192.0.2.0/24")], ports: [{ protocol: "TCP", port: 81, endPort: 82 }] }] })],
        expect: [...drop("x/a -> x/b,x/c,y,z", "80/tcp", "81/tcp", "82/tcp", "80/udp"), ...ok("x/a -> x/b,x/c", "81/tcp", "82/tcp")],
      },
    ],
  },
];
