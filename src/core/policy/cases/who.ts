import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { AdminNetworkPolicy } from "#core/api/upstream/admin-network-policy.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { LabelSelector, Namespace, Node, Pod, Service } from "#lib/kube/index.ts";
import { nameLabel } from "./notation.ts";
import { type Endpoint, isExternal, isInside, selects } from "./reading.ts";

// Who is who for the policies of parts B, C and D of the sheet: groups (B.8), namespaces, nodes and blocks.

/** The objects beside Namespaces, Pods and NetworkPolicies that decide about packets. */
export interface OtherObjects {
  readonly nodes?: readonly Node[];
  readonly services?: readonly Service[];
  readonly externalEntities?: readonly ExternalEntity[];
  readonly tiers?: readonly Tier[];
  readonly clusterGroups?: readonly AntreaGroup[];
  readonly groups?: readonly AntreaGroup[];
  readonly antreaPolicies?: readonly AntreaPolicy[];
  readonly clusterNetworkPolicies?: readonly ClusterNetworkPolicy[];
  readonly adminNetworkPolicies?: readonly AdminNetworkPolicy[];
  readonly baselineAdminNetworkPolicies?: readonly AdminNetworkPolicy[];
}

export interface LayeredWorld extends OtherObjects {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
}

export const groupOf = (world: LayeredWorld, namespace: string | undefined, name: string): AntreaGroup | undefined =>
  (namespace === undefined ? world.clusterGroups : world.groups)?.find(
    ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
  );

export function childrenOf(world: LayeredWorld, { metadata, spec }: AntreaGroup): AntreaGroup[] {
  return (spec?.childGroups ?? []).map((name) => groupOf(world, metadata.namespace, name)).filter((child) => child !== undefined);
}

export const nestsTooDeep = (world: LayeredWorld, group: AntreaGroup): boolean =>
  childrenOf(world, group).some(({ spec }) => (spec?.childGroups ?? []).length > 0);

export function isInGroup(world: LayeredWorld, group: AntreaGroup | undefined, endpoint: Endpoint): boolean {
  if (group === undefined || nestsTooDeep(world, group)) return false;
  return [group, ...childrenOf(world, group)].some(({ metadata, spec = {} }) => {
    const { externalEntitySelector } = spec;
    if (isExternal(endpoint))
      return (
        externalEntitySelector !== undefined &&
        selects(externalEntitySelector, endpoint.metadata.labels) &&
        (spec.namespaceSelector !== undefined
          ? isInNamespaces(world, endpoint, spec.namespaceSelector)
          : metadata.namespace === undefined
            ? namespaceOf(world, endpoint) !== undefined
            : isIn(endpoint, metadata.namespace))
      );
    if (externalEntitySelector !== undefined) return false;
    const pod = endpoint;
    const { podSelector, namespaceSelector, serviceReference } = spec;
    if (serviceReference !== undefined) {
      const namespace = serviceReference.namespace ?? metadata.namespace;
      const service = world.services?.find((each) => each.metadata.name === serviceReference.name && each.metadata.namespace === namespace);
      const matchLabels = service?.spec?.selector ?? {};
      return Object.keys(matchLabels).length > 0 && pod.metadata.namespace === namespace && selects({ matchLabels }, pod.metadata.labels);
    }
    if (podSelector === undefined && namespaceSelector === undefined) return false;
    if (podSelector !== undefined && !selects(podSelector, pod.metadata.labels)) return false;
    if (namespaceSelector !== undefined) return isInNamespaces(world, pod, namespaceSelector);
    return metadata.namespace === undefined ? namespaceOf(world, pod) !== undefined : pod.metadata.namespace === metadata.namespace;
  });
}

export function isInNodeGroup(world: LayeredWorld, group: AntreaGroup | undefined, address: IpAddress): boolean {
  if (group === undefined || nestsTooDeep(world, group)) return false;
  return [group, ...childrenOf(world, group)].some(
    ({ spec }) => spec?.nodeSelector !== undefined && isNode(world, spec.nodeSelector, address),
  );
}

export function blocksOf(world: LayeredWorld, group: AntreaGroup | undefined) {
  if (group === undefined || nestsTooDeep(world, group)) return [];
  return [group, ...childrenOf(world, group)].flatMap(({ spec }) => spec?.ipBlocks ?? []);
}

/** Policies of one namespace, or of the cluster, where they name no other. */
export const isIn = ({ metadata }: Endpoint, namespace: string | undefined): boolean =>
  namespace === undefined || metadata.namespace === namespace;

/** A.3.5: the labels of the endpoint's namespace; undefined while there is no such object. */
export function namespaceOf(world: LayeredWorld, { metadata }: Endpoint): Readonly<Record<string, string>> | undefined {
  const namespace = world.namespaces.find((each) => each.metadata.name === metadata.namespace);
  return namespace && { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name ?? "" };
}

export function isInNamespaces(world: LayeredWorld, pod: Endpoint, selector: LabelSelector): boolean {
  const labels = namespaceOf(world, pod);
  return labels !== undefined && selects(selector, labels);
}

export const runsAs = ({ metadata, spec }: Pod, account: { readonly namespace?: string; readonly name: string }): boolean =>
  metadata.namespace === account.namespace && spec.serviceAccountName === account.name;

/** B.6.6 */
export function isNode(world: LayeredWorld, selector: LabelSelector, address: IpAddress): boolean {
  return (world.nodes ?? []).some(({ metadata, spec, status }) => {
    if (!selects(selector, metadata.labels)) return false;
    const gateways = (spec?.podCIDRs ?? []).map((cidr) => parseAddress(cidr.split("/")[0] ?? "").plus(1n));
    const reported = (status?.addresses ?? []).map((each) => parseAddress(each.address));
    return [...gateways, ...reported].some((own) => own.equals(address));
  });
}

export const isInBlock = (
  { cidr, except = [] }: { readonly cidr: string; readonly except?: readonly string[] },
  address: IpAddress,
): boolean => isInside(cidr, address) && !except.some((block) => isInside(block, address));
