// Single changes at full size, each to the watcher: `node events.ts NAME`.
import { keyOf } from "../../src/lib/kube/index.ts";
import { percentile } from "../bench.ts";
import { compute, type Took, timed, watch } from "./compute.ts";
import { pod, policy, type ShapeName, shapes } from "./shapes.ts";

const objects = shapes[process.argv[2] as ShapeName]();
const computed = compute(objects);
const rounds = 500;
const took: Record<"pod" | "namespace" | "policy", Took[]> = { pod: [], namespace: [], policy: [] };
const measure = (kind: keyof typeof took, change: () => void): void => {
  const each = timed(() => {
    change();
    watch(computed.flush());
  });
  took[kind].push(each);
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
// On a busy machine the last percentile by the clock is the scheduler's; that of the thread's processor time is the engine's own.
const figures = Object.entries(took).flatMap(([kind, each]) => {
  const byClock = each.map(({ seconds }) => seconds * 1_000);
  const ofProcessor = each.map(({ processorSeconds }) => processorSeconds * 1_000);
  return [
    [`${kind}_p50_ms`, percentile(byClock, 0.5)],
    [`${kind}_p99_ms`, percentile(byClock, 0.99)],
    [`${kind}_p99_cpu_ms`, percentile(ofProcessor, 0.99)],
  ] as const;
});
process.stdout.write(JSON.stringify(Object.fromEntries(figures)));
