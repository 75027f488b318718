import type { KubeObject } from "#lib/kube/index.ts";

/** An ExternalEntity of crd.antrea.io/v1alpha2: something outside the cluster that policies know by its labels. */
export interface ExternalEntity extends KubeObject {
  readonly spec?: {
    readonly endpoints?: readonly { readonly ip: string; readonly name?: string }[];
    readonly ports?: readonly { readonly protocol?: string; readonly port?: number | string; readonly name?: string }[];
    /** The ExternalNode whose agent enforces policies for it; without one it is only a peer. */
    readonly externalNode?: string;
  };
}

/** An ExternalNode of crd.antrea.io/v1alpha1: a virtual machine or server outside the cluster on which an agent runs. */
export interface ExternalNode extends KubeObject {
  readonly spec?: {
    /** One at present. */
    readonly interfaces?: readonly { readonly ips?: readonly string[]; readonly name?: string }[];
  };
}

/** The kind in the `ownerReferences` of ExternalEntities that stand for an interface of an ExternalNode. */
export const externalNodeKind = "ExternalNode";

/**
 * By what name the agent that enforces the entity's policies asks for them; undefined: none does. ExternalNodes of different namespaces may have one name, so an
 * entity that is made of one says `namespace/name`; one that somebody wrote says what it says.
 */
export function enforcerOf({ metadata, spec }: ExternalEntity): string | undefined {
  const node = spec?.externalNode;
  if (!node) return undefined;
  return metadata.ownerReferences?.[0]?.kind === externalNodeKind ? `${metadata.namespace ?? ""}/${node}` : node;
}
