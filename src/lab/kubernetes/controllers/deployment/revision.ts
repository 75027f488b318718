import { createHash } from "node:crypto";
import { same } from "../../kinds/rules.ts";
import type { Deployment, PodTemplate, ReplicaSet } from "../../kinds/workload/types.ts";

/** Label by which the pods of one template are told from those of another. */
export const hashLabel = "pod-template-hash";
/** Number of the template in the history of the Deployment (`kubectl rollout history`). */
export const revisionAnnotation = "deployment.kubernetes.io/revision";
/** Earlier numbers of a template that was rolled back to. */
export const revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history";
/** What `kubectl apply` keeps; never copied. */
export const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** A short name for a template: equal for equal templates of the same Deployment. */
export function templateHash(template: PodTemplate, collisionCount = 0): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256")
    .update(`${collisionCount}/${JSON.stringify(withoutHash(template))}`)
    .digest();
  return Array.from(digest.subarray(0, 10), (byte) => alphabet[byte % alphabet.length]).join("");
}

/** The ReplicaSet made from the Deployment's present template; the oldest when there are several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = withoutHash(deployment.spec.template);
  return byAge(sets).find((set) => same(withoutHash(set.spec.template), wanted));
}

export function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  const born = ({ metadata }: ReplicaSet): string => `${metadata.creationTimestamp ?? ""}/${metadata.name ?? ""}`;
  return sets.toSorted((left, right) => (born(left) < born(right) ? -1 : 1));
}

function withoutHash({ metadata, spec }: PodTemplate): PodTemplate {
  const { [hashLabel]: _hash, ...labels } = metadata?.labels ?? {};
  return { metadata: { ...metadata, labels }, spec };
}

/** A whole number of 64 bits, as clients in Go read and write it; 0 where there is none. */
export function revisionOf({ metadata }: ReplicaSet | Deployment): bigint {
  const text = metadata.annotations?.[revisionAnnotation] ?? "";
  const revision = /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
  return revision < largestRevision ? revision : 0n;
}

/** There is none after it. */
const largestRevision = 2n ** 63n - 1n;

const largest = (numbers: readonly bigint[]): bigint => numbers.reduce((most, one) => (one > most ? one : most), 0n);

/** The annotations that the new ReplicaSet shall have, its revision being the newest of all. */
export function annotationsFor(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): Record<string, string> {
  const newest = largest(oldSets.map(revisionOf)) + 1n;
  const before = newSet === undefined ? 0n : revisionOf(newSet);
  const revision = largest([before, newest]);
  const history = newSet?.metadata.annotations?.[revisionHistoryAnnotation];
  const past = before > 0 && before < revision ? [history, String(before)].filter(Boolean).join(",") : history;
  const { [lastApplied]: _applied, [revisionAnnotation]: _revision, ...copied } = deployment.metadata.annotations ?? {};
  return {
    ...newSet?.metadata.annotations,
    ...copied,
    [revisionAnnotation]: String(revision),
    ...(past === undefined ? {} : { [revisionHistoryAnnotation]: past }),
  };
}
