import type { IpBlock } from "#core/api/controlplane/index.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { Service } from "#lib/kube/index.ts";
import { checkSelector, type GroupSelector, selectPods } from "../group-selector.ts";
import { lowerBlock } from "./blocks.ts";
import { Problems } from "./problems.ts";

/** What a ClusterGroup or Group consists of at present. */
export interface GroupContent {
  readonly uid: string;
  readonly selectors: readonly GroupSelector[];
  readonly ipBlocks: readonly IpBlock[];
  /** Whether it may select what is in other namespaces than its own: such a Group cannot be applied to. */
  readonly crossesNamespaces: boolean;
  /** A child has children of its own: the group has no members then. */
  readonly nestingExceeded: boolean;
  readonly problems: readonly string[];
}

export interface GroupContext {
  /** By `namespace/name`. */
  service(key: string): Service | undefined;
  /** By key of the group. */
  group(key: string): AntreaGroup | undefined;
}

/** The key of a group by the namespace it is in: ClusterGroups have none. */
export const groupKey = (namespace: string | undefined, name: string): string => (namespace ? `${namespace}/${name}` : name);

/** The group's members as selectors and blocks, those of its children included. */
export function lowerGroup(group: AntreaGroup, context: GroupContext): GroupContent {
  const { namespace } = group.metadata;
  const { childGroups = [] } = group.spec ?? {};
  const own = lowerOwn(group, context);
  if (childGroups.length === 0) return own;
  const selectors = [...own.selectors];
  const ipBlocks = [...own.ipBlocks];
  let crossesNamespaces = own.crossesNamespaces;
  for (const name of childGroups) {
    const child = context.group(groupKey(namespace, name));
    // It joins when it is made.
    if (child === undefined) continue;
    if ((child.spec?.childGroups ?? []).length > 0)
      return { uid: own.uid, selectors: [], ipBlocks: [], crossesNamespaces: false, nestingExceeded: true, problems: own.problems };
    const content = lowerOwn(child, context);
    selectors.push(...content.selectors);
    ipBlocks.push(...content.ipBlocks);
    crossesNamespaces ||= content.crossesNamespaces;
  }
  return { ...own, selectors, ipBlocks, crossesNamespaces };
}

function lowerOwn({ metadata, spec = {} }: AntreaGroup, context: GroupContext): GroupContent {
  const { namespace, uid = "" } = metadata;
  const problems = new Problems();
  const { podSelector, namespaceSelector, externalEntitySelector, nodeSelector, serviceReference } = spec;
  // Without namespaces of its own to look in, a ClusterGroup looks in all.
  const namespaces = namespaceSelector ?? (namespace === undefined ? {} : undefined);
  const selector = problems.attempt("spec", (): GroupSelector | undefined => {
    checkSelector(namespaceSelector);
    if (externalEntitySelector !== undefined) {
      checkSelector(externalEntitySelector);
      return {
        kind: "ExternalEntity",
        namespace: namespaces ? undefined : namespace,
        namespaceSelector: namespaces,
        selector: externalEntitySelector,
      };
    }
    if (nodeSelector !== undefined) {
      checkSelector(nodeSelector);
      return { kind: "Node", namespace: undefined, namespaceSelector: undefined, selector: nodeSelector };
    }
    if (podSelector !== undefined || namespaceSelector !== undefined)
      return selectPods({ namespace, podSelector, namespaceSelector: namespaces });
    return serviceReference === undefined ? undefined : podsOfService(serviceReference, namespace, context);
  });
  const ipBlocks = (spec.ipBlocks ?? [])
    .map((block, index) => lowerBlock(block, `spec.ipBlocks[${index}]`, problems))
    .filter((block) => block !== undefined);
  return {
    uid,
    selectors: selector === undefined ? [] : [selector],
    ipBlocks,
    crossesNamespaces: namespaceSelector !== undefined,
    nestingExceeded: false,
    problems: problems.found,
  };
}

/** The pods a Service selects; none while it is not there, and none of one that selects none. */
function podsOfService(
  reference: { readonly name: string; readonly namespace?: string },
  home: string | undefined,
  context: GroupContext,
): GroupSelector | undefined {
  const namespace = reference.namespace ?? home ?? "";
  const matchLabels = context.service(`${namespace}/${reference.name}`)?.spec?.selector;
  if (matchLabels === undefined || Object.keys(matchLabels).length === 0) return undefined;
  return selectPods({ namespace, podSelector: { matchLabels } });
}
