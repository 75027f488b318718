import { isAlreadyExists } from "#lib/kube/errors.ts";
import type { FullPod, FullPodSpec } from "../kinds/pod/types.ts";
import { type PersistentVolumeClaim, persistentVolumeClaims } from "../kinds/storage/types.ts";
import type { StatefulSet } from "../kinds/workload/types.ts";
import type { ControllerContext } from "./cluster.ts";

/** The claims of the pod of that number, by the names of the pod's volumes. They have no owner: they stay when the pod or the set goes. */
export function claimsOf({ metadata, spec }: StatefulSet, ordinal: number): ReadonlyMap<string, PersistentVolumeClaim> {
  return new Map(
    (spec.volumeClaimTemplates ?? []).map((template): [string, PersistentVolumeClaim] => {
      const { name: volume = "", labels, annotations } = template.metadata;
      const name = `${volume}-${metadata.name}-${ordinal}`;
      const { namespace = "" } = metadata;
      const claim = {
        metadata: {
          name,
          namespace,
          labels: { ...labels, ...spec.selector.matchLabels },
          ...(annotations === undefined ? {} : { annotations }),
        },
        spec: template.spec,
      };
      return [volume, claim];
    }),
  );
}

/** The pod's spec with a volume for each claim, in the place of one that the template has under the same name. */
export function withClaims(spec: FullPodSpec, claims: ReadonlyMap<string, PersistentVolumeClaim>): FullPodSpec {
  if (claims.size === 0) return spec;
  const mounted = [...claims].map(([name, { metadata }]) => ({ name, persistentVolumeClaim: { claimName: metadata.name ?? "" } }));
  return { ...spec, volumes: [...mounted, ...(spec.volumes ?? []).filter(({ name }) => !claims.has(name))] };
}

/** Makes those that are not there. One that is there is the pod's of that number, whoever made it. */
export async function ensureClaims({ client, cluster }: ControllerContext, claims: Iterable<PersistentVolumeClaim>): Promise<void> {
  for (const claim of claims) {
    if (cluster.persistentVolumeClaims.get(`${claim.metadata.namespace}/${claim.metadata.name}`) !== undefined) continue;
    try {
      await client.create(persistentVolumeClaims, claim);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/** Why a pod cannot start for its claims; undefined when all of them are bound. In the words of Kubernetes, and what a lab lacks. */
export function unboundClaim(
  { metadata: { namespace }, spec }: FullPod,
  find: (key: string) => PersistentVolumeClaim | undefined,
): string | undefined {
  for (const { persistentVolumeClaim } of spec.volumes ?? []) {
    const { claimName } = (persistentVolumeClaim ?? {}) as { readonly claimName?: string };
    if (claimName === undefined) continue;
    const claim = find(`${namespace}/${claimName}`);
    if (claim === undefined) return `persistentvolumeclaim "${claimName}" not found`;
    if (claim.status?.phase !== "Bound")
      return `pod has unbound immediate PersistentVolumeClaims: nobody in this lab makes a volume for "${claimName}"`;
  }
  return undefined;
}
