import type { CasePod, PolicyCase } from "./case.ts";
import { apply, block, drop, inBoth, ns, ok, pod, refused, remove, tcp } from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";
const fourth = (parts: Partial<CasePod> = {}): CasePod => ({ name: "x/d", node: "node-2", labels: { pod: "d" }, ...parts });

/** A.6: which pods are subjects and members. */
export const memberCases: readonly PolicyCase[] = [
  {
    id: "A.6-table-2",
    also: ["A.6.1"],
    title: "policies before pods: a pod is isolated before its first packet, and opened where it is a peer",
    steps: [
      {
        changes: [
          apply("x[d]", { name: "d", ingress: [{ from: [pod("a")] }], egress: [{ to: [pod("b")] }] }),
          apply("y[a]", { ingress: [{ from: [inBoth(ns("x"), pod("d"))] }] }),
        ],
        expect: drop(`${all} -> y/a`),
      },
      {
        changes: [{ type: "create-pod", pod: fourth() }],
        expect: [
          ...drop(`${all},x/d -> y/a`),
          ...drop(`x/b,x/c,y,z -> x/d`),
          ...drop(`x/d -> x/a,x/c,y,z`),
          ...ok("x/a -> x/d"),
          ...ok("x/d -> x/b"),
        ],
      },
      { changes: [remove("x/d")], expect: [...drop(`${all} -> y/a`), ...ok("x/d -> y/a")] },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: drop(`${all} -> y/a`) },
    ],
  },
  {
    id: "A.6-table-2b",
    title: "pods before policies: a pod that came without any is isolated when one selects it",
    steps: [
      { changes: [{ type: "create-pod", pod: fourth({ node: "node-1" }) }], expect: [] },
      {
        changes: [apply("x[d]", { name: "d", ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x/d`), ...drop(`x/d -> x/a,x/b,x/c,y,z`)],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: [] },
    ],
  },
  {
    id: "A.6-table-3",
    title: "a pod that is not Ready is subject and peer",
    steps: [
      {
        changes: [
          { type: "create-pod", pod: fourth({ unready: true }) },
          apply("x[d]", { name: "d", ingress: [{ from: [pod("b")] }] }),
          apply("y[a]", { ingress: [{ from: [inBoth(ns("x"), pod("d"))] }] }),
        ],
        expect: [...drop(`${all} -> x/d`), ...ok("x/b -> x/d"), ...drop(`${all} -> y/a`), ...ok("x/d -> y/a")],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: drop(`${all} -> y/a`) },
    ],
  },
  {
    id: "A.6-table-4",
    title: "a pod on its way out that still runs is subject and peer",
    steps: [
      {
        changes: [
          { type: "create-pod", pod: fourth() },
          apply("x[d]", { name: "d", ingress: [{ from: [pod("b")] }] }),
          apply("y[a]", { ingress: [{ from: [inBoth(ns("x"), pod("d"))] }] }),
        ],
        expect: [...drop(`${all} -> x/d`), ...ok("x/b -> x/d"), ...drop(`${all} -> y/a`), ...ok("x/d -> y/a")],
      },
      {
        changes: [{ type: "terminate-pod", pod: "x/d" }],
        expect: [...drop(`${all} -> x/d`), ...ok("x/b -> x/d"), ...drop(`${all} -> y/a`), ...ok("x/d -> y/a")],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: drop(`${all} -> y/a`) },
    ],
  },
  {
    id: "A.6-table-5",
    also: ["E.5-179"],
    title: "a pod that ended is no peer; who has its address next is judged by its own labels",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("d")] }] }), { type: "create-pod", pod: fourth({ ends: "Succeeded" }) }],
        expect: drop(`${all} -> x/a`),
      },
      {
        changes: [{ type: "create-pod", pod: fourth({ name: "x/e", labels: { pod: "e" } }) }],
        expect: drop(`${all},x/e -> x/a`),
      },
      {
        changes: [
          { type: "delete-pod", pod: "x/e" },
          { type: "delete-pod", pod: "x/d" },
        ],
        expect: drop(`${all} -> x/a`),
      },
    ],
  },
  {
    id: "A.6-table-6",
    also: ["A.7.5", "E.5-180"],
    title: "a pod on the host's network is neither subject nor peer; its traffic is its node's",
    onlyRows: true,
    steps: [
      {
        changes: [
          apply("x[h]", { name: "h", ingress: [], egress: [] }),
          apply("x[a]", { ingress: [{ from: [pod("h")] }] }),
          apply("y[a]", { ingress: [{ from: [inBoth(ns("x"), pod("h"))] }] }),
          { type: "create-pod", pod: { name: "x/h", node: "node-1", labels: { pod: "h" }, hostNetwork: true } },
        ],
        // x/a is a neighbour of the pod's node, y/a is on the other one.
        expect: [...ok("x/h -> x/a,x/c,y/b,y/c,z/a,z/b"), ...drop("x/h -> y/a"), ...drop(`${others} -> x/a`)],
      },
      { changes: [{ type: "delete-pod", pod: "x/h" }], expect: drop(`${others} -> x/a`) },
    ],
  },
  {
    id: "A.6.3",
    title: "a member has one address per family: each family is judged by its own",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [...block("y/b", { families: [4] }), ...block("z/b", { families: [6] })] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/b -> x/a", "80/tcp4"), ...ok("z/b -> x/a", "80/tcp6")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [inBoth(ns("y"), pod("b"))] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/b -> x/a")],
      },
    ],
  },
];

/** A.7: who is exempt. */
export const exemptionCases: readonly PolicyCase[] = [
  {
    id: "A.7.1",
    title: "a pod reaches itself by its own address",
    steps: [
      {
        changes: [apply("x[*]", { ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x`), ...drop(`x -> ${all}`), ...ok("x/a -> x/a"), ...ok("x/b -> x/b")],
      },
    ],
  },
  {
    id: "A.7.3",
    also: ["E.4-161"],
    title: "a node reaches the pods it hosts through closed ingress; other nodes do not",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[*]", { ingress: [] })],
        expect: [
          ...ok("host(x/a) -> x/a", "80/tcp", "80/udp", "icmp"),
          ...ok("host(x/b) -> x/b", "80/tcp", "80/udp", "icmp"),
          ...drop("other(x/a) -> x/a", "80/tcp", "80/udp", "icmp"),
          ...drop("other(x/b) -> x/b", "80/tcp", "80/udp", "icmp"),
          ...drop("y,z -> x"),
        ],
      },
      {
        changes: [apply("x[*]", { ingress: [{ from: [ns("y")], ports: [tcp(80)] }] })],
        expect: [...ok("host(x/a) -> x/a", "81/tcp"), ...ok("host(x/b) -> x/b", "81/udp"), ...drop("other(x/a) -> x/a"), ...ok("y -> x")],
      },
    ],
  },
  {
    id: "A.7.4",
    title: "egress to the pod's own node is policed",
    onlyRows: true,
    steps: [
      { changes: [], expect: ok("x/a -> host(x/a)", "80/tcp", "80/udp", "icmp") },
      {
        changes: [apply("x[a]", { egress: [{ to: [ns()] }] })],
        expect: [...drop("x/a -> host(x/a)", "80/tcp", "80/udp", "icmp"), ...ok("x/a -> x/b,y/a"), ...ok("x/c -> host(x/c)")],
      },
      {
        changes: [apply("x[a]", { egress: [{ to: block("host(x/a)"), ports: [tcp(80)] }] })],
        expect: [...ok("x/a -> host(x/a)"), ...drop("x/a -> host(x/a)", "81/tcp", "80/udp"), ...drop("x/a -> x/b,y/a")],
      },
    ],
  },
  {
    id: "A.7.6",
    title: "probes of the kubelet and commands in the pod do not need a policy's leave",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[d]", { name: "d", ingress: [], egress: [] }), { type: "create-pod", pod: fourth({ probed: true }) }],
        // The runner waits until the pod is Ready, and asks its questions from within the pod.
        expect: [...ok("host(x/d) -> x/d"), ...drop("x/a,y/a -> x/d"), ...drop("x/d -> x/a,y/a")],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: ok("x/a -> y/a") },
    ],
  },
  {
    id: "A.1.8",
    title: "addresses are resolved whatever policies say: a closed pod answers its node, also after a new start of the neighbour tables",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[*]", { ingress: [], egress: [] }), { type: "forget-neighbours" }],
        expect: [
          ...ok("host(x/a) -> x/a", "80/tcp", "icmp"),
          ...ok("host(x/b) -> x/b", "80/tcp", "icmp"),
          ...drop("y -> x"),
          ...refused("host(x/a) -> x/a", "99/tcp"),
        ],
      },
    ],
  },
];
