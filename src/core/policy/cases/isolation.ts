import type { PolicyCase } from "./case.ts";
import {
  apply,
  drop,
  inBoth,
  nameLabel,
  namespacesThat,
  ns,
  nsWith,
  ok,
  pod,
  podsThat,
  podWith,
  refused,
  remove,
  tcp,
  udp,
} from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";

/** A.1: isolation and how policies combine. */
export const isolationCases: readonly PolicyCase[] = [
  {
    id: "A.1.1",
    title: "only policies of the pod's own namespace isolate it",
    steps: [{ changes: [apply("y[a]", { ingress: [] })], expect: drop(`${all} -> y/a`) }],
  },
  {
    id: "A.1.1b",
    title: "ingress and egress isolation are independent",
    steps: [
      { changes: [apply("x[a]", { ingress: [] })], expect: drop(`${all} -> x/a`) },
      { changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [] })], expect: drop(`x/a -> ${others}`) },
    ],
  },
  {
    id: "A.1.2",
    title: "a pod that no policy selects is untouched, also beside isolated ones",
    services: ["80/tcp", "80/udp", "icmp"],
    steps: [
      {
        changes: [apply("x[a]", { ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "80/udp", "icmp"), ...drop(`x/a -> ${others}`, "80/tcp", "80/udp", "icmp")],
      },
    ],
  },
  {
    id: "A.1.3",
    title: "the allowed set is the union of all rules of all policies",
    steps: [
      {
        changes: [
          apply("x[a]", { name: "one", ingress: [{ from: [pod("b")] }, { from: [ns("y")], ports: [tcp(81)] }] }),
          apply("x[*]", { name: "two", ingress: [{ from: [ns("z")] }] }),
          apply("x[a]", { name: "three", ingress: [] }),
        ],
        expect: [
          ...drop(`${all} -> x`, "80/tcp", "81/tcp"),
          ...ok("z -> x", "80/tcp", "81/tcp"),
          ...ok("x/b -> x/a", "80/tcp", "81/tcp"),
          ...ok("y -> x/a", "81/tcp"),
        ],
      },
    ],
  },
  {
    id: "A.1.4",
    title: "egress of the source and ingress of the destination must both permit",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [pod("b")] }] }), apply("x[b]", { ingress: [] })],
        expect: [...drop(`x/a -> ${others}`), ...drop(`${all} -> x/b`)],
      },
      {
        changes: [apply("x[b]", { ingress: [{ from: [pod("a")] }] })],
        expect: [...drop(`x/a -> ${others}`), ...drop(`${all} -> x/b`), ...ok("x/a -> x/b")],
      },
      { changes: [apply("x[a]", { egress: [] })], expect: [...drop(`x/a -> ${others}`), ...drop(`${all} -> x/b`)] },
    ],
  },
  {
    id: "A.1.5",
    title: "replies and ICMP errors about a permitted packet pass, whatever isolates their sender",
    services: ["80/tcp", "80/udp", "icmp"],
    steps: [
      {
        changes: [apply("x[*]", { egress: [] })],
        expect: [
          ...drop(`x -> ${all}`, "80/tcp", "80/udp", "icmp"),
          ...refused("y,z -> x", "99/tcp", "99/udp"),
          ...drop(`x -> ${all}`, "99/tcp", "99/udp"),
          ...refused("y,z -> y,z", "99/tcp", "99/udp"),
        ],
      },
    ],
  },
  {
    id: "A.1.5b",
    also: ["A.1.7"],
    title: "replies to an isolated pod's own connections pass its closed ingress",
    services: ["80/tcp", "80/udp", "icmp"],
    steps: [{ changes: [apply("x[a]", { ingress: [] })], expect: drop(`${all} -> x/a`, "80/tcp", "80/udp", "icmp") }],
  },
  {
    id: "A.1.7",
    also: ["E.5-181"],
    title: "the default drop is for every protocol of IP",
    services: ["80/tcp", "80/udp", "80/sctp", "icmp", "ip-47"],
    steps: [
      {
        changes: [apply("x[*]", { ingress: [{ ports: [tcp(80)] }] })],
        expect: drop(`${all} -> x`, "81/tcp", "80/udp", "80/sctp", "icmp", "ip-47"),
      },
      {
        changes: [remove("x/of-all"), apply("x[a]", { name: "out", egress: [{ ports: [udp(80)] }] })],
        expect: drop(`x/a -> ${others}`, "80/tcp", "81/tcp", "80/sctp", "icmp", "ip-47"),
      },
    ],
  },
];

