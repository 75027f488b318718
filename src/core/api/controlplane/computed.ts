import type { ComputedRevisions } from "./types.ts";

/** resourceVersions of one cluster are numbers (KEP-5504); anything else cannot be compared. */
export const isResourceVersion = (text: string): boolean => /^(0|[1-9]\d{0,38})$/.test(text);

/** Whether `version` is smaller than `other`; false where one of them is no number. */
export function isOlder(version: string, other: string): boolean {
  if (!isResourceVersion(version) || !isResourceVersion(other)) return false;
  return version.length === other.length ? version < other : version.length < other.length;
}

/** An input of which less is known than elsewhere. */
export interface Lack {
  readonly input: string;
  readonly seen: string;
  readonly known: string;
}

/** How far each input is computed, the three that every controller tells of and all others. */
export const reachedOf = ({ pods, namespaces, networkpolicies, others }: ComputedRevisions): Readonly<Record<string, string>> => ({
  ...others,
  pods,
  namespaces,
  networkpolicies,
});

/**
 * What `offered` lacks of what is in `enforced`; undefined when it has seen every change of it, or when the two cannot be compared. Who says that it no longer
 * hears the Kubernetes API must have reached all that was reached: a first list tells nothing of what was deleted before it.
 */
export function lackOf(offered: ComputedRevisions, enforced: ComputedRevisions): Lack | undefined {
  if (offered.cluster !== enforced.cluster) return undefined;
  const reached = reachedOf(offered);
  const needed = offered.cutOffSince === undefined && enforced.changed !== undefined ? enforced.changed : reachedOf(enforced);
  for (const [input, known] of Object.entries(needed)) {
    const seen = reached[input];
    if (seen !== undefined && isOlder(seen, known)) return { input, seen, known };
  }
  return undefined;
}

type Versions = Readonly<Record<string, string>>;

/** What several streams of one controller contain together: reached as far as the slowest, with a change that one of them has. */
export function together(one: ComputedRevisions, other: ComputedRevisions): ComputedRevisions {
  if (one === other) return one;
  return revisions({
    cluster: other.cluster,
    reached: pick(reachedOf(one), reachedOf(other), (before, version) => isOlder(before, version)),
    changed: newest(one.changed, other.changed),
    cutOffSince: one.cutOffSince ?? other.cutOffSince,
  });
}

/** Whether it is of several streams {@link together}, of which one told its part of a change that another one has not told yet. */
export function hasPartOnly(computed: ComputedRevisions): boolean {
  const reached = reachedOf(computed);
  return Object.entries(computed.changed ?? {}).some(([input, version]) => isOlder(reached[input] ?? version, version));
}

/** What is enforced once `adopted`, which lacked nothing of `enforced`, has taken its place. */
export function afterAdopting(enforced: ComputedRevisions | undefined, adopted: ComputedRevisions): ComputedRevisions {
  if (enforced === undefined || enforced.cluster !== adopted.cluster) return adopted;
  const { cluster, cutOffSince } = adopted;
  return revisions({ cluster, reached: reachedOf(adopted), changed: newest(enforced.changed, adopted.changed), cutOffSince });
}

function revisions(parts: {
  readonly cluster: string;
  readonly reached: Versions;
  readonly changed: Versions | undefined;
  readonly cutOffSince: string | undefined;
}): ComputedRevisions {
  const { cluster, changed, cutOffSince } = parts;
  const { pods = "", namespaces = "", networkpolicies = "", ...others } = parts.reached;
  return {
    cluster,
    pods,
    namespaces,
    networkpolicies,
    ...(Object.keys(others).length > 0 && { others }),
    ...(changed !== undefined && { changed }),
    ...(cutOffSince !== undefined && { cutOffSince }),
  };
}

function newest(one: Versions | undefined, other: Versions | undefined): Versions | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return pick(one, other, (before, version) => !isOlder(before, version));
}

/** By input, the former or the latter; where only one of them tells of an input, that. */
function pick(former: Versions, latter: Versions, keepsFormer: (before: string, version: string) => boolean): Versions {
  const chosen: Record<string, string> = { ...former };
  for (const [input, version] of Object.entries(latter)) {
    const before = former[input];
    if (before === undefined || !keepsFormer(before, version)) chosen[input] = version;
  }
  return chosen;
}
