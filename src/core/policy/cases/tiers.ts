import type { PolicyCase } from "./case.ts";
import { apply, block, drop, ns, ok, pod, refused, svc } from "./notation.ts";
import { acnp, allow, annp, clusterGroup, deny, groupOf, inNs, outwards, pass, pods, reject, tier, unset } from "./tier-notation.ts";

const all = "x,y,z";
const tcp = (port?: number | string, more: { endPort?: number; sourcePort?: number; sourceEndPort?: number } = {}) => ({
  protocol: "TCP",
  ...(port === undefined ? {} : { port }),
  ...more,
});

/** B.1 to B.4: tiers, the order of rules, what they do, and how they stand to Kubernetes policies. */
/** By reset, and by ICMP errors. */
const rejected = ["80/tcp", "80/udp", "icmp"] as const;

export const orderCases: readonly PolicyCase[] = [
  {
    id: "B.1.1",
    also: ["E.4-126"],
    title: "tiers are evaluated by their priority, before the policies' own",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "early", tier: "emergency", priority: 100, to: [pods("a", "x")], ingress: [deny([pods("b", "z")])] }),
          acnp({ name: "middle", tier: "securityops", priority: 10, to: [pods("a", "x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "late", tier: "application", priority: 1, to: [inNs("x")], ingress: [deny([inNs("z")])] }),
        ],
        expect: [...drop("z -> x"), ...ok("z/a,z/c -> x/a")],
      },
      { changes: [unset("AntreaClusterNetworkPolicy", "early")], expect: [...drop("z -> x/b,x/c")] },
    ],
  },
  {
    id: "B.1.1b",
    also: ["E.4-127"],
    title: "tiers of one's own",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          tier("high", 245),
          tier("low", 246),
          acnp({ name: "allows", tier: "high", priority: 100, to: [pods("a", "x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "drops", tier: "low", priority: 1, to: [inNs("x")], ingress: [deny([inNs("z")])] }),
        ],
        expect: drop("z -> x/b,x/c"),
      },
    ],
  },
  {
    id: "B.2.1",
    also: ["E.4-125"],
    title: "priorities are compared as numbers, in whatever order policies come",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "third", priority: 1.003, to: [inNs("x")], ingress: [deny([inNs("z")])] }),
          acnp({ name: "second", priority: 1.002, to: [pods("a", "x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "first", priority: 1.001, to: [pods("a", "x")], ingress: [deny([pods("b", "z")])] }),
        ],
        expect: [...drop("z -> x"), ...ok("z/a,z/c -> x/a")],
      },
      {
        changes: [acnp({ name: "first", priority: 1.0025, to: [pods("a", "x")], ingress: [deny([pods("b", "z")])] })],
        expect: drop("z -> x/b,x/c"),
      },
    ],
  },
  {
    id: "B.2.2",
    also: ["E.4-129"],
    title: "the order is over rules: those of equal policies interleave",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "p", priority: 5, to: [inNs("x")], egress: [deny([inNs("y")]), deny([inNs("z")])].map(outwards) }),
          acnp({ name: "q", priority: 5, to: [inNs("x")], egress: [allow([inNs("z")]), allow([inNs("y")])].map(outwards) }),
        ],
        expect: drop("x -> y"),
      },
    ],
  },
  {
    id: "B.2.4",
    also: ["E.4-128"],
    title: "where the order is open, what denies comes first",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "a", priority: 5, to: [inNs("x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "b", priority: 5, to: [inNs("x")], ingress: [deny([inNs("z")])] }),
        ],
        expect: drop("z -> x"),
      },
    ],
  },
  {
    id: "B.2.5",
    title: "who is selected and matched by no rule is not isolated",
    services: ["80/tcp", "81/tcp"],
    steps: [{ changes: [acnp({ to: [inNs("x")], ingress: [allow([inNs("y")])] })], expect: [] }],
  },
  {
    id: "B.3-Allow",
    title: "Allow ends it for its direction: no Kubernetes policy and no baseline is asked",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ to: [pods("a", "x")], ingress: [allow([inNs("z")])] }),
          acnp({ name: "late", tier: "baseline", to: [inNs("x")], ingress: [deny()] }),
        ],
        expect: [...drop(`${all} -> x`), ...ok("z -> x/a")],
      },
      { changes: [apply("x[a]", { ingress: [{ from: [ns("y")] }] })], expect: [...drop(`${all} -> x`), ...ok("y,z -> x/a")] },
      // B.3.1
      { changes: [apply("z[a]", { egress: [] })], expect: [...drop(`${all} -> x`), ...ok("y,z -> x/a"), ...drop("z/a -> x,y,z/b,z/c")] },
    ],
  },
  {
    id: "B.3-Pass",
    title: "Pass skips the tiers behind it and goes on with Kubernetes policies, then the baseline",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "passes", priority: 1, to: [inNs("x")], ingress: [pass([inNs("z")])] }),
          acnp({ name: "drops", priority: 2, to: [inNs("x")], ingress: [deny([inNs("z"), inNs("y")])] }),
        ],
        expect: drop("y -> x"),
      },
      { changes: [apply("x[a]", { ingress: [{ from: [pod()] }] })], expect: drop("y,z -> x/a", "80/tcp").concat(drop("y -> x/b,x/c")) },
      {
        changes: [acnp({ name: "late", tier: "baseline", to: [inNs("x")], ingress: [deny([inNs("z")])] })],
        expect: drop("y,z -> x"),
      },
    ],
  },
  {
    id: "B.3-Reject",
    also: ["B.3.2", "E.4-119", "E.4-120"],
    title: "Reject answers: over TCP, UDP and ICMP, on the way out and in, on one node and across",
    services: rejected,
    steps: [
      {
        changes: [acnp({ to: [pods("a")], egress: [outwards(reject([inNs("z")]))] })],
        expect: [...refused("x/a,y/a -> z", ...rejected), ...refused("z/a -> z/b,z/c", ...rejected)],
      },
      {
        changes: [acnp({ to: [pods("a")], ingress: [reject([inNs("z")])] })],
        expect: [...refused("z -> x/a,y/a", ...rejected), ...refused("z/b,z/c -> z/a", ...rejected)],
      },
    ],
  },
  {
    id: "B.3.2c",
    title: "Reject answers SCTP, on the way out and in, on one node and across",
    // The other way round is open, and where the tracker does not know SCTP a cached rejection may meet an answer of it.
    onlyRows: true,
    steps: [
      { changes: [acnp({ to: [pods("a")], egress: [outwards(reject([inNs("z")]))] })], expect: refused("x/a,y/a -> z", "80/sctp") },
      { changes: [acnp({ to: [pods("a")], ingress: [reject([inNs("z")])] })], expect: refused("z -> x/a,y/a", "80/sctp") },
    ],
  },
  {
    id: "B.3.2b",
    also: ["E.4-122"],
    title: "ends that reject each other in both directions answer once",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ name: "in", to: [pods("a")], ingress: [reject([pods("b")])], egress: [outwards(reject([pods("b")]))] }),
          acnp({ name: "out", to: [pods("b")], ingress: [reject([pods("a")])], egress: [outwards(reject([pods("a")]))] }),
        ],
        expect: refused("x/a,y/a,z/a -> x/b,y/b,z/b").concat(refused("x/b,y/b,z/b -> x/a,y/a,z/a")),
      },
    ],
  },
  {
    id: "B.3.4",
    title: "replies are not evaluated",
    services: ["80/tcp"],
    steps: [{ changes: [acnp({ to: [inNs("x")], ingress: [deny()] })], expect: drop(`${all} -> x`) }],
  },
  {
    id: "B.4.1",
    also: ["B.4.2", "B.4.3", "E.4-124", "E.5-175"],
    title: "the baseline is for pods that no Kubernetes policy isolates",
    services: ["80/tcp"],
    steps: [
      {
        changes: [acnp({ tier: "baseline", to: [inNs("x")], ingress: [deny([inNs("y"), inNs("z")])] })],
        expect: drop("y,z -> x"),
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [{ ...ns("y"), ...pod("a") }] }] })],
        expect: [...drop("y,z -> x"), ...drop("x/b,x/c -> x/a"), ...ok("y/a -> x/a")],
      },
    ],
  },
];

