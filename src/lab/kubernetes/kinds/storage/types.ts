import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject, LabelSelector } from "#lib/kube/types.ts";

export interface VolumeClaimSpec {
  readonly accessModes?: readonly string[];
  readonly selector?: LabelSelector;
  readonly resources?: { readonly requests?: Readonly<Record<string, string>>; readonly limits?: Readonly<Record<string, string>> };
  readonly volumeName?: string;
  readonly storageClassName?: string;
  readonly volumeMode?: string;
}

/** `v1` PersistentVolumeClaim. */
export interface PersistentVolumeClaim extends KubeObject {
  readonly spec: VolumeClaimSpec;
  readonly status?: {
    readonly phase?: string;
    readonly accessModes?: readonly string[];
    readonly capacity?: Readonly<Record<string, string>>;
  };
}

/** `v1` PersistentVolume. Of its sources, that there is one is all that anybody here looks at. */
export interface PersistentVolume extends KubeObject {
  readonly spec: {
    readonly capacity?: Readonly<Record<string, string>>;
    readonly accessModes?: readonly string[];
    readonly persistentVolumeReclaimPolicy?: string;
    readonly storageClassName?: string;
    readonly volumeMode?: string;
    readonly claimRef?: { readonly namespace?: string; readonly name?: string };
    readonly [source: string]: unknown;
  };
  readonly status?: { readonly phase?: string; readonly reason?: string };
}

/** `storage.k8s.io/v1` StorageClass. */
export interface StorageClass extends KubeObject {
  readonly provisioner: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly reclaimPolicy?: string;
  readonly allowVolumeExpansion?: boolean;
  readonly volumeBindingMode?: string;
}

export const persistentVolumeClaims: Resource<PersistentVolumeClaim> = {
  group: "",
  version: "v1",
  plural: "persistentvolumeclaims",
  kind: "PersistentVolumeClaim",
  namespaced: true,
};
export const persistentVolumes: Resource<PersistentVolume> = {
  group: "",
  version: "v1",
  plural: "persistentvolumes",
  kind: "PersistentVolume",
  namespaced: false,
};
export const storageClasses: Resource<StorageClass> = {
  group: "storage.k8s.io",
  version: "v1",
  plural: "storageclasses",
  kind: "StorageClass",
  namespaced: false,
};
