import type { NamespacedName } from "#core/api/controlplane/index.ts";
import { type LabelSelector, requirementsOf } from "#lib/kube/index.ts";
import type { SubjectKind } from "./labels.ts";

/**
 * What a group consists of: those of one kind whose labels meet `selector`, in the one `namespace` or in the namespaces that meet
 * `namespaceSelector`, in all without either. No `selector` selects all there, as the empty one does; the group has another name then.
 */
export interface GroupSelector {
  readonly kind: SubjectKind;
  readonly namespace: string | undefined;
  readonly namespaceSelector: LabelSelector | undefined;
  readonly selector: LabelSelector | undefined;
}

/** A group by the name that users gave it: `name` of a ClusterGroup, `namespace/name` of a Group. */
export interface NamedGroup {
  readonly group: string;
}

/** What enters the cluster by the node port of a Service, on whatever node. */
export interface ServiceSubject {
  readonly service: NamespacedName;
}

export type GroupReference = GroupSelector | NamedGroup | ServiceSubject;

/**
 * Pods by their labels. An absent `namespaceSelector` means `namespace` alone, or every namespace. Throws InvalidSelector of lib/kube for an operator or a value list that
 * Kubernetes does not know.
 */
export function selectPods(options: {
  readonly namespace: string | undefined;
  readonly podSelector?: LabelSelector | undefined;
  readonly namespaceSelector?: LabelSelector | undefined;
}): GroupSelector {
  const { namespace, podSelector: selector, namespaceSelector } = options;
  checkSelector(selector);
  checkSelector(namespaceSelector);
  return { kind: "Pod", namespace: namespaceSelector === undefined ? namespace : undefined, namespaceSelector, selector };
}

/** Throws InvalidSelector of lib/kube. */
export function checkSelector(selector: LabelSelector | undefined): void {
  if (selector?.matchExpressions !== undefined) requirementsOf(selector);
}
