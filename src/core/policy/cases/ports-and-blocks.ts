import type { PolicyCase } from "./case.ts";
import { apply, block, cidr, drop, ns, ok, pod, refused, remove, sctp, tcp, udp } from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";

/** A.4: ports. */
export const portCases: readonly PolicyCase[] = [
  {
    id: "A.4.1",
    title: "protocol defaults to TCP, and an entry is for one protocol",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ ports: [{ port: 80 }] }] })], expect: drop(`${all} -> x/a`, "81/tcp", "80/udp", "80/sctp") },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [udp(80)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp", "80/sctp"), ...ok(`${all} -> x/a`, "80/udp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [sctp(80)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp", "80/udp"), ...ok(`${all} -> x/a`, "80/sctp")],
      },
    ],
  },
  {
    id: "A.4.1b",
    title: "an association of SCTP that stands opens no other port, in neither direction",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ ports: [sctp(80)] }], egress: [] })],
        expect: [
          ...ok(`${others} -> x/a`, "80/sctp@7000"),
          ...drop(`${others} -> x/a`, "81/sctp@7000", "7000/sctp@7000"),
          ...drop(`x/a -> ${others}`, "80/sctp@80", "7001/sctp@80", "7000/sctp@81"),
        ],
      },
      { changes: [apply("x[a]", { ingress: [{ ports: [sctp(81)] }], egress: [] })], expect: drop(`${others} -> x/a`, "80/sctp@7000") },
    ],
  },
  {
    id: "A.4.2",
    title: "an entry {} means every TCP port and nothing else",
    services: ["80/tcp", "81/tcp", "82/tcp"],
    steps: [
      { changes: [apply("x[a]", { ingress: [{ ports: [{}] }] })], expect: drop(`${all} -> x/a`, "80/udp", "80/sctp", "icmp") },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [{ protocol: "UDP" }] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp", "82/tcp", "80/sctp", "icmp"), ...ok(`${all} -> x/a`, "80/udp")],
      },
    ],
  },
  {
    id: "A.4.3",
    title: "endPort makes an inclusive range",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(80, 81)] }] })],
        expect: [...ok(`${all} -> x/a`, "81/tcp"), ...drop(`${all} -> x/a`, "82/tcp", "80/udp", "81/udp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(1, 80), udp(81, 65535)] }] })],
        expect: [...drop(`${all} -> x/a`, "81/tcp", "82/tcp", "80/udp"), ...ok(`${all} -> x/a`, "81/udp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(81, 81)] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "82/tcp", "80/udp", "81/udp"), ...ok(`${all} -> x/a`, "81/tcp")],
      },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ to: [ns("y")], ports: [tcp(53, 81)] }] })],
        expect: [...drop(`x/a -> ${others}`, "80/tcp", "81/tcp", "82/tcp", "80/udp", "81/udp"), ...ok("x/a -> y", "80/tcp", "81/tcp")],
      },
    ],
  },
  {
    id: "A.4.4",
    title: "the port is the destination's, never the source's",
    onlyRows: true,
    steps: [
      // Closed first: a question from a fixed port that comes before the policy would be a known connection afterwards.
      { changes: [apply("x[a]", { ingress: [] })], expect: drop(`${others} -> x/a`, "80/tcp", "80/udp") },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(5000), udp(5000)] }] })],
        expect: [...drop(`${others} -> x/a`, "80/tcp@5000", "80/udp@5000"), ...refused(`${others} -> x/a`, "5000/tcp", "5000/udp")],
      },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ ports: [tcp(5000)] }] })],
        expect: [...drop(`x/a -> ${others}`, "80/tcp@5000"), ...refused(`x/a -> ${others}`, "5000/tcp")],
      },
    ],
  },
  {
    id: "A.4.5a",
    also: ["E.5-160"],
    title: "ingress by name: the number that the subject itself declares",
    steps: [
      {
        changes: [apply("x[*]", { ingress: [{ ports: [tcp("web")] }] })],
        expect: [
          ...drop(`${all} -> x`, "80/tcp", "81/tcp", "82/tcp", "82/udp"),
          ...ok(`${all} -> x/a`, "80/tcp"),
          ...ok(`${all} -> x/b`, "81/tcp"),
        ],
      },
    ],
  },
  {
    id: "A.4.5b",
    also: ["E.5-171"],
    title: "egress by name: of each peer its own number, never the cross product",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: [ns("y")], ports: [tcp("web")] }] })],
        expect: [...drop(`x/a -> ${others}`, "80/tcp", "81/tcp", "82/tcp"), ...ok("x/a -> y/a", "80/tcp"), ...ok("x/a -> y/b", "81/tcp")],
      },
    ],
  },
  {
    id: "A.4.5c",
    title: "egress by name without peers: every pod of the cluster by its own number",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ ports: [tcp("web")] }] })],
        expect: [
          ...drop(`x/a -> ${others},other(x/a)`, "80/tcp", "81/tcp"),
          ...ok("x/a -> y/a,z/a", "80/tcp"),
          ...ok("x/a -> x/b,y/b,z/b", "81/tcp"),
        ],
      },
    ],
  },
  {
    id: "A.4.5d",
    title: "egress by name towards a block matches nothing, also where the block covers a pod that declares the name",
    steps: [
      {
        changes: [apply("x[a]", { egress: [{ to: block("y/a"), ports: [tcp("web")] }] })],
        expect: drop(`x/a -> ${others}`, "80/tcp", "81/tcp", "82/tcp"),
      },
      {
        changes: [apply("x[a]", { egress: [{ to: [...block("y/a"), ns("z")], ports: [tcp("web"), tcp(82)] }] })],
        expect: [
          ...drop(`x/a -> ${others}`, "80/tcp", "81/tcp", "82/tcp"),
          ...ok("x/a -> y/a,z", "82/tcp"),
          ...ok("x/a -> z/a", "80/tcp"),
          ...ok("x/a -> z/b", "81/tcp"),
        ],
      },
    ],
  },
  {
    id: "A.4.5e",
    also: ["E.5-170"],
    title: "a name that nobody declares matches nothing; the rule's other entries apply",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ ports: [tcp("nope")] }] })], expect: drop(`${all} -> x/a`, "80/tcp", "81/tcp") },
      { changes: [apply("x[a]", { ingress: [{ ports: [tcp("nope"), tcp(80)] }] })], expect: drop(`${all} -> x/a`, "81/tcp") },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ ports: [tcp("nope")] }] })],
        expect: drop(`x/a -> ${others}`, "80/tcp", "81/tcp"),
      },
    ],
  },
  {
    id: "A.4.5f",
    title: "a pod that declares the name with another protocol does not match",
    steps: [
      {
        changes: [apply("x[*]", { ingress: [{ ports: [udp("web")] }] })],
        expect: [...drop(`${all} -> x`, "80/tcp", "81/tcp", "82/tcp", "82/udp"), ...ok(`${all} -> x/c`, "82/udp")],
      },
    ],
  },
  {
    id: "A.4.5g",
    title: "two containers declare one name for two protocols: both count; an init container does not",
    steps: [
      {
        changes: [
          apply("x[*]", { ingress: [{ ports: [tcp("twice"), udp("twice"), tcp("early")] }] }),
          {
            type: "create-pod",
            pod: {
              name: "x/d",
              node: "node-2",
              labels: { pod: "d" },
              ports: [
                { name: "twice", port: 80, protocol: "TCP" },
                { name: "twice", port: 81, protocol: "UDP" },
              ],
              initPorts: [{ name: "early", port: 82, protocol: "TCP" }],
            },
          },
        ],
        expect: [
          ...drop(`${all},x/d -> x`, "80/tcp", "81/udp", "82/tcp"),
          ...drop("x,y,z -> x/d", "82/tcp", "81/tcp"),
          ...ok("x,y,z -> x/d", "80/tcp", "81/udp"),
          ...drop("x,x/d,y,z -> x", "81/tcp"),
        ],
      },
      { changes: [{ type: "delete-pod", pod: "x/d" }, remove("x/of-all")], expect: [] },
    ],
  },
  {
    id: "A.4.5h",
    title: "ingress by name from a block: names are the subject's, so that blocks do match",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: block("y/b"), ports: [tcp("web")] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp", "81/tcp"), ...ok("y/b -> x/a", "80/tcp")],
      },
    ],
  },
  {
    id: "A.4.6",
    title: "a named port needs no listener",
    onlyRows: true,
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp("ghost")] }] })],
        expect: [...refused(`${others} -> x/a`, "83/tcp"), ...drop(`${others} -> x/a`, "80/tcp")],
      },
    ],
  },
];

