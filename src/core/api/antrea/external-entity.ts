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
