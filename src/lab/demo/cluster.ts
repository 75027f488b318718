import type { NetworkPolicy } from "#lib/kube/index.ts";

/** A pod of the demo: its place is fixed, so that every run has neighbours on one node and across nodes. */
export interface DemoPod {
  readonly namespace: string;
  readonly app: "web" | "api" | "db";
  readonly node: string;
}

export const demoPods: readonly DemoPod[] = [
  { namespace: "shop", app: "web", node: "node-1" },
  { namespace: "shop", app: "api", node: "node-2" },
  { namespace: "shop", app: "db", node: "node-1" },
  { namespace: "payments", app: "web", node: "node-2" },
  { namespace: "payments", app: "api", node: "node-1" },
  { namespace: "payments", app: "db", node: "node-2" },
  { namespace: "intruder", app: "api", node: "node-1" },
];

export const demoPorts: readonly number[] = [80, 81];

export const podName = ({ namespace, app }: DemoPod): string => `${namespace}/${app}`;

const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";

/** Namespaces and pods, as `kubectl apply` takes them. Each pod has a server on either port, ready when it answers. */
export function demoManifests(): readonly object[] {
  const namespaces = ["shop", "payments", "intruder"].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { team: name } },
  }));
  const pods = demoPods.map(({ namespace, app, node }) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: app, namespace, labels: { app } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: demoPorts.map((port) => ({
        name: `port-${port}`,
        image,
        args: ["netexec", `--http-port=${port}`, `--udp-port=${port}`],
        ports: [{ containerPort: port }],
        readinessProbe: { httpGet: { path: "/healthz", port }, periodSeconds: 1 },
      })),
    },
  }));
  return [...namespaces, ...pods];
}

const policy = (name: string, spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "shop" },
  ...(spec === undefined ? {} : { spec }),
});
const app = (name: string) => ({ matchLabels: { app: name } });

/** A default deny in both directions, and three holes in it. */
export const demoPolicies: readonly NetworkPolicy[] = [
  policy("default-deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
  policy("web", {
    podSelector: app("web"),
    policyTypes: ["Egress"],
    egress: [{ to: [{ podSelector: app("api") }], ports: [{ port: 80 }] }],
  }),
  policy("api", {
    podSelector: app("api"),
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      { from: [{ podSelector: app("web") }], ports: [{ port: 80 }] },
      { from: [{ namespaceSelector: { matchLabels: { team: "payments" } }, podSelector: app("api") }], ports: [{ port: 81 }] },
    ],
    egress: [{ to: [{ podSelector: app("db") }], ports: [{ port: 80 }] }],
  }),
  policy("db", {
    podSelector: app("db"),
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: app("api") }], ports: [{ port: 80 }] }],
  }),
];

export type Phase = "no policy" | "policies" | "one label change" | "policies deleted";

/** Written by hand from the policies above, not computed by the code under test: may `from` reach `port` of `to`? */
export function expected(phase: Phase, from: DemoPod, to: DemoPod, port: number): boolean {
  if (phase === "no policy" || phase === "policies deleted") return true;
  if (from.namespace !== "shop" && to.namespace !== "shop") return true;
  const way = `${podName(from)} -> ${podName(to)}:${port}`;
  const open = ["shop/web -> shop/api:80", "shop/api -> shop/db:80", "payments/api -> shop/api:81"];
  return open.includes(way) || (phase === "one label change" && way === "intruder/api -> shop/api:81");
}
