import type { PolicyCase } from "./case.ts";
import {
  apply,
  block,
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
  remove,
  sctp,
  svc,
  tcp,
  udp,
} from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";

/** E.1: the cases of Kubernetes' own suite, by its numbers on the sheet and its names. */
export const upstreamCases: readonly PolicyCase[] = [
  {
    id: "E.1-1",
    title: "should support a 'default-deny-ingress' policy",
    steps: [{ changes: [apply("x[*]", { ingress: [] })], expect: drop(`${all} -> x`) }],
  },
  {
    id: "E.1-2",
    title: "should support a 'default-deny-all' policy",
    steps: [{ changes: [apply("x[*]", { ingress: [], egress: [] })], expect: [...drop(`${all} -> x`), ...drop(`x -> ${all}`)] }],
  },
  {
    id: "E.1-3",
    title: "should enforce policy to allow traffic from pods within server namespace based on PodSelector",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "E.1-4",
    title: "should enforce policy to allow ingress traffic for a target",
    steps: [
      {
        changes: [apply("x[*]", { ingress: [] }), apply("x[a]", { ingress: [{ from: [inBoth(ns(), pod())] }] })],
        expect: [...drop(`${all} -> x`), ...ok(`${all} -> x/a`)],
      },
    ],
  },
  {
    id: "E.1-5",
    title: "should enforce policy to allow ingress traffic from pods in all namespaces",
    steps: [{ changes: [apply("x[a]", { ingress: [{ from: [ns()] }] })], expect: [] }],
  },
  {
    id: "E.1-6",
    title: "should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector",
    steps: [{ changes: [apply("x[a]", { ingress: [{ from: [ns("y")] }] })], expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")] }],
  },
  {
    id: "E.1-7",
    title: "should enforce policy based on PodSelector with MatchExpressions",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [podsThat("pod", "In", "b")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "E.1-8",
    title: "should enforce policy based on NamespaceSelector with MatchExpressions",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [namespacesThat("ns", "In", "y")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
    ],
  },
  {
    id: "E.1-9",
    title: "should enforce policy based on PodSelector or NamespaceSelector",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [namespacesThat("ns", "NotIn", "x"), pod("b")] }] })],
        expect: drop("x/c -> x/a"),
      },
    ],
  },
  {
    id: "E.1-10",
    title: "should enforce policy based on PodSelector and NamespaceSelector",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [inBoth(namespacesThat("ns", "NotIn", "x"), pod("b"))] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/b,z/b -> x/a")],
      },
    ],
  },
  {
    id: "E.1-11",
    title: "should enforce policy based on Multiple PodSelectors and NamespaceSelectors",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [inBoth(namespacesThat("ns", "NotIn", "x"), podsThat("pod", "In", "b", "c"))] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/b,y/c,z/b,z/c -> x/a")],
      },
    ],
  },
  {
    id: "E.1-12",
    title: "should enforce policy based on any PodSelectors",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b"), pod("c")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b,x/c -> x/a")],
      },
    ],
  },
  {
    id: "E.1-13",
    title: "should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [inBoth(ns("y"), pod("a"))] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y/a -> x/a")],
      },
    ],
  },
  {
    id: "E.1-14",
    title: "should enforce policy based on Ports",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [tcp(81)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y -> x/a", "81/tcp")],
      },
    ],
  },
  {
    id: "E.1-15",
    title: "should enforce multiple, stacked policies with overlapping podSelectors",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [tcp(81)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y -> x/a", "81/tcp")],
      },
      {
        changes: [apply("x[a]", { name: "second", ingress: [{ from: [ns("y")], ports: [tcp(80)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y -> x/a", "80/tcp", "81/tcp")],
      },
    ],
  },
  {
    id: "E.1-16",
    title: "should support allow-all policy",
    services: ["80/tcp", "81/tcp"],
    steps: [{ changes: [apply("x[*]", { ingress: [{}] })], expect: [] }],
  },
  {
    id: "E.1-17",
    title: "should allow ingress access on one named port",
    services: ["81/tcp"],
    steps: [{ changes: [apply("x[*]", { ingress: [{ ports: [tcp("serve-81-tcp")] }] })], expect: drop(`${all} -> x`) }],
  },
  {
    id: "E.1-18",
    title: "should allow ingress access from namespace on one named port",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [tcp("serve-80-tcp")] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y -> x/a")],
      },
    ],
  },
  {
    id: "E.1-19",
    title: "should allow egress access on one named port",
    services: ["80/tcp"],
    steps: [{ changes: [apply("x[*]", { egress: [{ ports: [tcp("serve-80-tcp")] }] })], expect: drop(`x -> ${all}`, "81/tcp") }],
  },
  {
    id: "E.1-20",
    title: "should enforce updated policy",
    steps: [
      { changes: [apply("x[*]", { ingress: [{}] })], expect: [] },
      { changes: [apply("x[*]", { ingress: [] })], expect: drop(`${all} -> x`) },
    ],
  },
  {
    id: "E.1-21",
    title: "should allow ingress access from updated namespace",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: [nsWith({ ns2: "updated" })] }] })], expect: drop(`${all} -> x/a`) },
      {
        changes: [{ type: "label-namespace", namespace: "y", labels: { ns2: "updated" } }],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
      { changes: [{ type: "label-namespace", namespace: "y", labels: { ns2: null } }], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "E.1-22",
    title: "should allow ingress access from updated pod",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: [podWith({ pod: "b", pod2: "updated" })] }] })], expect: drop(`${all} -> x/a`) },
      {
        changes: [{ type: "label-pod", pod: "x/b", labels: { pod2: "updated" } }],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
      { changes: [{ type: "label-pod", pod: "x/b", labels: { pod2: null } }], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "E.1-23",
    title: "should deny ingress from pods on other namespaces",
    steps: [{ changes: [apply("x[*]", { ingress: [{ from: [pod()] }] })], expect: drop("y,z -> x") }],
  },
  {
    id: "E.1-24",
    title: "should deny ingress access to updated pod",
    steps: [
      { changes: [apply("x[target=isolated]", { ingress: [] })], expect: [] },
      { changes: [{ type: "label-pod", pod: "x/a", labels: { target: "isolated" } }], expect: drop(`${all} -> x/a`) },
      { changes: [{ type: "label-pod", pod: "x/a", labels: { target: null } }], expect: [] },
    ],
  },
  {
    id: "E.1-25",
    title: "should deny egress from pods based on PodSelector",
    steps: [{ changes: [apply("x[a]", { egress: [] })], expect: drop(`x/a -> ${all}`) }],
  },
  {
    id: "E.1-26",
    title: "should deny egress from all pods in a namespace",
    steps: [{ changes: [apply("x[*]", { egress: [] })], expect: drop(`x -> ${all}`) }],
  },
  {
    id: "E.1-27",
    title: "should work with Ingress, Egress specified together",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }], egress: [{ ports: [tcp(80)] }] })],
        expect: [
          ...drop(`${all} -> x/a`, "80/tcp", "81/tcp"),
          ...ok("x/b -> x/a", "80/tcp", "81/tcp"),
          ...drop(`x/a -> ${others}`, "81/tcp"),
        ],
      },
    ],
  },
  {
    id: "E.1-28",
    title: "should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)",
    steps: [
      {
        changes: [
          apply("x[a]", { egress: [{ to: [inBoth(ns("y"), pod("a"))] }] }),
          apply("y[a]", { ingress: [{ from: [inBoth(ns("x"), pod("a"))] }] }),
          apply("y[b]", { ingress: [{ from: [inBoth(ns("x"), pod("a"))] }] }),
        ],
        expect: [...drop(`x/a -> ${others}`), ...drop(`${all} -> y/a,y/b`), ...ok("x/a -> y/a"), ...drop("x/a -> y/b")],
      },
    ],
  },
  {
    id: "E.1-29",
    title: "should enforce egress policy allowing traffic to a server in a different namespace based on PodSelector and NamespaceSelector",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [inBoth(ns("y"), pod("a"))] }] })],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> y/a")],
      },
    ],
  },
  {
    id: "E.1-30",
    title: "should enforce ingress policy allowing any port traffic to a server on a specific protocol",
    services: ["80/tcp", "81/tcp"],
    steps: [{ changes: [apply("x[a]", { ingress: [{ ports: [tcp()] }] })], expect: drop(`${all} -> x/a`, "80/udp") }],
  },
  {
    id: "E.1-31",
    title: "should enforce multiple ingress policies with ingress allow-all policy taking precedence",
    steps: [
      { changes: [apply("x[*]", { ingress: [{ ports: [tcp(80)] }] })], expect: drop(`${all} -> x`, "81/tcp") },
      { changes: [apply("x[*]", { name: "second", ingress: [{}] })], expect: ok(`${all} -> x`, "81/tcp") },
    ],
  },
  {
    id: "E.1-32",
    title: "should enforce multiple egress policies with egress allow-all policy taking precedence",
    steps: [
      { changes: [apply("x[*]", { egress: [{ ports: [tcp(80)] }] })], expect: drop(`x -> ${all}`, "81/tcp") },
      { changes: [apply("x[*]", { name: "second", egress: [{}] })], expect: ok(`x -> ${all}`, "81/tcp") },
    ],
  },
  {
    id: "E.1-33",
    title: "should stop enforcing policies after they are deleted",
    steps: [
      { changes: [apply("x[*]", { ingress: [], egress: [] })], expect: [...drop(`${all} -> x`), ...drop(`x -> ${all}`)] },
      { changes: [remove("x/of-all")], expect: [] },
    ],
  },
  {
    id: "E.1-34",
    title: "should allow egress access to server in CIDR block",
    steps: [
      { changes: [apply("x[a]", { egress: [{ to: block("y/b") }] })], expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> y/b")] },
      {
        changes: [{ type: "create-service", service: { name: "y/b", selector: { pod: "b" }, ports: [{ port: 80, targetPort: 80 }] } }],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> y/b"), ...ok(`x/a -> ${svc("y/b")}`)],
      },
    ],
  },
  {
    id: "E.1-35",
    title: "should enforce except clause while egress access to server in CIDR block",
    steps: [{ changes: [apply("x[a]", { egress: [{ to: block("x/b", { bits: 4, except: ["x/b"] }) }] })], expect: drop("x/a -> x/b") }],
  },
  {
    id: "E.1-36",
    title: "should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed",
    steps: [
      { changes: [apply("x[a]", { egress: [{ to: block("x/b", { bits: 4, except: ["x/b"] }) }] })], expect: drop("x/a -> x/b") },
      { changes: [apply("x[a]", { egress: [{ to: block("x/b") }] })], expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> x/b")] },
    ],
  },
  {
    id: "E.1-37",
    title: "should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector",
    steps: [
      { changes: [apply("x[a]", { egress: [{}] })], expect: [] },
      { changes: [apply("x[a]", { name: "second", ingress: [] })], expect: drop(`${all} -> x/a`) },
    ],
  },
  {
    id: "E.1-38",
    title: "should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin doesn't support SCTP",
    steps: [
      {
        changes: [apply("x[*]", { ingress: [] }), apply("x[a]", { ingress: [{ ports: [sctp(81)] }] })],
        expect: [...drop(`${all} -> x`, "81/tcp", "81/sctp"), ...ok(`${all} -> x/a`, "81/sctp")],
      },
    ],
  },
  {
    id: "E.1-39",
    title: "should properly isolate pods that are selected by a policy allowing SCTP, even if the plugin doesn't support SCTP",
    services: ["80/sctp"],
    steps: [{ changes: [apply("x[a]", { ingress: [{ ports: [sctp(80)] }] })], expect: drop(`${all} -> x/a`, "81/tcp", "80/tcp") }],
  },
  {
    id: "E.1-40",
    title: "should not allow access by TCP when a policy specifies only UDP",
    services: ["81/udp"],
    steps: [{ changes: [apply("x[a]", { ingress: [{ ports: [udp(81)] }] })], expect: drop(`${all} -> x/a`, "81/tcp") }],
  },
  {
    id: "E.1-41",
    title: "should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label",
    also: ["A.3.5"],
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [nsWith({ [nameLabel]: "y" })] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("y -> x/a")],
      },
    ],
  },
  {
    id: "E.1-42",
    title: "should enforce policy based on NamespaceSelector with MatchExpressions using default ns label",
    also: ["A.3.5"],
    steps: [{ changes: [apply("x[a]", { egress: [{ to: [namespacesThat(nameLabel, "NotIn", "y")] }] })], expect: drop("x/a -> y") }],
  },
  ...(["udp", "sctp"] as const).flatMap((protocol, index): PolicyCase[] => {
    const name = protocol.toUpperCase();
    const [on80, on81] = [`80/${protocol}`, `81/${protocol}`];
    const port = protocol === "udp" ? udp : sctp;
    return [
      {
        id: `E.1-${43 + 3 * index}`,
        title: `should support a 'default-deny-ingress' policy [${name}]`,
        steps: [{ changes: [apply("x[*]", { ingress: [] })], expect: drop(`${all} -> x`, on80) }],
      },
      {
        id: `E.1-${44 + 3 * index}`,
        title: `should enforce policy based on Ports [${name}]`,
        steps: [
          {
            changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [port(81)] }] })],
            expect: [...drop(`${all} -> x/a`, on80, on81), ...ok("y -> x/a", on81)],
          },
        ],
      },
      {
        id: `E.1-${45 + 3 * index}`,
        title: `should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector [${name}]`,
        steps: [
          {
            changes: [apply("x[a]", { ingress: [{ from: [inBoth(ns("y"), pod("a"))] }] })],
            expect: [...drop(`${all} -> x/a`, on80), ...ok("y/a -> x/a", on80)],
          },
        ],
      },
    ];
  }),
];
