import type { Resource } from "#lib/kube/resource.ts";
import type { Condition, KubeObject, LabelSelector, ObjectMeta } from "#lib/kube/types.ts";
import type { FullPodSpec } from "../pod/types.ts";
import type { PersistentVolumeClaim } from "../storage/types.ts";

export interface PodTemplate {
  readonly metadata?: ObjectMeta | null;
  readonly spec: FullPodSpec;
}

/** `apps/v1` Deployment. */
export interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
    readonly strategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly maxSurge?: number | string; readonly maxUnavailable?: number | string };
    };
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly progressDeadlineSeconds?: number;
    readonly paused?: boolean;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly unavailableReplicas?: number;
    readonly conditions?: readonly (Condition & { readonly lastUpdateTime?: string })[];
    readonly collisionCount?: number;
  };
}

/** `apps/v1` ReplicaSet. */
export interface ReplicaSet extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
    readonly minReadySeconds?: number;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly fullyLabeledReplicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** `apps/v1` DaemonSet. */
export interface DaemonSet extends KubeObject {
  readonly spec: {
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
    readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: { readonly maxUnavailable?: number | string } };
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled?: number;
    readonly currentNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberMisscheduled?: number;
    readonly numberReady?: number;
    readonly numberAvailable?: number;
    readonly numberUnavailable?: number;
  };
}

/** `apps/v1` StatefulSet. */
export interface StatefulSet extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly serviceName?: string;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
    readonly podManagementPolicy?: string;
    readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: { readonly partition?: number } };
    readonly ordinals?: { readonly start?: number };
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly volumeClaimTemplates?: readonly PersistentVolumeClaim[] | null;
    readonly persistentVolumeClaimRetentionPolicy?: { readonly whenDeleted?: string; readonly whenScaled?: string };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly currentReplicas?: number;
    readonly updatedReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
    readonly collisionCount?: number;
  };
}

/** `apps/v1` ControllerRevision. What its data are is its owner's business: of ours, a patch of the template. */
export interface ControllerRevision extends KubeObject {
  readonly data?: { readonly spec?: { readonly template?: PodTemplate & { readonly $patch?: string } } } | null;
  readonly revision: number;
}

const apps = <Kind extends KubeObject>(plural: string, kind: string): Resource<Kind> => ({
  group: "apps",
  version: "v1",
  plural,
  kind,
  namespaced: true,
});

export const deployments = apps<Deployment>("deployments", "Deployment");
export const replicaSets = apps<ReplicaSet>("replicasets", "ReplicaSet");
export const daemonSets = apps<DaemonSet>("daemonsets", "DaemonSet");
export const controllerRevisions = apps<ControllerRevision>("controllerrevisions", "ControllerRevision");
export const statefulSets = apps<StatefulSet>("statefulsets", "StatefulSet");