/** A.2: policyTypes. */
export const policyTypesCases: readonly PolicyCase[] = [
  {
    id: "A.2-table-1",
    title: "policyTypes absent, no egress rule: ingress only",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }], types: "absent" })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "A.2-table-1b",
    also: ["A.2.4"],
    title: "policyTypes absent and no rule at all: ingress is closed, egress free",
    steps: [{ changes: [apply("x[a]", { types: "absent" })], expect: drop(`${all} -> x/a`) }],
  },
  {
    id: "A.2-table-2",
    also: ["A.2.1", "A.2.4"],
    title: "policyTypes absent, an egress rule: both directions, ingress without a rule is closed",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [pod("b")] }], types: "absent" })],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> x/b"), ...drop(`${all} -> x/a`)],
      },
    ],
  },
  {
    id: "A.2-table-3",
    also: ["A.2.2", "E.5-169"],
    title: "[Ingress]: egress rules are dead text",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }], egress: [{ to: [pod("b")] }], types: ["Ingress"] })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "A.2-table-4",
    also: ["A.2.2"],
    title: "[Egress]: ingress rules are dead text",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }], egress: [{ to: [pod("b")] }], types: ["Egress"] })],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> x/b")],
      },
    ],
  },
  {
    id: "A.2-table-5",
    also: ["A.2.3"],
    title: "[Ingress, Egress]: both; a listed direction without rules denies everything",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")] }], types: ["Ingress", "Egress"] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a"), ...drop(`x/a -> ${others}`)],
      },
      {
        changes: [apply("x[a]", { types: ["Ingress", "Egress"] })],
        expect: [...drop(`${all} -> x/a`), ...drop(`x/a -> ${others}`)],
      },
    ],
  },
];

