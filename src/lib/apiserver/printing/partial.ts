import type { KubeObject, ListMeta } from "#lib/kube/types.ts";

const metaVersion = "meta.k8s.io/v1";

/** The object with nothing but its metadata (`as=PartialObjectMetadata`). */
export function toPartial({ metadata }: KubeObject) {
  return { kind: "PartialObjectMetadata", apiVersion: metaVersion, metadata } as const;
}

/** A list of {@link toPartial} (`as=PartialObjectMetadataList`). */
export function toPartialList({ objects, list }: { readonly objects: readonly KubeObject[]; readonly list: ListMeta }) {
  return { kind: "PartialObjectMetadataList", apiVersion: metaVersion, metadata: list, items: objects.map(toPartial) } as const;
}
