import type { Objects } from "#lib/apiserver/objects.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { writer } from "./control-plane.ts";
import type { UserEvent } from "./scenario.ts";

type Named<Event = UserEvent> = Event extends { readonly do: `${"put" | "delete"}-${infer Name}` } ? Name : never;

const v1 = { group: "", version: "v1" } as const;
const antrea = { group: "crd.antrea.io", version: "v1beta1" } as const;
/** What can be put and deleted, each by what its events call it. */
const kinds: Readonly<
  Record<Named, { readonly group: string; readonly version: string; readonly kind: string; readonly resource: string }>
> = {
  pod: { ...v1, kind: "Pod", resource: "pods" },
  service: { ...v1, kind: "Service", resource: "services" },
  policy: { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy", resource: "networkpolicies" },
  "antrea-policy": { ...antrea, kind: "NetworkPolicy", resource: "networkpolicies" },
  "cluster-policy": { ...antrea, kind: "ClusterNetworkPolicy", resource: "clusternetworkpolicies" },
  "upstream-cluster-policy": {
    group: "policy.networking.k8s.io",
    version: "v1alpha2",
    kind: "ClusterNetworkPolicy",
    resource: "clusternetworkpolicies",
  },
  tier: { ...antrea, kind: "Tier", resource: "tiers" },
  group: { ...antrea, kind: "Group", resource: "groups" },
  "cluster-group": { ...antrea, kind: "ClusterGroup", resource: "clustergroups" },
};

const namespaces = { group: "", resource: "namespaces" };
const pods = { group: "", resource: "pods" };
const change = { ...writer, subresource: "" };

/** Writes to the API what a user does. Throws as the API does: whatever is about what is not there is refused. */
export async function writeEvent(objects: Objects, event: UserEvent): Promise<void> {
  switch (event.do) {
    case "label-namespace": {
      const { namespace: name, labels } = event;
      if (objects.get(namespaces, { namespace: "", name }) === undefined)
        await objects.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } }, writer);
      else await objects.update(namespaces, { namespace: "", name }, (draft) => Object.assign(draft.metadata, { labels }), change);
      return;
    }
    case "create-pod": {
      const { namespace, name, node: nodeName, labels } = event;
      const spec = { nodeName, containers: [{ name: "main", image: "simulated" }] };
      await ensureNamespace(objects, namespace);
      await objects.create(pods, { apiVersion: "v1", kind: "Pod", metadata: { namespace, name, labels }, spec } as KubeObject, writer);
      return;
    }
    case "label-pod": {
      const { namespace, name, labels } = event;
      await objects.update(pods, { namespace, name }, (draft) => Object.assign(draft.metadata, { labels }), change);
      return;
    }
  }
  const { group, version, kind, resource } = kinds[event.do.replace(/^(put|delete)-/, "") as Named];
  const namespace = "namespace" in event ? event.namespace : "";
  const key = { namespace, name: event.name };
  if (!("spec" in event)) {
    await objects.delete({ group, resource }, key, {}, writer);
    return;
  }
  const { spec } = event;
  if (namespace !== "") await ensureNamespace(objects, namespace);
  if (objects.get({ group, resource }, key) !== undefined) {
    // A Service keeps the addresses that it was given.
    const keeps = resource === "services";
    await objects.update(
      { group, resource },
      key,
      (draft) => Object.assign(draft, { spec: keeps ? { ...(draft.spec ?? {}), ...spec } : spec }),
      change,
    );
    return;
  }
  const metadata = namespace === "" ? { name: event.name } : key;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  await objects.create({ group, resource }, { apiVersion, kind, metadata, spec } as KubeObject, writer);
}

/** A scenario that was shrunk may lack the event that made it. */
async function ensureNamespace(objects: Objects, name: string): Promise<void> {
  if (objects.get(namespaces, { namespace: "", name }) !== undefined) return;
  await objects.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } }, writer);
}
