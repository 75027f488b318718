import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import type { PodTemplate } from "../kinds/workload/types.ts";
import { controllerReference } from "./owners.ts";

/** A pod made from its owner's template. The server completes the name. */
export function podFrom<Owner extends KubeObject & { readonly spec: { readonly template: PodTemplate } }>(
  resource: Resource<Owner>,
  owner: Owner,
): FullPod {
  const { template } = owner.spec;
  const { labels = {}, annotations, finalizers } = template.metadata ?? {};
  const { name = "", namespace = "" } = owner.metadata;
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels,
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(resource, owner)],
    },
    spec: template.spec,
  };
}
