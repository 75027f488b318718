import type { CaseService, Change, PolicyCase } from "./case.ts";
import { apply, block, drop, ns, ok, pod, podWith, refused, remove, some, svc, tcp, udp } from "./notation.ts";

const all = "x,y,z";
const others = "x/b,x/c,y,z";

const create = (service: CaseService): Change => ({ type: "create-service", service });
/** Pods of one name in x, by port 8080 of every protocol: they listen on 80. */
const web = (name: string, ...endpoints: readonly Change[]): Change[] => [
  ...endpoints,
  create({
    name: `x/${name}`,
    selector: endpoints.length === 0 ? { pod: "a" } : { serves: name },
    ports: (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({ port: 8_080, targetPort: 80, protocol })),
  }),
];
const serves = (endpoint: string, name: string | null): Change => ({ type: "label-pod", pod: endpoint, labels: { serves: name } });

/** A.7.2 and A.8: Services by their ClusterIPs, and policies that see the endpoint. */
export const serviceCases: readonly PolicyCase[] = [
  {
    id: "A.7.2",
    title: "a pod to itself by a Service: no ingress policy, egress policy as to any pod",
    onlyRows: true,
    steps: [
      {
        changes: [...web("own"), apply("x[a]", { ingress: [] })],
        expect: [...ok(`x/a -> ${svc("x/own")}`, "8080/tcp", "8080/udp"), ...drop(`${others} -> ${svc("x/own")}`, "8080/tcp", "8080/udp")],
      },
      {
        changes: [apply("x[a]", { ingress: [], egress: [{ to: [pod("b")] }] })],
        expect: [...drop(`x/a -> ${svc("x/own")}`, "8080/tcp", "8080/udp"), ...ok("x/a -> x/b")],
      },
      {
        changes: [apply("x[a]", { ingress: [], egress: [{ to: [pod("a")], ports: [tcp(80), udp(8_080)] }] })],
        expect: [...ok(`x/a -> ${svc("x/own")}`, "8080/tcp"), ...drop(`x/a -> ${svc("x/own")}`, "8080/udp")],
      },
    ],
  },
  {
    id: "A.8.1",
    title: "policies see the endpoint's address and port, never the Service's",
    services: ["80/tcp"],
    steps: [
      { changes: web("web"), expect: ok(`${all} -> ${svc("x/web")}`, "8080/tcp", "8080/udp", "8080/sctp") },
      {
        changes: [apply("x[a]", { ingress: [{ ports: [tcp(8_080), udp(8_080)] }] })],
        expect: [...drop(`${all} -> x/a`), ...drop(`${others} -> ${svc("x/web")}`, "8080/tcp", "8080/udp", "8080/sctp")],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("y")], ports: [tcp(80)] }] })],
        expect: [
          ...drop(`${all} -> x/a`),
          ...ok("y -> x/a"),
          ...drop(`x/b,x/c,z -> ${svc("x/web")}`, "8080/tcp"),
          ...ok(`y -> ${svc("x/web")}`, "8080/tcp"),
          ...drop(`${others} -> ${svc("x/web")}`, "8080/udp", "8080/sctp"),
        ],
      },
      {
        changes: [remove("x/of-a"), apply("y[a]", { egress: [{ to: block(svc("x/web")) }] })],
        expect: [...drop("y/a -> x,y/b,y/c,z"), ...drop(`y/a -> ${svc("x/web")}`, "8080/tcp", "8080/udp", "8080/sctp")],
      },
      {
        changes: [apply("y[a]", { egress: [{ to: block("x/a"), ports: [tcp(80)] }] })],
        expect: [
          ...drop("y/a -> x,y/b,y/c,z"),
          ...ok("y/a -> x/a"),
          ...ok(`y/a -> ${svc("x/web")}`, "8080/tcp"),
          ...drop(`y/a -> ${svc("x/web")}`, "8080/udp", "8080/sctp"),
        ],
      },
    ],
  },
  {
    id: "A.8.1b",
    title: "a Service's named port is a number of each endpoint's own, and so is the policy's",
    onlyRows: true,
    steps: [
      {
        changes: [
          serves("x/a", "named"),
          serves("x/b", "named"),
          create({ name: "x/named", selector: { serves: "named" }, ports: [{ port: 8_080, targetPort: "web" }] }),
          apply("x[a,b]", { ingress: [{ from: [ns("y")], ports: [tcp("web")] }] }),
        ],
        expect: [...ok(`y -> ${svc("x/named")}`, "8080/tcp"), ...drop(`z,x/c -> ${svc("x/named")}`, "8080/tcp")],
      },
      // a declares web as 80, b as 81: half of the connections.
      {
        changes: [apply("x[a,b]", { ingress: [{ ports: [tcp(80)] }] })],
        expect: some(`y,z,x/c -> ${svc("x/named")}`, "8080/tcp"),
      },
    ],
  },
  {
    id: "A.8.1c",
    also: ["A.9.1"],
    title: "connections by a Service go on when a policy forbids new ones",
    onlyRows: true,
    steps: [
      {
        changes: web("web"),
        expect: ok(`y -> ${svc("x/web")}`, "8080/tcp"),
        open: [
          ["y/a", svc("x/web"), "8080/tcp"],
          ["y/b", svc("x/web"), "8080/udp"],
          ["x/a", svc("x/web"), "8080/tcp"],
        ],
      },
      {
        changes: [apply("x[a]", { ingress: [], egress: [] })],
        expect: [...drop(`y,z,x -> ${svc("x/web")}`, "8080/tcp", "8080/udp")],
      },
    ],
  },
  {
    id: "A.8.2",
    title: "a Service without endpoints is refused at once, before policy",
    onlyRows: true,
    steps: [
      {
        changes: [...web("nobody", serves("x/b", "nobody")), apply("y[a]", { egress: [] })],
        expect: [...ok(`x,y/b,y/c,z -> ${svc("x/nobody")}`, "8080/tcp"), ...drop(`y/a -> ${svc("x/nobody")}`, "8080/tcp")],
      },
      { changes: [serves("x/b", null)], expect: refused(`x,y,z -> ${svc("x/nobody")}`, "8080/tcp", "8080/udp") },
      {
        changes: [serves("x/c", "nobody")],
        expect: [
          ...ok(`x,y/b,y/c,z -> ${svc("x/nobody")}`, "8080/tcp", "8080/udp"),
          ...drop(`y/a -> ${svc("x/nobody")}`, "8080/tcp", "8080/udp"),
        ],
      },
    ],
  },
  {
    id: "A.8.3",
    title: "ingress of the endpoint sees the address of the client's pod",
    onlyRows: true,
    steps: [
      {
        changes: [...web("web"), apply("x[a]", { ingress: [{ from: block("y/a") }] })],
        expect: [
          ...drop(`x/b,x/c,y/b,y/c,z -> ${svc("x/web")}`, "8080/tcp", "8080/udp"),
          ...ok(`y/a -> ${svc("x/web")}`, "8080/tcp", "8080/udp"),
        ],
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [podWith({ pod: "c" })] }] })],
        expect: [...drop(`x/b,y,z -> ${svc("x/web")}`, "8080/tcp", "8080/udp"), ...ok(`x/c -> ${svc("x/web")}`, "8080/tcp", "8080/udp")],
      },
    ],
  },
  {
    id: "A.8.5",
    title: "an isolated endpoint that was picked is silence: no other is picked",
    onlyRows: true,
    steps: [
      {
        changes: [...web("two", serves("x/a", "two"), serves("x/b", "two"))],
        expect: ok(`${all} -> ${svc("x/two")}`, "8080/tcp", "8080/udp"),
      },
      { changes: [apply("x[b]", { ingress: [] })], expect: some(`y,z,x/a,x/c -> ${svc("x/two")}`, "8080/tcp", "8080/udp") },
      { changes: [apply("x[a]", { ingress: [] })], expect: drop(`y,z,x/c -> ${svc("x/two")}`, "8080/tcp", "8080/udp") },
    ],
  },
];
