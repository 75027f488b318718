import type { PolicyCase } from "./case.ts";
import { apply, drop, ns, ok, pod, remove, tcp, udp } from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";

/** A.9 and A.11: what a change does to connections, and how changes meet. */
export const liveCases: readonly PolicyCase[] = [
  {
    id: "A.9.1",
    also: ["A.1.6", "E.5-178"],
    title: "a change affects new connections; established ones go on in both directions",
    services: ["80/tcp"],
    steps: [
      {
        changes: [],
        expect: [],
        open: [
          ["y/a", "x/a", "80/tcp"],
          ["x/a", "z/b", "80/tcp"],
          ["x/b", "x/a", "80/tcp"],
        ],
      },
      { changes: [apply("x[a]", { ingress: [], egress: [] })], expect: [...drop(`${all} -> x/a`), ...drop(`x/a -> ${others}`)] },
      { changes: [apply("x[a]", { ingress: [{ from: [pod("b")] }] })], expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")] },
      { changes: [remove("x/of-a")], expect: [] },
    ],
  },
  {
    id: "A.9.2",
    title: "a UDP client that keeps its ports is not cut",
    services: ["80/udp"],
    steps: [
      {
        changes: [],
        expect: [],
        open: [
          ["y/a", "x/a", "80/udp"],
          ["x/a", "z/b", "80/udp"],
        ],
      },
      {
        changes: [apply("x[a]", { ingress: [], egress: [] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "80/udp"), ...drop(`x/a -> ${others}`, "80/tcp", "80/udp")],
      },
    ],
  },
  {
    id: "A.9.3",
    title: "a connection whose first packet was dropped comes to be when a retry finds an allow",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[a]", { ingress: [] })],
        expect: drop("y,z -> x/a"),
        begin: [
          ["y/a", "x/a", "80/tcp"],
          ["y/b", "x/a", "80/tcp"],
        ],
      },
      { changes: [apply("x[a]", { ingress: [{ from: [ns("y")] }] })], expect: [...drop("z -> x/a"), ...ok("y -> x/a")] },
    ],
  },
  {
    id: "A.9.5",
    title: "after the last policy that selects it, a pod is free again in that direction",
    steps: [
      {
        changes: [
          apply("x[a]", { name: "in", ingress: [] }),
          apply("x[a]", { name: "out", egress: [] }),
          apply("x[*]", { name: "more", ingress: [{ from: [pod("b")] }] }),
        ],
        expect: [...drop(`${all} -> x`), ...drop(`x/a -> ${others}`), ...ok("x/b -> x/a,x/c")],
      },
      { changes: [remove("x/in")], expect: [...drop(`${all} -> x`), ...drop(`x/a -> ${others}`), ...ok("x/b -> x/a,x/c")] },
      { changes: [remove("x/more")], expect: drop(`x/a -> ${others}`) },
      { changes: [remove("x/out")], expect: [] },
    ],
  },
  {
    id: "A.11.1",
    title: "an update replaces the policy as a whole",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [tcp(80)] }], egress: [{ to: [ns("y")] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y -> x/a"), ...drop("x/a -> x/b,x/c,z", "80/tcp", "81/tcp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("z")], ports: [tcp(81)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("z -> x/a", "81/tcp")],
      },
      {
        changes: [apply("x[a]", { egress: [{ to: [ns("z")], ports: [tcp(81), udp(80)] }] })],
        expect: [...drop(`x/a -> ${others}`, "80/tcp", "81/tcp"), ...ok("x/a -> z", "81/tcp")],
      },
    ],
  },
  {
    id: "A.11.1b",
    title: "the subject of a policy changes",
    steps: [
      { changes: [apply("x[a]", { name: "moves", ingress: [] })], expect: drop(`${all} -> x/a`) },
      { changes: [apply("x[b]", { name: "moves", ingress: [] })], expect: drop(`${all} -> x/b`) },
      {
        changes: [apply("x[b,c]", { name: "moves", ingress: [{ from: [pod("a")] }] })],
        expect: [...drop(`${all} -> x/b,x/c`), ...ok("x/a -> x/b,x/c")],
      },
    ],
  },
  {
    id: "A.11.2",
    title: "policies of one name in two namespaces have nothing to do with each other",
    steps: [
      {
        changes: [apply("x[a]", { name: "same", ingress: [] }), apply("y[a]", { name: "same", egress: [] })],
        expect: [...drop(`${all} -> x/a`), ...drop("y/a -> x,y/b,y/c,z")],
      },
      { changes: [remove("x/same")], expect: drop("y/a -> x,y/b,y/c,z") },
    ],
  },
];
