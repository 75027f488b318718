// Single changes at full size, each to the watcher: `node events.ts NAME`.
import { keyOf } from "../../src/lib/kube/index.ts";
import { percentile } from "../bench.ts";
import { compute, watch } from "./compute.ts";
import { pod, policy, type ShapeName, shapes } from "./shapes.ts";

const objects = shapes[process.argv[2] as ShapeName]();
const computed = compute(objects);
const rounds = 500;
const took: Record<"pod" | "namespace" | "policy", number[]> = { pod: [], namespace: [], policy: [] };
const measure = (kind: keyof typeof took, change: () => void): void => {
  const started = performance.now();
  change();
  watch(computed.flush());
  took[kind].push(performance.now() - started);
};

for (let round = 0; round < rounds; round++) {
  const at = Math.floor((round * objects.pods.length) / rounds);
  const original = objects.pods[at];
  const namespace = objects.namespaces.find(({ metadata }) => metadata.name === original?.metadata.namespace);
  if (original === undefined || namespace === undefined) throw new Error("no such pod");
  const home = objects.namespaces.indexOf(namespace);
  const labels = { app: "app-1" };
  const added = pod(home, 10_000_000 + round, labels);
  measure("pod", () => computed.apply("Pod", keyOf(added), added));
  measure("pod", () => computed.apply("Pod", keyOf(added), { ...added, metadata: { ...added.metadata, labels: { app: "app-0" } } }));
  const ip = `172.16.${round >> 8}.${round & 255}`;
  measure("pod", () => computed.apply("Pod", keyOf(added), { ...added, status: { phase: "Running", podIPs: [{ ip }] } }));
  measure("pod", () => computed.apply("Pod", keyOf(added), undefined));
  const relabelled = { ...namespace, metadata: { ...namespace.metadata, labels: { ...namespace.metadata.labels, round: String(round) } } };
  measure("namespace", () => computed.apply("Namespace", keyOf(relabelled), relabelled));
  const written = policy(home, 20_000_000 + round, labels, { podSelector: {} });
  measure("policy", () => computed.apply("K8sNetworkPolicy", keyOf(written), written));
}
// The median says on a busy machine what the last percentile does on one with nothing else to do.
const figures = Object.entries(took).flatMap(([kind, each]) => [
  [`${kind}_p50_ms`, percentile(each, 0.5)] as const,
  [`${kind}_p99_ms`, percentile(each, 0.99)] as const,
]);
process.stdout.write(JSON.stringify(Object.fromEntries(figures)));