/** B.5 to B.9: whom policies are for, whom they name, and by what. */
export const selectionCases: readonly PolicyCase[] = [
  {
    id: "B.5.1",
    also: ["E.4-133"],
    title: "each rule may name its own subjects",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          annp("y", { ingress: [deny([pods("b", "x")], { appliedTo: [pods("a")] }), deny([pods("b", "z")], { appliedTo: [pods("b")] })] }),
        ],
        expect: [...drop("x/b -> y/a"), ...drop("z/b -> y/b")],
      },
    ],
  },
  {
    id: "B.5.1b",
    also: ["E.4-132"],
    title: "several entries are alternatives; pods come to them and leave them by their labels",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          annp("y", {
            to: [{ podSelector: { matchLabels: { pod: "a" } } }, { podSelector: { matchLabels: { kept: "apart" } } }],
            ingress: [deny([pods("b", "x")])],
          }),
        ],
        expect: drop("x/b -> y/a"),
      },
      { changes: [{ type: "label-pod", pod: "y/c", labels: { kept: "apart" } }], expect: drop("x/b -> y/a,y/c") },
      { changes: [{ type: "label-pod", pod: "y/b", labels: { kept: "apart" } }], expect: drop("x/b -> y") },
      { changes: [{ type: "label-pod", pod: "y/c", labels: { kept: null } }], expect: drop("x/b -> y/a,y/b") },
      {
        changes: [
          { type: "label-pod", pod: "y/a", labels: { pod: "z" } },
          { type: "label-pod", pod: "y/b", labels: { kept: null } },
        ],
        expect: [],
      },
      { changes: [{ type: "label-pod", pod: "y/a", labels: { pod: "a" } }], expect: drop("x/b -> y/a") },
    ],
  },
  {
    id: "B.5.2",
    also: ["E.5-172"],
    title: "an entry without a field selects nobody in the cluster, everybody in a namespace",
    services: ["80/tcp"],
    steps: [
      { changes: [acnp({ to: [{}], ingress: [deny()] })], expect: [] },
      { changes: [annp("x", { to: [{}], ingress: [deny()] })], expect: drop(`${all} -> x`) },
    ],
  },
  {
    id: "B.5.2b",
    also: ["E.4-149"],
    title: "subjects and peers by service account",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          { type: "create-pod", pod: { name: "x/d", node: "node-2", labels: { pod: "d" }, serviceAccount: "robot" } },
          acnp({ to: [pods("a", "y")], ingress: [deny([{ serviceAccount: { namespace: "x", name: "robot" } }])] }),
        ],
        expect: drop("x/d -> y/a"),
      },
      {
        changes: [acnp({ to: [{ serviceAccount: { namespace: "x", name: "robot" } }], ingress: [deny([inNs("z")])] })],
        expect: drop("z -> x/d"),
      },
    ],
  },
  {
    id: "B.6.1",
    title: "no peers: any address",
    services: ["80/tcp"],
    steps: [
      { changes: [acnp({ to: [pods("a", "x")], egress: [outwards(deny())] })], expect: drop("x/a -> x/b,x/c,y,z") },
      { changes: [acnp({ to: [pods("a", "x")], ingress: [deny()] })], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "B.6.4",
    also: ["B.8.3"],
    title: "peers that are nobody match nobody, whatever the action",
    services: ["80/tcp"],
    steps: [
      { changes: [acnp({ to: [inNs("x")], ingress: [deny([{ group: "missing" }])] })], expect: [] },
      { changes: [clusterGroup("missing", { namespaceSelector: { matchLabels: { ns: "z" } } })], expect: drop("z -> x") },
      { changes: [unset("ClusterGroup", "missing")], expect: [] },
    ],
  },
  {
    id: "B.6.5",
    title: "an address in an exception goes on to the next rule",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({
            to: [pods("a", "x")],
            ingress: [
              allow(block("y/b", { bits: 1, families: [4], except: ["y/b"] }).map(({ ipBlock }) => ({ ipBlock: ipBlock ?? { cidr: "" } }))),
              deny([inNs("y")]),
            ],
          }),
        ],
        expect: [...drop("y/b -> x/a"), ...drop("y -> x/a", "80/tcp6")],
      },
    ],
  },
  {
    id: "B.6.6",
    also: ["E.4-150", "E.4-151"],
    title: "Nodes as peers, on the way out and in; the node that hosts a pod always reaches it",
    onlyRows: true,
    steps: [
      {
        changes: [
          acnp({
            to: [pods("a", "x")],
            egress: [outwards(deny([{ nodeSelector: { matchLabels: { "kubernetes.io/hostname": "node-2" } } }], { ports: [tcp(80)] }))],
          }),
        ],
        expect: [
          ...drop("x/a -> node-2"),
          ...ok("x/a -> node-2", "81/tcp", "80/udp"),
          ...ok("x/a -> node-1"),
          ...ok("x/b -> node-2"),
          ...ok("x/a -> x/b,y,z"),
        ],
      },
      {
        changes: [acnp({ to: [inNs("x")], ingress: [deny([{ nodeSelector: {} }])] })],
        expect: [...drop("other(x/a) -> x/a", "80/tcp", "80/udp"), ...ok("host(x/a) -> x/a", "80/tcp", "80/udp"), ...ok("y,z -> x")],
      },
    ],
  },
  {
    id: "B.7.1",
    also: ["E.4-134"],
    title: "namespaces: Self is each subject's own",
    services: ["80/tcp"],
    steps: [
      {
        changes: [acnp({ tier: "baseline", to: [inNs()], ingress: [allow([{ namespaces: { match: "Self" } }]), deny([inNs()])] })],
        expect: [...drop("x -> y,z"), ...drop("y -> x,z"), ...drop("z -> x,y")],
      },
    ],
  },
  {
    id: "B.7.1b",
    also: ["E.4-135"],
    title: "namespaces: Self passed on to Kubernetes policies",
    services: ["80/tcp"],
    steps: [
      {
        changes: [acnp({ tier: "securityops", to: [inNs()], ingress: [pass([{ namespaces: { match: "Self" } }]), deny([inNs()])] })],
        expect: [...drop("x -> y,z"), ...drop("y -> x,z"), ...drop("z -> x,y")],
      },
      {
        changes: [apply("x[*]", { ingress: [] })],
        expect: [...drop("x -> x,y,z"), ...drop("y -> x,z"), ...drop("z -> x,y")],
      },
    ],
  },
  {
    id: "B.7.2",
    also: ["B.7.5", "E.4-137"],
    title: "namespaces that have a label alike; one without it has no such peers",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          { type: "label-namespace", namespace: "x", labels: { purpose: "test" } },
          { type: "label-namespace", namespace: "y", labels: { purpose: "test" } },
          acnp({ to: [inNs()], ingress: [pass([{ namespaces: { sameLabels: ["purpose"] } }]), deny([inNs()])] }),
        ],
        expect: [...drop("x,y -> z"), ...drop("z -> x,y,z")],
      },
      { changes: [{ type: "label-namespace", namespace: "z", labels: { purpose: "test" } }], expect: [] },
    ],
  },
  {
    id: "B.8.2",
    also: ["E.4-141"],
    title: "a group is the pods that a Service selects",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          { type: "create-service", service: { name: "x/web", selector: { pod: "a" }, ports: [{ port: 80, targetPort: 80 }] } },
          clusterGroup("web", { serviceReference: { namespace: "x", name: "web" } }),
          acnp({ to: [inNs("y")], ingress: [deny([{ group: "web" }])] }),
        ],
        expect: drop("x/a -> y"),
      },
      { changes: [{ type: "delete-service", service: "x/web" }], expect: [] },
    ],
  },
  {
    id: "B.8.3b",
    also: ["E.4-140", "E.4-142"],
    title: "groups of groups, of pods and blocks together",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          clusterGroup("all", { childGroups: ["some", "more"] }),
          clusterGroup("some", { namespaceSelector: { matchLabels: { ns: "z" } } }),
          acnp({ to: [pods("a", "y")], ingress: [deny([{ group: "all" }])] }),
        ],
        expect: drop("z -> y/a"),
      },
      {
        changes: [clusterGroup("more", { ipBlocks: block("x/b").flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock])) })],
        expect: drop("z,x/b -> y/a"),
      },
    ],
  },
  {
    id: "B.8.5",
    also: ["E.4-139"],
    title: "a group as subject: what it selects may change",
    services: ["80/tcp"],
    steps: [
      { changes: [acnp({ to: [{ group: "g" }], ingress: [deny([inNs("z")])] })], expect: [] },
      {
        changes: [clusterGroup("g", { podSelector: { matchLabels: { pod: "a" } } })],
        expect: drop("z -> x/a,y/a").concat(drop("z/b,z/c -> z/a")),
      },
      {
        changes: [clusterGroup("g", { podSelector: { matchLabels: { pod: "c" } } })],
        expect: drop("z -> x/c,y/c").concat(drop("z/a,z/b -> z/c")),
      },
    ],
  },
  {
    id: "B.8.6",
    title: "a Group is one of its own namespace",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          groupOf("x", "g", { podSelector: { matchLabels: { pod: "a" } } }),
          annp("x", { to: [{ group: "g" }], ingress: [deny([inNs("z")])] }),
          annp("y", { to: [{ group: "g" }], ingress: [deny([inNs("z")])] }),
        ],
        expect: drop("z -> x/a"),
      },
    ],
  },
  {
    id: "B.9.1",
    also: ["E.4-118"],
    title: "source ports, alone and with a destination port",
    onlyRows: true,
    steps: [
      {
        changes: [
          acnp({
            to: [pods("a", "x")],
            ingress: [deny([pods("b")], { ports: [tcp(undefined, { sourcePort: 10_000, sourceEndPort: 65_535 })] })],
          }),
        ],
        expect: [...drop("y/b -> x/a", "80/tcp", "81/tcp"), ...ok("y/b -> x/a", "80/tcp@7000", "80/udp"), ...ok("y/c -> x/a")],
      },
      {
        changes: [acnp({ to: [pods("a", "x")], ingress: [deny([pods("b")], { ports: [tcp(80, { endPort: 81, sourcePort: 7_500 })] })] })],
        expect: [...drop("y/b -> x/a", "80/tcp@7500", "81/tcp@7500"), ...ok("y/b -> x/a", "82/tcp@7500", "80/tcp@7501")],
      },
    ],
  },
  {
    id: "B.9.2",
    also: ["E.4-152"],
    title: "protocols: ICMP by type and code",
    onlyRows: true,
    steps: [
      {
        changes: [
          acnp({
            to: [pods("a", "x")],
            egress: [
              outwards(reject([pods("a", "y")], { protocols: [{ icmp: { icmpType: 8, icmpCode: 0 } }, { icmp: { icmpType: 128 } }] })),
              outwards(deny([pods("b", "y")], { protocols: [{ icmp: {} }] })),
              outwards(deny([pods("c", "y")], { protocols: [{ icmp: { icmpType: 13 } }] })),
            ],
          }),
        ],
        expect: [...refused("x/a -> y/a", "icmp"), ...drop("x/a -> y/b", "icmp"), ...ok("x/a -> y/c", "icmp"), ...ok("x/a -> y/a,y/b")],
      },
    ],
  },
  {
    id: "B.9.3",
    also: ["E.4-123"],
    title: "a rule of one protocol touches no other; one without touches all",
    onlyRows: true,
    steps: [
      {
        changes: [acnp({ to: [pods("a")], ingress: [deny([inNs("z")], { ports: [tcp(80)] })] })],
        expect: [...drop("z/b -> x/a"), ...ok("z/b -> x/a", "80/udp", "80/sctp", "icmp", "81/tcp")],
      },
      {
        changes: [acnp({ to: [pods("a")], ingress: [deny([inNs("z")])] })],
        expect: drop("z/b -> x/a", "80/tcp", "80/udp", "80/sctp", "icmp", "ip-47"),
      },
    ],
  },
  {
    id: "B.9.4",
    title: "named ports are each destination's own; what nobody has is inert",
    services: ["80/tcp", "81/tcp"],
    steps: [
      {
        changes: [acnp({ to: [inNs("x")], ingress: [deny([inNs("y")], { ports: [tcp("web")] })] })],
        expect: [...drop("y -> x/a"), ...drop("y -> x/b", "81/tcp")],
      },
      {
        changes: [acnp({ to: [inNs("x")], egress: [outwards(deny([inNs("y")], { ports: [tcp("web")] }))] })],
        expect: [...drop("x -> y/a"), ...drop("x -> y/b", "81/tcp")],
      },
      { changes: [acnp({ to: [inNs("x")], ingress: [deny([inNs("y")], { ports: [tcp("nobody")] })] })], expect: [] },
    ],
  },
  {
    id: "B.14-live",
    also: ["E.5-178"],
    title: "a Drop that comes cuts no connection",
    services: ["80/tcp"],
    steps: [
      {
        changes: [],
        expect: [],
        open: [
          ["y/a", "x/a", "80/tcp"],
          ["x/a", "z/b", "80/tcp"],
        ],
      },
      {
        changes: [acnp({ to: [pods("a", "x")], ingress: [deny()], egress: [outwards(deny())] })],
        expect: [...drop(`${all} -> x/a`), ...drop("x/a -> x/b,x/c,y,z")],
      },
    ],
  },
  {
    id: "E.4-121",
    title: "clients of a Service hear of a rejection from the address that they asked",
    onlyRows: true,
    steps: [
      {
        changes: [
          { type: "create-service", service: { name: "x/web", selector: { pod: "a" }, ports: [{ port: 80, targetPort: 80 }] } },
          acnp({ to: [inNs("y")], egress: [outwards(reject([pods("a", "x")]))] }),
        ],
        expect: refused(`y -> ${svc("x/web")}`),
      },
      {
        changes: [acnp({ to: [pods("a", "x")], ingress: [reject([inNs("y")])] })],
        expect: refused(`y -> ${svc("x/web")}`),
      },
    ],
  },
];
