import {
  adminNetworkPolicies,
  antreaClusterNetworkPolicies,
  antreaNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterGroups,
  groups,
  tiers,
  upstreamClusterNetworkPolicies,
} from "#core/api/antrea/resources.ts";
import type { OtherKind, OtherObject } from "#core/policy/cases/case.ts";
import type { CaseCluster } from "#core/policy/cases/cluster.ts";
import { type Place, placedObject } from "#core/policy/cases/place.ts";
import { confined, confinedKey } from "./confined.ts";
import { isConflict, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";

/** Where the kinds are that cases set beside NetworkPolicies. */
const resources: Readonly<Record<OtherKind, Resource<KubeObject>>> = {
  Tier: tiers,
  ClusterGroup: clusterGroups,
  Group: groups,
  AntreaClusterNetworkPolicy: antreaClusterNetworkPolicies,
  AntreaNetworkPolicy: antreaNetworkPolicies,
  K8sClusterNetworkPolicy: upstreamClusterNetworkPolicies,
  AdminNetworkPolicy: adminNetworkPolicies,
  BaselineAdminNetworkPolicy: baselineAdminNetworkPolicies,
};

export async function putObject({
  client,
  place,
  cluster,
  other: { kind, object },
  isNew,
  slot,
}: {
  readonly client: KubeClient;
  readonly place: Place;
  readonly cluster: CaseCluster;
  readonly other: OtherObject;
  readonly isNew: boolean;
  /** The slot that it is confined to; none: it is about the whole cluster. */
  readonly slot: number | undefined;
}): Promise<void> {
  const resource = resources[kind];
  const placed: KubeObject & OtherObject["object"] = placedObject(object, place, cluster);
  const wanted = slot === undefined ? placed : confined(kind, placed, slot);
  if (isNew) {
    await client.create(resource, wanted);
    return;
  }
  const target = targetOf(wanted);
  for (;;) {
    const { metadata } = await client.get(resource, target);
    const { resourceVersion = "" } = metadata;
    try {
      await client.update(resource, { ...wanted, metadata: { ...wanted.metadata, resourceVersion } });
      return;
    } catch (error) {
      // Its status was written meanwhile.
      if (!isConflict(error)) throw error;
    }
  }
}

/** `key`: `name`, or `namespace/name`. */
export async function removeObject({
  client,
  place,
  kind,
  key,
  slot,
}: {
  readonly client: KubeClient;
  readonly place: Place;
  readonly kind: OtherKind;
  readonly key: string;
  readonly slot: number | undefined;
}): Promise<void> {
  const placedKey = slot === undefined ? key : confinedKey(kind, key, slot);
  const [namespace, name] = placedKey.includes("/") ? placedKey.split("/") : [undefined, placedKey];
  const target = { name: name ?? "", ...(namespace !== undefined && { namespace: place.namespace(namespace) }) };
  await client.delete(resources[kind], target);
}

const targetOf = ({ metadata: { name = "", namespace } }: KubeObject): { readonly name: string; readonly namespace?: string } => ({
  name,
  ...(namespace !== undefined && { namespace }),
});
