import { createPolicyEngine, lowerKubernetesPolicy, type PolicyEngine } from "../src/core/policy/index.ts";
import { parseAddress } from "../src/lib/ip/index.ts";
import type { NetworkPolicy } from "../src/lib/kube/index.ts";
import { type Bench, percentile } from "./bench.ts";

interface Shape {
  readonly namespaces: number;
  readonly podsEach: number;
  readonly policiesEach: number;
  /** Every pod with labels of its own, or two kinds of pods in a namespace. */
  readonly ownLabels: boolean;
}

/** Many small namespaces, and one in which everybody differs: the two shapes that label sets are for and against. */
const wide: Shape = { namespaces: 25_000, podsEach: 4, policiesEach: 3, ownLabels: false };
const deep: Shape = { namespaces: 1, podsEach: 10_000, policiesEach: 10_000, ownLabels: true };
const nodes = 100;
const events = 2_000;

/** The policy engine alone: from nothing to everything computed (processor time of the thread), then single pod events at that size. */
export const bench: Bench = {
  goals: { wide_ms: 800, wide_event_p99_ms: 1, wide_rss_mb: 700, deep_ms: 150, deep_event_p99_ms: 1 },
  run({ print }) {
    const deepFigures = measure(deep);
    print(`deep: ${JSON.stringify(deep)}`);
    const wideFigures = measure(wide);
    print(`wide: ${JSON.stringify(wide)}`);
    return Promise.resolve({
      wide_ms: wideFigures.computeMs,
      wide_event_p99_ms: wideFigures.eventP99Ms,
      wide_rss_mb: wideFigures.rssMb,
      deep_ms: deepFigures.computeMs,
      deep_event_p99_ms: deepFigures.eventP99Ms,
    });
  },
};

function measure(shape: Shape): { readonly computeMs: number; readonly eventP99Ms: number; readonly rssMb: number } {
  const policies = Array.from({ length: shape.namespaces * shape.policiesEach }, (_, index) => policy(shape, index));
  const engine = createPolicyEngine();
  const started = process.threadCpuUsage();
  for (let index = 0; index < shape.namespaces; index++) engine.upsertNamespace(namespace(index));
  for (let index = 0; index < shape.namespaces * shape.podsEach; index++) upsertPod(engine, shape, index, index);
  for (const each of policies) engine.upsertPolicy(lowerKubernetesPolicy(each).policy);
  engine.flush();
  const { user, system } = process.threadCpuUsage(started);
  const computeMs = (user + system) / 1_000;
  const rssMb = process.memoryUsage().rss / 1e6;
  const latencies = Array.from({ length: events }, (_, index) => {
    const before = performance.now();
    upsertPod(engine, shape, index, 1_000_000 + index);
    engine.flush();
    return performance.now() - before;
  });
  return { computeMs, eventP99Ms: percentile(latencies, 0.99), rssMb };
}

const namespace = (index: number) => {
  const name = `ns-${index}`;
  return { name, labels: { "kubernetes.io/metadata.name": name, team: `t-${index % 50}` }, logging: false };
};

const kindOf = ({ ownLabels }: Shape, index: number): string => `app-${ownLabels ? index : index % 2}`;

function upsertPod(engine: PolicyEngine, shape: Shape, index: number, address: number): void {
  const name = `pod-${index % shape.podsEach}`;
  const home = `ns-${Math.floor(index / shape.podsEach)}`;
  engine.upsertPod({
    key: `${home}/${name}`,
    namespace: home,
    name,
    labels: { app: kindOf(shape, index % shape.podsEach) },
    nodeName: `node-${index % nodes}`,
    eligible: true,
    ips: [parseAddress(`10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}`)],
    ports: [],
  });
}

function policy(shape: Shape, index: number): NetworkPolicy {
  const own = index % shape.policiesEach;
  const pods = (kind: number) => ({ podSelector: { matchLabels: { app: kindOf(shape, kind) } } });
  return {
    metadata: { namespace: `ns-${Math.floor(index / shape.policiesEach)}`, name: `policy-${own}`, uid: `uid-${index}` },
    spec: { ...pods(own), policyTypes: ["Ingress"], ingress: [{ from: [pods(own + 1)], ports: [{ protocol: "TCP", port: 80 }] }] },
  };
}
