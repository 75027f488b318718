import type { Container, Pod, PodSpec } from "#lib/kube/kinds.ts";
import type { KubeObject } from "#lib/kube/types.ts";

/** `v1.Toleration`. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
  readonly tolerationSeconds?: number;
}

export interface Volume {
  readonly name: string;
  readonly [source: string]: unknown;
}

/** A pod's spec with the fields that only an API server looks at. */
export interface FullPodSpec extends PodSpec {
  readonly containers: readonly FullContainer[];
  readonly initContainers?: readonly FullContainer[];
  readonly volumes?: readonly Volume[];
  readonly tolerations?: readonly Toleration[];
  readonly serviceAccount?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly priority?: number;
  readonly preemptionPolicy?: string;
  readonly activeDeadlineSeconds?: number;
  readonly dnsPolicy?: string;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly schedulingGates?: readonly unknown[];
  readonly resources?: Container["resources"];
}

export interface FullContainer extends Container {
  readonly restartPolicy?: string;
}

export interface FullPod extends KubeObject {
  readonly spec: FullPodSpec;
  readonly status?: NonNullable<Pod["status"]> & { readonly qosClass?: string; readonly nominatedNodeName?: string };
}

/** All containers of a pod, init containers first. */
export function containersOf({ initContainers = [], containers }: FullPodSpec): readonly FullContainer[] {
  return [...initContainers, ...containers];
}
