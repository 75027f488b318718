import type { PolicyCase } from "./case.ts";
import { apply, block, drop, ns, ok } from "./notation.ts";
import { acnp, cnp, deny, inNs, pass, unset } from "./tier-notation.ts";

const all = "x,y,z";
const inNamespace = (name: string) => ({ namespaces: { matchLabels: { ns: name } } });
const everybody = { namespaces: {} };
const podsOf = (name: string, namespace: string) => ({
  pods: { namespaceSelector: { matchLabels: { ns: namespace } }, podSelector: { matchLabels: { pod: name } } },
});
const port = (number: number) => ({ tcp: { destinationPort: { number } } });

/** Part C: policies of policy.networking.k8s.io, and where they stand among the others (D, E.5). */
export const clusterPolicyCases: readonly PolicyCase[] = [
  {
    id: "C.1.1",
    title: "Accept is final, Deny is silent, Pass goes on with Kubernetes policies",
    services: ["80/tcp", "81/tcp"],
    steps: [
      {
        changes: [
          cnp("p", {
            tier: "Admin",
            priority: 10,
            subject: inNamespace("x"),
            ingress: [
              { action: "Accept", from: [podsOf("a", "y")] },
              { action: "Pass", from: [podsOf("b", "y")] },
              { action: "Deny", from: [inNamespace("y")], protocols: [port(80)] },
            ],
          }),
        ],
        expect: drop("y/c -> x"),
      },
      {
        changes: [apply("x[*]", { ingress: [] })],
        expect: [...drop(`${all} -> x`, "80/tcp", "81/tcp"), ...ok("y/a -> x", "80/tcp", "81/tcp")],
      },
    ],
  },
  {
    id: "C.1.2",
    also: ["E.5-176"],
    title: "the Baseline is for pods that are not isolated; Pass ends it",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          cnp("p", {
            tier: "Baseline",
            priority: 10,
            subject: inNamespace("x"),
            ingress: [
              { action: "Pass", from: [inNamespace("z")] },
              { action: "Deny", from: [everybody] },
            ],
          }),
        ],
        expect: drop("x,y -> x"),
      },
      { changes: [apply("x[a]", { ingress: [{ from: [ns("y")] }] })], expect: [...drop("x,z -> x/a"), ...drop("x,y -> x/b,x/c")] },
    ],
  },
  {
    id: "C.1.3",
    title: "egress to pods and networks, inside the cluster too",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          cnp("p", {
            tier: "Admin",
            priority: 0,
            subject: podsOf("a", "x"),
            egress: [
              { action: "Deny", to: [{ networks: block("y/b").flatMap(({ ipBlock }) => ipBlock?.cidr ?? []) }] },
              { action: "Deny", to: [podsOf("c", "z")] },
            ],
          }),
        ],
        expect: drop("x/a -> y/b,z/c"),
      },
    ],
  },
  {
    id: "C.1.5",
    also: ["E.5-177"],
    title: "what is written in words of a newer API fails closed",
    refusedByApi: true,
    services: ["80/tcp"],
    steps: [
      {
        changes: [cnp("p", { tier: "Admin", priority: 0, subject: inNamespace("x"), ingress: [{ action: "Deny", from: [{}] }] })],
        expect: drop(`${all} -> x`),
      },
      {
        changes: [cnp("p", { tier: "Admin", priority: 0, subject: inNamespace("x"), ingress: [{ action: "Accept", from: [{}] }] })],
        expect: [],
      },
    ],
  },
  {
    id: "C.2",
    title: "AdminNetworkPolicy and BaselineAdminNetworkPolicy stand before and behind Kubernetes policies",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          {
            type: "set",
            other: {
              kind: "AdminNetworkPolicy",
              object: {
                metadata: { name: "p" },
                spec: {
                  priority: 10,
                  subject: inNamespace("x"),
                  ingress: [
                    { action: "Allow", from: [podsOf("a", "y")] },
                    { action: "Deny", from: [inNamespace("y")] },
                  ],
                },
              },
            },
          },
          {
            type: "set",
            other: {
              kind: "BaselineAdminNetworkPolicy",
              object: {
                metadata: { name: "default" },
                spec: { subject: inNamespace("x"), ingress: [{ action: "Deny", from: [inNamespace("z")] }] },
              },
            },
          },
        ],
        expect: drop("y/b,y/c,z -> x"),
      },
      {
        changes: [apply("x[a]", { ingress: [{ from: [ns("z")] }] })],
        expect: [...drop("y/b,y/c -> x"), ...drop("z -> x/b,x/c"), ...drop("x -> x/a")],
      },
      { changes: [unset("AdminNetworkPolicy", "p")], expect: [...drop("x,y -> x/a"), ...drop("z -> x/b,x/c")] },
    ],
  },
  {
    id: "E.5-173",
    title: "Pass of a tier skips ClusterNetworkPolicies, too",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          acnp({ tier: "emergency", to: [inNs("x")], ingress: [pass([inNs("z")])] }),
          cnp("p", { tier: "Admin", priority: 0, subject: inNamespace("x"), ingress: [{ action: "Deny", from: [inNamespace("z")] }] }),
        ],
        expect: [],
      },
    ],
  },
  {
    id: "E.5-174",
    title: "Pass of a ClusterNetworkPolicy skips the tiers behind it",
    services: ["80/tcp"],
    steps: [
      {
        changes: [
          cnp("p", { tier: "Admin", priority: 0, subject: inNamespace("x"), ingress: [{ action: "Pass", from: [inNamespace("z")] }] }),
          acnp({ tier: "application", to: [inNs("x")], ingress: [deny([inNs("z")])] }),
        ],
        expect: [],
      },
      { changes: [apply("x[*]", { ingress: [] })], expect: drop(`${all} -> x`) },
    ],
  },
];
