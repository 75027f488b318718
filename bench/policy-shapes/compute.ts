import {
  createPolicyEngine,
  lowerKubernetesPolicy,
  namespaceRow,
  type PolicyChanges,
  type PolicyEngine,
  podRow,
} from "../../src/core/policy/index.ts";
import type { ShapeObjects } from "./shapes.ts";

/** How long something took: by the clock, and of the processor's time on this thread, which says more on a busy machine. */
export interface Took {
  readonly seconds: number;
  readonly processorSeconds: number;
}

export function timed(work: () => void): Took {
  const processor = process.threadCpuUsage();
  const started = performance.now();
  work();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.threadCpuUsage(processor);
  return { seconds, processorSeconds: (user + system) / 1e6 };
}

/** Hands all objects to a new engine and all outputs to a watcher. */
export function compute({ namespaces, pods, policies }: ShapeObjects): PolicyEngine {
  const engine = createPolicyEngine();
  for (const namespace of namespaces) engine.upsertNamespace(namespaceRow(namespace));
  for (const pod of pods) engine.upsertPod(podRow(pod));
  for (const policy of policies) engine.upsertPolicy(lowerKubernetesPolicy(policy).policy);
  watch(engine.flush());
  return engine;
}

/** A watcher that sees everything: every row, and every member of every group. */
export function watch({ policies, addressGroups, appliedToGroups }: PolicyChanges): number {
  let seen = 0;
  for (const { row, gained } of policies) seen += row.rules.length + gained.length;
  for (const change of addressGroups) {
    seen += change.event === "created" ? change.group().members.length : change.added.length + change.removed.length;
  }
  for (const change of appliedToGroups) {
    seen += change.event === "created" ? change.group().members.length : change.everywhere.added.length + change.everywhere.removed.length;
  }
  return seen;
}

/** The most memory the process ever had, in megabytes. */
export const peakMegabytes = (): number => process.resourceUsage().maxRSS / 1_000;