/** A.3: what an absent and an empty selector mean. */
export const selectorCases: readonly PolicyCase[] = [
  {
    id: "A.3-table-1",
    title: "an empty podSelector selects the namespace's pods and no others",
    steps: [{ changes: [apply("y[*]", { ingress: [] })], expect: drop(`${all} -> y`) }],
  },
  {
    id: "A.3-table-2",
    title: "a peer podSelector {} means the pods of the policy's own namespace",
    steps: [{ changes: [apply("x[a]", { egress: [{ to: [pod()] }] })], expect: drop("x/a -> y,z") }],
  },
  {
    id: "A.3-table-3",
    title: "a peer namespaceSelector {} means all pods of all namespaces, and nobody outside",
    steps: [{ changes: [apply("x[a]", { ingress: [{ from: [ns()] }] })], expect: drop("other(x/a) -> x/a") }],
  },
  {
    id: "A.3-table-4",
    title: "both selectors in one peer: the pods in the namespaces",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [inBoth(ns("y"), pod("b"))] }] })],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> y/b")],
      },
      {
        changes: [apply("x[a]", { egress: [{ to: [inBoth(ns(), pod())] }] })],
        expect: drop("x/a -> other(x/a)"),
      },
    ],
  },
  {
    id: "A.3-table-5",
    title: "from absent or []: any source, in or out of the cluster; to alike",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(80)] }] })],
        expect: [...ok("other(x/a) -> x/a"), ...drop(`${all},other(x/a) -> x/a`, "81/tcp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [], ports: [tcp(80)] }] })],
        expect: [...ok("other(x/a) -> x/a"), ...drop(`${all},other(x/a) -> x/a`, "81/tcp")],
      },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ to: [], ports: [tcp(80)] }] })],
        expect: [...ok("x/a -> other(x/a)"), ...drop(`x/a -> ${others},other(x/a)`, "81/tcp")],
      },
    ],
  },
  {
    id: "A.3-table-6",
    title: "ports absent or []: every port of every protocol, ICMP included",
    services: ["80/tcp", "82/udp", "80/sctp", "icmp", "ip-47"],
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }] })],
        expect: [
          ...drop(`${all} -> x/a`, "80/tcp", "82/udp", "80/sctp", "icmp", "ip-47"),
          ...ok("x/b -> x/a", "80/tcp", "82/udp", "80/sctp", "icmp", "ip-47"),
        ],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("c")], ports: [] }] })],
        expect: [
          ...drop(`${all} -> x/a`, "80/tcp", "82/udp", "80/sctp", "icmp", "ip-47"),
          ...ok("x/c -> x/a", "80/tcp", "82/udp", "80/sctp", "icmp", "ip-47"),
        ],
      },
    ],
  },
  {
    id: "A.3-table-7",
    title: "no rule allows nothing, one empty rule everything",
    services: ["80/tcp", "81/udp", "icmp"],
    steps: [
      {
        changes: [apply("x[*]", { ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x`, "80/tcp", "81/udp", "icmp"), ...drop(`x -> ${all}`, "80/tcp", "81/udp", "icmp")],
      },
      { changes: [apply("x[*]", { ingress: [{}], egress: [{}] })], expect: [] },
    ],
  },
  {
    id: "A.3.1",
    title: "entries are ORed, fields inside one entry ANDed",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y"), pod("b")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y,x/b -> x/a")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [inBoth(ns("y"), pod("b"))] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/b -> x/a")],
      },
    ],
  },
  {
    id: "A.3.2",
    title: "from and ports of a rule are ANDed, rules ORed",
    steps: [
      {
        changes: [
          apply("x[a]", {
            ingress: [
              { from: [pod("b")], ports: [tcp(80)] },
              { from: [pod("c")], ports: [tcp(81)] },
            ],
          }),
        ],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("x/b -> x/a", "80/tcp"), ...ok("x/c -> x/a", "81/tcp")],
      },
    ],
  },
  {
    id: "A.3.3",
    title: "NotIn and DoesNotExist match what lacks the key; matchLabels and matchExpressions are ANDed",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [podsThat("tier", "NotIn", "front")] }] })],
        expect: drop("y,z -> x/a"),
      },
      {
        changes: [{ type: "label-pod", pod: "x/b", labels: { tier: "front" } }],
        expect: drop("x/b,y,z -> x/a"),
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [podsThat("tier", "DoesNotExist")] }] })],
        expect: drop("x/b,y,z -> x/a"),
      },
      {
        changes: [
          apply("x[a]", {
            ingress: [
              {
                from: [
                  {
                    podSelector: { matchLabels: { pod: "b" }, matchExpressions: [{ key: "tier", operator: "Exists" }] },
                  },
                ],
              },
            ],
          }),
        ],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
      { changes: [{ type: "label-pod", pod: "x/b", labels: { tier: null } }], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "A.3.4",
    title: "a namespaceSelector matches the policy's own namespace when its labels do",
    steps: [{ changes: [apply("x[a]", { ingress: [{ from: [ns("x")] }] })], expect: drop("y,z -> x/a") }],
  },
  {
    id: "A.3.5",
    title: "every namespace has its name as a label, also after an update that leaves it out",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [nsWith({ [nameLabel]: "y" })] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
      {
        changes: [{ type: "label-namespace", namespace: "y", labels: { ns: "y", other: "one" }, replace: true }],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [namespacesThat("other", "Exists")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
      { changes: [{ type: "label-namespace", namespace: "y", labels: { other: null } }], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "A.3.7",
    title: "a peer that selects nobody matches nothing",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: [podWith({ no: "body" })] }] })], expect: drop(`${all} -> x/a`) },
      { changes: [apply("x[a]", { ingress: [{ from: [nsWith({ no: "where" })] }] })], expect: drop(`${all} -> x/a`) },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ to: [podWith({ no: "body" })] }] })],
        expect: drop(`x/a -> ${others}`),
      },
    ],
  },
];
