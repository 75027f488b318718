import type { CaseService, Change, PolicyCase } from "./case.ts";
import { apply, drop, ok, refused, svc } from "./notation.ts";
import { acnp, allow, annp, deny, inNs, outwards, pods, toServices, unset } from "./tier-notation.ts";

const all = "x,y,z";
const protocols = ["TCP", "UDP", "SCTP"] as const;

/** A Service in front of the pods of one name in x, with two ports of each protocol: 8080 to 80, and 8081 to 81. */
const create = (name: string, pod: string): Change => {
  const service: CaseService = {
    name: `x/${name}`,
    selector: { pod },
    ports: protocols.flatMap((protocol) => [
      { port: 8_080, targetPort: 80, protocol },
      { port: 8_081, targetPort: 81, protocol },
    ]),
  };
  return { type: "create-service", service };
};
const everyPort = ["8080/tcp", "8081/tcp", "8080/udp", "8081/udp", "8080/sctp", "8081/sctp"] as const;
const web = svc("x/web");
const others = "x/b,x/c,y,z";

/** B.10: rules about connections to a Service, before an endpoint is chosen. */
export const toServicesCases: readonly PolicyCase[] = [
  {
    id: "B.10.1-2",
    also: ["E.4-148"],
    title: "toServices: connections through the Service by any of its ports, the subject's own included; not those straight to an endpoint",
    services: ["80/tcp", "80/udp"],
    steps: [
      {
        changes: [
          create("web", "a"),
          acnp({ name: "no-web-x", to: [inNs("x")], egress: [toServices("Drop", "x/web")] }),
          acnp({ name: "no-web-y", to: [inNs("y")], egress: [toServices("Drop", "x/web")] }),
        ],
        expect: [...drop(`x,y -> ${web}`, ...everyPort), ...ok(`z -> ${web}`, ...everyPort)],
      },
      {
        changes: [unset("AntreaClusterNetworkPolicy", "no-web-x")],
        expect: [...drop(`y -> ${web}`, ...everyPort), ...ok(`x,z -> ${web}`, ...everyPort)],
      },
    ],
  },
  {
    id: "B.10.2b",
    also: ["E.5-184"],
    title: "toServices: another Service with the same endpoints is another",
    onlyRows: true,
    steps: [
      {
        changes: [create("web", "a"), create("twin", "a"), acnp({ to: [inNs()], egress: [toServices("Drop", "x/web")] })],
        expect: [
          ...drop(`${all} -> ${web}`, "8080/tcp", "8080/udp"),
          ...ok(`${all} -> ${svc("x/twin")}`, "8080/tcp", "8080/udp"),
          ...ok(`${all} -> x/a`),
        ],
      },
      {
        changes: [acnp({ to: [inNs()], egress: [toServices("Drop", "x/twin")] })],
        expect: [...ok(`${all} -> ${web}`, "8080/tcp", "8080/udp"), ...drop(`${all} -> ${svc("x/twin")}`, "8080/tcp", "8080/udp")],
      },
      {
        changes: [acnp({ to: [inNs()], egress: [toServices("Reject", "x/web", "x/twin")] })],
        expect: [
          ...refused(`${others} -> ${web}`, "8080/tcp", "8080/udp"),
          ...refused(`${others} -> ${svc("x/twin")}`, "8080/tcp", "8080/udp"),
          ...ok(`${all} -> x/a`),
        ],
      },
    ],
  },
  {
    id: "B.10.3",
    title: "toServices: a Service that comes after the policy, changes its endpoints, goes and comes again",
    onlyRows: true,
    steps: [
      { changes: [acnp({ to: [inNs("y")], egress: [toServices("Drop", "x/web", "x/never")] })], expect: ok("y -> x/a,x/b") },
      {
        changes: [create("web", "a")],
        expect: [...drop(`y -> ${web}`, "8080/tcp", "8080/udp"), ...ok(`x,z -> ${web}`, "8080/tcp", "8080/udp"), ...ok("y -> x/a")],
      },
      {
        changes: [{ type: "label-pod", pod: "x/b", labels: { pod: "a" } }],
        expect: [...drop(`y -> ${web}`, "8080/tcp", "8080/udp"), ...ok(`x,z -> ${web}`, "8080/tcp", "8080/udp"), ...ok("y -> x/a,x/b")],
      },
      {
        changes: [
          { type: "label-pod", pod: "x/b", labels: { pod: "b" } },
          { type: "delete-service", service: "x/web" },
        ],
        expect: ok("y -> x/a"),
      },
      {
        changes: [create("web", "c")],
        expect: [...drop(`y -> ${web}`, "8080/tcp", "8080/udp"), ...ok(`x,z -> ${web}`, "8080/tcp"), ...ok("y -> x/c")],
      },
    ],
  },
  {
    id: "B.10.1b",
    title: "toServices of a namespace's policy: its own Services unless it says so; nothing but through them",
    onlyRows: true,
    steps: [
      {
        changes: [
          create("web", "a"),
          create("other", "a"),
          annp("x", {
            to: [{ podSelector: { matchLabels: { pod: "b" } } }],
            egress: [{ action: "Allow", toServices: [{ name: "web" }] }, outwards(deny())],
          }),
        ],
        expect: [
          ...ok(`x/b -> ${web}`, "8080/tcp", "8081/udp"),
          ...drop(`x/b -> ${svc("x/other")}`, "8080/tcp", "8081/udp"),
          ...drop("x/b -> x/a,y,z"),
          ...ok(`x/c -> ${svc("x/other")}`, "8080/tcp"),
        ],
      },
      // Ingress of the endpoint is another matter.
      {
        changes: [apply("x[a]", { ingress: [] })],
        expect: [...drop(`x/b,x/c,y -> ${web}`, "8080/tcp", "8081/udp")],
      },
    ],
  },
  {
    id: "B.10.2c",
    title: "toServices stand in one order with rules about endpoints, and end or pass on like them",
    onlyRows: true,
    steps: [
      {
        changes: [
          create("web", "a"),
          acnp({
            to: [pods("a", "y"), pods("b", "y")],
            egress: [outwards(allow([pods("a", "x")])), toServices("Drop", "x/web")],
          }),
        ],
        expect: [...ok(`y -> ${web}`, "8080/tcp"), ...ok("y -> x/a")],
      },
      {
        changes: [
          acnp({
            to: [pods("a", "y"), pods("b", "y")],
            egress: [toServices("Pass", "x/web"), outwards(deny([inNs("x")]))],
          }),
        ],
        expect: [...ok(`y -> ${web}`, "8080/tcp"), ...drop("y/a,y/b -> x"), ...ok("y/c -> x")],
      },
      {
        changes: [apply("y[a]", { egress: [] })],
        expect: [...drop(`y/a -> ${web}`, "8080/tcp"), ...ok(`y/b -> ${web}`, "8080/tcp")],
      },
      {
        changes: [acnp({ tier: "baseline", to: [inNs("y")], egress: [toServices("Drop", "x/web")] }), apply("y[a]", { egress: [{}] })],
        expect: [...ok(`y/a -> ${web}`, "8080/tcp"), ...drop(`y/b,y/c -> ${web}`, "8080/tcp"), ...ok("y -> x/a")],
      },
    ],
  },
];
