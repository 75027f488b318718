import type { NetworkPolicy } from "#lib/kube/index.ts";
import type { Change, PolicyCase, Row } from "./case.ts";
import { apply, block, drop, inBoth, namespacesThat, ns, nsWith, ok, pod, podsThat, podWith, remove, sctp, tcp, udp } from "./notation.ts";

type Spec = NonNullable<NetworkPolicy["spec"]>;
type Ingress = NonNullable<Spec["ingress"]>[number];

const all = "x,y,z";
const others = "x/b,x/c,y,z";
const services = ["80/tcp", "81/tcp", "80/udp", "81/udp"] as const;
const someSctp = ["80/sctp", "81/sctp"] as const;

const ingress: Ingress = {
  from: [inBoth(namespacesThat("ns", "In", "x", "y"), podsThat("pod", "In", "b", "c"))],
  ports: [tcp(80)],
};
const egress = [
  { to: [inBoth(namespacesThat("ns", "In", "y", "z"), podsThat("pod", "In", "a", "b"))], ports: [tcp(80)] },
  { ports: [udp(53)] },
];
const fromBase = "x/b,x/c,y/b,y/c";
/** The suite's policy, of which each case replaces one part. */
const base = ({ subject = "x[a]", ...parts }: { readonly subject?: string } & Partial<Pick<Spec, "ingress" | "egress">> = {}): Change =>
  apply(subject, { name: "base", ingress: [ingress], egress, ...parts });
const out = [...drop(`x/a -> ${others}`, ...services), ...ok("x/a -> y/a,y/b,z/a,z/b")];
const closed = drop(`${all} -> x/a`, ...services);

/** One step with the base policy whose ingress is `rule`: what comes in is `rows`, what goes out as ever. */
const incoming = (id: string, title: string, rule: Ingress, rows: readonly Row[]): PolicyCase => ({
  id,
  title,
  services: [...services],
  steps: [{ changes: [base({ ingress: [rule] })], expect: [...out, ...closed, ...rows] }],
});
const sctpClosed = [...drop(`x/a -> ${others}`, ...someSctp), ...drop(`${all} -> x/a`, ...someSctp)];
const byPorts = (id: string, title: string, ports: Ingress["ports"], ...open: string[]): PolicyCase =>
  incoming(id, title, { ...ingress, ...(ports === undefined ? {} : { ports }) }, [
    ...sctpClosed,
    ...(open.length === 0 ? [] : ok(`${fromBase} -> x/a`, ...open)),
  ]);
const byPeers = (id: string, title: string, from: Ingress["from"], who: string): PolicyCase =>
  incoming(id, title, { ports: [tcp(80)], ...(from === undefined ? {} : { from }) }, who === "" ? [] : ok(`${who} -> x/a`));

