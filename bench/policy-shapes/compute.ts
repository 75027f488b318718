import { createPolicyObjects, type PolicyChanges, type PolicyObjectKind, type PolicyObjects } from "../../src/core/policy/index.ts";
import { type KubeObject, keyOf } from "../../src/lib/kube/index.ts";
import type { ShapeObjects } from "./shapes.ts";

/** How long something took: by the clock, and in processor time, which says more on a busy machine. */
export interface Took {
  readonly seconds: number;
  /** Of this thread. */
  readonly processorSeconds: number;
  /** Of all threads of the process: with those that collect garbage. */
  readonly allThreadsSeconds: number;
}

export function timed(work: () => void): Took {
  const all = process.cpuUsage();
  const processor = process.threadCpuUsage();
  const started = performance.now();
  work();
  const seconds = (performance.now() - started) / 1_000;
  return { seconds, processorSeconds: sum(process.threadCpuUsage(processor)), allThreadsSeconds: sum(process.cpuUsage(all)) };
}

const sum = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;

/** Hands all objects to a new engine and all outputs to a watcher. */
export function compute(objects: ShapeObjects): PolicyObjects {
  const computed = createPolicyObjects();
  const give = (kind: PolicyObjectKind, given: readonly KubeObject[] = []): void => {
    for (const object of given) computed.apply(kind, keyOf(object), object as never);
  };
  give("Namespace", objects.namespaces);
  give("Pod", objects.pods);
  give("ExternalEntity", objects.externalEntities);
  give("K8sNetworkPolicy", objects.policies);
  give("AntreaNetworkPolicy", objects.antreaPolicies);
  watch(computed.flush());
  return computed;
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