/** A.5: blocks of addresses. */
export const blockCases: readonly PolicyCase[] = [
  {
    id: "A.5.1",
    title: "a block minus its exceptions, in both families",
    steps: [
      {
        changes: [apply("x[a]", { ingress: [{ from: block("y/b", { bits: 4, except: ["y/b", "z/c"] }) }] })],
        expect: drop("y/b,z/c -> x/a"),
      },
      {
        changes: [
          apply("x[a]", {
            ingress: [{ from: [...block("y/a", { bits: 24, families: [4] }), ...block("y/a", { bits: 64, families: [6] })] }],
          }),
        ],
        // y/a is on node-2, whose pods have one block in each family.
        expect: drop("x/c,y/b,z/a,z/c -> x/a"),
      },
    ],
  },
  {
    id: "A.5.1b",
    title: "a block of IPv4 that is written as IPv6 is the IPv4 block",
    steps: [
      {
        changes: [
          apply("x[a]", {
            ingress: [{ from: [cidr("y/a@4in6/120", "z/b@4in6/128")], ports: [tcp(), udp()] }],
          }),
        ],
        expect: [...drop("x/c,y/b,z/a,z/b,z/c -> x/a"), ...drop(`${all} -> x/a`, "80/tcp6", "81/tcp6", "80/udp6")],
      },
    ],
  },
  {
    id: "A.5.2",
    title: "an exception is no deny: another entry, rule or policy may allow it",
    steps: [
      {
        changes: [
          apply("x[a]", {
            ingress: [
              { from: [...block("y/b", { bits: 4, except: ["y/b", "z/c", "z/b"] }), ...block("y/b")] },
              { from: [ns("z")], ports: [tcp(80)] },
            ],
          }),
        ],
        expect: drop("z/b,z/c -> x/a", "81/tcp"),
      },
      {
        changes: [apply("x[a]", { name: "second", ingress: [{ from: block("z/c"), ports: [tcp(81)] }] })],
        expect: drop("z/b -> x/a", "81/tcp"),
      },
    ],
  },
  {
    id: "A.5.4",
    title: "blocks match the addresses of pods, either way",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: block("y/b") }] })], expect: [...drop(`${all} -> x/a`), ...ok("y/b -> x/a")] },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ to: block("z/c") }] })],
        expect: [...drop(`x/a -> ${others}`), ...ok("x/a -> z/c")],
      },
    ],
  },
  {
    id: "A.5.5",
    also: ["E.5-182"],
    title: "0.0.0.0/0 is IPv4 alone, ::/0 IPv6 alone",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: [cidr("0.0.0.0/0")] }] })], expect: drop(`${all} -> x/a`, "80/tcp6", "80/udp6") },
      {
        changes: [apply("x[a]", { ingress: [{ from: [cidr("::/0")] }] })],
        expect: [...drop(`${all} -> x/a`, "80/tcp4", "80/udp4"), ...ok(`${all} -> x/a`, "80/tcp6", "80/udp6")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [cidr("0.0.0.0/0"), cidr("::/0")] }] })],
        expect: ok(`${all} -> x/a`, "80/tcp4", "80/tcp6", "80/udp4", "80/udp6"),
      },
      {
        changes: [remove("x/of-a"), apply("x[a]", { name: "out", egress: [{ to: [cidr("::/0")], ports: [tcp()] }] })],
        expect: drop(`x/a -> ${others}`, "80/tcp4", "80/udp4", "80/udp6"),
      },
    ],
  },
  {
    id: "A.5.5b",
    title: "a block that covers nobody, as the only peer, matches nothing",
    steps: [
      { changes: [apply("x[a]", { ingress: [{ from: [cidr("2001:db8::/32"), cidr("192.0.2.0/24")] }] })], expect: drop(`${all} -> x/a`) },
      {
        changes: [apply("x[a]", { ingress: [{ from: [cidr("2001:db8::/32"), pod("b")] }] })],
        expect: [...drop(`${all} -> x/a`), ...ok("x/b -> x/a")],
      },
    ],
  },
  {
    id: "A.5.5c",
    title: "0.0.0.0/0 and ::/0 with exceptions",
    steps: [
      {
        changes: [
          apply("x[a]", {
            egress: [
              {
                to: [
                  { ipBlock: { cidr: "0.0.0.0/0", except: ["y/b@4/32", "z/b@4/32"] } },
                  { ipBlock: { cidr: "::/0", except: ["y/b@6/128"] } },
                ],
              },
            ],
          }),
        ],
        expect: [...drop("x/a -> y/b,z/b", "80/tcp4"), ...drop("x/a -> y/b", "80/tcp6")],
      },
    ],
  },
];