/** E.2: the suite that varies one policy part by part. */
export const cyclonusCases: readonly PolicyCase[] = [
  incoming("E.2-51", "target: the policy as it is", ingress, ok(`${fromBase} -> x/a`)),
  {
    id: "E.2-52",
    also: ["E.2-53", "E.2-54"],
    title: "target: of another namespace, of all its pods, of some",
    services: ["80/tcp", "81/tcp"],
    steps: [
      {
        changes: [base({ subject: "y[a]" })],
        expect: [
          ...drop(`${all} -> y/a`, "80/tcp", "81/tcp"),
          ...ok("x/b,x/c,y/b,y/c -> y/a"),
          ...drop("y/a -> x,y/b,y/c,z", "80/tcp", "81/tcp"),
          ...ok("y/a -> y/b,z/a,z/b"),
        ],
      },
      {
        changes: [remove("y/base"), base({ subject: "x[*]" })],
        expect: [
          ...drop(`${all} -> x`, "80/tcp", "81/tcp"),
          ...drop("x -> y,z", "80/tcp", "81/tcp"),
          ...ok("y/b,y/c -> x"),
          ...ok("x -> y/a,y/b,z/a,z/b"),
        ],
      },
      {
        changes: [base({ subject: "x[a,b]" })],
        expect: [
          ...drop(`${all} -> x/a,x/b`, "80/tcp", "81/tcp"),
          ...drop("x/a,x/b -> x/c,y,z", "80/tcp", "81/tcp"),
          ...ok("x/c,y/b,y/c -> x/a,x/b"),
          ...ok("x/a,x/b -> y/a,y/b,z/a,z/b"),
        ],
      },
    ],
  },
  {
    id: "E.2-55",
    also: ["E.2-56", "E.2-57"],
    title: "rules: none and an empty one, for each direction",
    services: [...services],
    steps: [
      { changes: [base({ ingress: [] })], expect: [...out, ...closed] },
      { changes: [base({ ingress: [{}] })], expect: [...out, ...ok(`${others} -> x/a`, ...services)] },
      { changes: [base({ egress: [] })], expect: [...closed, ...drop(`x/a -> ${others}`, ...services), ...ok(`${fromBase} -> x/a`)] },
      { changes: [base({ egress: [{}] })], expect: [...closed, ...ok(`x/a -> ${others}`, ...services), ...ok(`${fromBase} -> x/a`)] },
    ],
  },
  byPeers("E.2-58", "peers: an empty list is anybody", [], others),
  byPeers("E.2-59", "peers: podSelector {} alone is the policy's namespace", [pod()], "x/b,x/c"),
  byPeers("E.2-60", "peers: namespaceSelector {} alone is every namespace", [ns()], others),
  byPeers("E.2-61", "peers: a namespaceSelector that matches none", [nsWith({ ns: "none" })], ""),
  byPeers("E.2-62", "peers: a block", block("z/c"), "z/c"),
  {
    id: "E.2-63",
    title: "peers: a block with an exception",
    services: ["80/tcp"],
    steps: [
      {
        changes: [base({ ingress: [{ from: block("z/c", { bits: 1, except: ["z/c"], families: [4] }), ports: [tcp(80)] }] })],
        expect: [...out, ...closed, ...ok("x/b,x/c,y,z/a,z/b -> x/a", "80/tcp4")],
      },
    ],
  },
  byPeers("E.2-64", "peers: a pod and a block", [podWith({ pod: "b" }), ...block("z/c")], "x/b,z/c"),
  byPorts("E.2-65", "ports: an empty list is every port of every protocol", [], ...services, ...someSctp),
  byPorts("E.2-66", "ports: an empty entry is every port of TCP", [{}], "80/tcp", "81/tcp"),
  byPorts("E.2-67", "ports: a protocol alone", [{ protocol: "UDP" }], "80/udp", "81/udp"),
  byPorts("E.2-68", "ports: a number alone is TCP's", [{ port: 81 }], "81/tcp"),
  {
    id: "E.2-69",
    title: "ports: each by its name",
    services: ["80/tcp", "81/tcp", "80/udp", "81/udp"],
    steps: [80, 81].flatMap((number) =>
      (["TCP", "UDP", "SCTP"] as const).map((protocol) => {
        const service = `${number}/${protocol.toLowerCase()}`;
        return {
          changes: [base({ ingress: [{ ...ingress, ports: [{ protocol, port: `serve-${service.replace("/", "-")}` }] }] })],
          expect: [...out, ...closed, ...sctpClosed, ...ok(`${fromBase} -> x/a`, service)],
        };
      }),
    ),
  },
  {
    id: "E.2-70",
    title: "ports: ranges that end before and behind a port",
    services: [...services],
    steps: [
      {
        changes: [base({ ingress: [{ ...ingress, ports: [tcp(53, 80)] }] })],
        expect: [...out, ...closed, ...sctpClosed, ...ok(`${fromBase} -> x/a`)],
      },
      {
        changes: [base({ ingress: [{ ...ingress, ports: [tcp(53, 84), udp(53, 80)] }] })],
        expect: [...out, ...closed, ...sctpClosed, ...ok(`${fromBase} -> x/a`, "80/tcp", "81/tcp", "80/udp")],
      },
      {
        changes: [base({ ingress: [{ ...ingress, ports: [sctp(53, 80)] }] })],
        expect: [...out, ...closed, ...sctpClosed, ...ok(`${fromBase} -> x/a`, "80/sctp")],
      },
    ],
  },
  byPorts("E.2-71", "ports: two protocols", [{}, { protocol: "UDP" }], ...services),
  byPorts("E.2-72", "ports: a number and a name", [tcp(80), udp("serve-81-udp")], "80/tcp", "81/udp"),
  byPorts("E.2-73", "ports: the name of another protocol's port", [tcp("serve-81-udp")]),
  byPorts("E.2-74", "ports: a name and a number that nobody serves", [tcp("serve-7981-tcp"), tcp(7_981)]),
  {
    id: "E.2-75",
    also: ["E.2-76"],
    title: "actions: created, its ports updated, deleted",
    services: [...services],
    steps: [
      { changes: [base()], expect: [...out, ...closed, ...ok(`${fromBase} -> x/a`)] },
      {
        changes: [base({ ingress: [{ ...ingress, ports: [udp("serve-81-udp")] }] })],
        expect: [...out, ...closed, ...ok(`${fromBase} -> x/a`, "81/udp")],
      },
      { changes: [remove("x/base")], expect: [] },
    ],
  },
  {
    id: "E.2-78",
    also: ["E.2-79", "E.2-80"],
    title: "actions: namespaces and pods gain and lose a peer's label, a pod comes and goes",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          base({ ingress: [{ from: [nsWith({ "new-ns": "qrs" }), inBoth(ns("y"), podWith({ "new-label": "abc" }))], ports: [tcp(80)] }] }),
        ],
        expect: [...out, ...closed],
      },
      {
        changes: [{ type: "label-namespace", namespace: "y", labels: { "new-ns": "qrs" } }],
        expect: [...out, ...closed, ...ok("y -> x/a")],
      },
      {
        changes: [
          { type: "label-namespace", namespace: "y", labels: { "new-ns": null } },
          { type: "label-pod", pod: "y/b", labels: { "new-label": "abc" } },
        ],
        expect: [...out, ...closed, ...ok("y/b -> x/a")],
      },
      { changes: [{ type: "label-pod", pod: "y/b", labels: { "new-label": null } }], expect: [...out, ...closed] },
      {
        changes: [{ type: "create-pod", pod: { name: "x/d", node: "node-2", labels: { pod: "d" } } }],
        expect: [...out, ...closed, ...drop("x/d -> x/a"), ...drop("x/a -> x/d", ...services)],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }], expect: [...out, ...closed] },
    ],
  },
  {
    id: "E.2-81",
    also: ["E.2-82", "E.2-83"],
    title: "conflicts: what one policy allows another does not take away",
    services: ["80/tcp", "80/udp"],
    steps: [
      {
        changes: [apply("x[a]", { name: "deny", ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "80/udp"), ...drop(`x/a -> ${others}`, "80/tcp", "80/udp")],
      },
      { changes: [apply("x[a]", { name: "allow", ingress: [{}] })], expect: drop(`x/a -> ${others}`, "80/tcp", "80/udp") },
      { changes: [apply("x[a]", { name: "allow", ingress: [{}], egress: [{}] })], expect: [] },
      {
        changes: [
          apply("x[a]", { name: "deny", ingress: [{ from: [nsWith({ ns: "none" })] }] }),
          apply("x[a]", { name: "allow", ingress: [{ from: block("y/a") }, { from: [ns("z")] }] }),
        ],
        expect: [...drop("x,y -> x/a", "80/tcp", "80/udp"), ...ok("y/a -> x/a", "80/tcp", "80/udp")],
      },
    ],
  },
  {
    id: "E.2-84",
    title: "conflicts: both ends must allow",
    services: ["80/tcp"],
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [inBoth(ns("y"), podWith({ pod: "a" }))] }] }), apply("y[a]", { ingress: [] })],
        expect: [...drop(`x/a -> ${others}`), ...drop(`${all} -> y/a`)],
      },
      {
        changes: [apply("x[a]", { egress: [] }), apply("y[a]", { ingress: [{}] })],
        expect: drop(`x/a -> ${others}`),
      },
    ],
  },
  {
    id: "E.2-85",
    title: "namespaces by the label of their name, either way",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          apply("x[a]", {
            ingress: [{ from: [nsWith({ "kubernetes.io/metadata.name": "z" })] }],
            egress: [{ to: [nsWith({ "kubernetes.io/metadata.name": "z" })] }],
          }),
        ],
        expect: [...drop(`${all} -> x/a`), ...drop("x/a -> x/b,x/c,y"), ...ok("z -> x/a")],
      },
    ],
  },
];
