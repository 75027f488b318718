import type { AppliedTo } from "#core/api/antrea/policy.ts";
import { matchesRequirements, requirementsOf } from "#lib/kube/index.ts";
import { checkSelector, type GroupReference, type GroupSelector, selectPods } from "../group-selector.ts";
import { type NamespaceRow, serviceAccountLabel } from "../rows.ts";
import type { AntreaLowering } from "./antrea.ts";
import { groupKey } from "./groups.ts";

/** The groups that entries of appliedTo stand for. One that selects nothing leaves none. */
export function lowerAppliedTo(entries: readonly AppliedTo[], path: string, lowering: AntreaLowering): readonly GroupReference[] {
  return entries.flatMap((entry, index) => {
    const reference = lowering.problems.attempt(`${path}[${index}]`, () => lowerEntry(entry, lowering));
    return reference === undefined ? [] : [reference];
  });
}

function lowerEntry(entry: AppliedTo, { namespace, context }: AntreaLowering): GroupReference | undefined {
  const { group, service } = entry;
  if (group) {
    const key = groupKey(namespace, group);
    // One that does not exist, or that is made of blocks, selects nobody.
    return (context.group(key)?.selectors.length ?? 0) > 0 ? { group: key } : undefined;
  }
  if (service !== undefined) return { service: { namespace: service.namespace ?? namespace ?? "", name: service.name } };
  return selectorOf(entry, namespace);
}

function selectorOf(entry: AppliedTo, namespace: string | undefined): GroupSelector | undefined {
  const { podSelector, namespaceSelector, externalEntitySelector, nodeSelector, serviceAccount } = entry;
  if (serviceAccount !== undefined) return podsOfServiceAccount(serviceAccount);
  if (nodeSelector !== undefined) {
    checkSelector(nodeSelector);
    return { kind: "Node", namespace: undefined, namespaceSelector: undefined, selector: nodeSelector };
  }
  if (externalEntitySelector !== undefined) {
    checkSelector(externalEntitySelector);
    return {
      kind: "ExternalEntity",
      namespace,
      namespaceSelector: undefined,
      selector: externalEntitySelector,
    };
  }
  // An entry without any field: in a namespace all of its pods, in the cluster nobody.
  if (namespace !== undefined) return selectPods({ namespace, podSelector: podSelector ?? {} });
  if (podSelector === undefined && namespaceSelector === undefined) return undefined;
  return selectPods({ namespace, podSelector, namespaceSelector });
}

/** The pods of a namespace that run as a ServiceAccount. */
export function podsOfServiceAccount({ namespace = "", name }: { readonly namespace?: string; readonly name: string }): GroupSelector {
  return selectPods({ namespace, podSelector: { matchLabels: { [serviceAccountLabel]: name } } });
}

/** A namespace with subjects, and those of them that are in it. */
export interface SubjectNamespace {
  readonly namespace: NamespaceRow;
  readonly references: readonly GroupReference[];
}

/** The subjects of a cluster-wide rule, namespace by namespace, in the order of names. */
export function subjectNamespaces(entries: readonly AppliedTo[], path: string, lowering: AntreaLowering): readonly SubjectNamespace[] {
  const { context, problems } = lowering;
  const selectors = entries.flatMap((entry, index): readonly GroupSelector[] => {
    if (entry.group) return context.group(entry.group)?.selectors ?? [];
    const selector = problems.attempt(`${path}.appliedTo[${index}]`, () => selectorOf(entry, undefined));
    return selector === undefined ? [] : [selector];
  });
  const places = selectors
    .filter(({ kind }) => kind === "Pod")
    .map(({ namespace, namespaceSelector, selector }) => ({
      home: namespace,
      namespaces: requirementsOf(namespaceSelector ?? {}),
      selector,
    }));
  return [...context.namespaces()]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map((namespace) => ({
      namespace,
      references: places
        .filter(({ home, namespaces }) =>
          home === undefined ? matchesRequirements(namespaces, namespace.labels) : home === namespace.name,
        )
        .map(({ selector }) => selectPods({ namespace: namespace.name, podSelector: selector })),
    }))
    .filter(({ references }) => references.length > 0);
}
