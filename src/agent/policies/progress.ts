import { type ComputedRevisions, type ControlplaneResource, controlplaneResources } from "#core/api/controlplane/index.ts";

const inputs = ["pods", "namespaces", "networkpolicies"] as const;

/** How far the controller has computed, as each of its three streams says. */
export interface Progress {
  reached(resource: ControlplaneResource, computed: ComputedRevisions | undefined): void;
  /** The stream ended: what it said holds for it no more. */
  lost(resource: ControlplaneResource): void;
  /** Whether the controller says on all streams how far it is. */
  announced(): boolean;
  /** Whether all streams contain the effects of pods up to `resourceVersion`. */
  hasPods(resourceVersion: string): boolean;
  /** What all streams contain. */
  common(): ComputedRevisions | undefined;
  /** What `offered` lacks that was seen before (or is in `remembered`), in the same cluster. */
  lackOf(
    offered: ComputedRevisions,
    remembered: ComputedRevisions | undefined,
  ): { readonly input: string; readonly seen: string; readonly known: string } | undefined;
}

/** resourceVersions of one cluster are numbers (KEP-5504); anything else cannot be compared. */
export const isNumber = (resourceVersion: string): boolean => /^\d+$/.test(resourceVersion);

export function createProgress(): Progress {
  const marks = new Map<ControlplaneResource, ComputedRevisions>();
  let enforced: ComputedRevisions | undefined;
  const common = (): ComputedRevisions | undefined => {
    const all = controlplaneResources.map((resource) => marks.get(resource));
    const [first] = all;
    if (first === undefined) return undefined;
    let least = first;
    for (const mark of all) {
      if (mark === undefined || mark.cluster !== first.cluster) return undefined;
      least = { ...least, ...Object.fromEntries(inputs.map((input) => [input, smaller(least[input], mark[input])])) };
    }
    return least;
  };
  return {
    reached(resource, computed) {
      if (computed === undefined) marks.delete(resource);
      else marks.set(resource, computed);
      enforced = common() ?? enforced;
    },
    lost: (resource) => void marks.delete(resource),
    announced: () => controlplaneResources.every((resource) => marks.has(resource)),
    hasPods(resourceVersion) {
      const pods = common()?.pods;
      return pods !== undefined && isNumber(pods) && BigInt(pods) >= BigInt(resourceVersion);
    },
    common,
    lackOf(offered, remembered) {
      const known = enforced ?? remembered;
      if (known === undefined || known.cluster !== offered.cluster) return undefined;
      for (const input of inputs)
        if (isNumber(offered[input]) && isNumber(known[input]) && BigInt(offered[input]) < BigInt(known[input]))
          return { input, seen: offered[input], known: known[input] };
      return undefined;
    },
  };
}

function smaller(a: string, b: string): string {
  return isNumber(a) && isNumber(b) && BigInt(b) < BigInt(a) ? b : a;
}
