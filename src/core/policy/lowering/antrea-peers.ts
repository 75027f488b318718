import type { AntreaPeer, AntreaRule } from "#core/api/antrea/policy.ts";
import type { Direction, IpBlock, ServiceMatch } from "#core/api/controlplane/index.ts";
import { checkSelector, type GroupReference, type GroupSelector, selectPods } from "../group-selector.ts";
import type { NamespaceRow } from "../rows.ts";
import type { AntreaLowering } from "./antrea.ts";
import { podsOfServiceAccount } from "./antrea-applied-to.ts";
import { anybody, lowerBlock } from "./blocks.ts";
import { groupKey } from "./groups.ts";
import { everyPod, type LoweredPeers } from "./lowered.ts";
import { hasNamedPort } from "./ports.ts";

/** Whether peers of the rule depend on the namespace of the subject. */
export const hasNamespacesPeer = ({ from = [], to = [] }: AntreaRule): boolean =>
  [...from, ...to].some(({ namespaces }) => namespaces !== undefined);

interface PeerLowering extends AntreaLowering {
  readonly direction: Direction;
  readonly path: string;
  readonly services: readonly ServiceMatch[];
}

/** The peers of a rule that are the same for all its subjects; none listed: anybody. Undefined when none of those listed can be found. */
export function lowerAntreaPeers(
  listed: readonly AntreaPeer[],
  lowering: PeerLowering,
): (LoweredPeers & { readonly fqdns?: readonly string[] }) | undefined {
  const { direction, services, path, problems } = lowering;
  if (listed.length === 0) return { peers: direction === "Out" && hasNamedPort(services) ? everyPod : [], ipBlocks: anybody };
  const peers: GroupReference[] = [];
  const ipBlocks: IpBlock[] = [];
  const fqdns: string[] = [];
  for (const [index, peer] of listed.entries()) {
    const place = `${path}.${direction === "In" ? "from" : "to"}[${index}]`;
    if (peer.ipBlock !== undefined) {
      const block = lowerBlock(peer.ipBlock, `${place}.ipBlock`, problems);
      if (block !== undefined) ipBlocks.push(block);
    } else if (peer.fqdn) fqdns.push(peer.fqdn.toLowerCase());
    else if (peer.group) {
      const key = groupKey(lowering.namespace, peer.group);
      const content = lowering.context.group(key);
      if (content !== undefined && content.selectors.length > 0) peers.push({ group: key });
      ipBlocks.push(...(content?.ipBlocks ?? []));
    } else {
      const selector = problems.attempt(place, () => selectorOf(peer, lowering.namespace));
      if (selector !== undefined) peers.push(selector);
      else problems.note(place, "selects in no way that is known; it matches nothing");
    }
  }
  if (peers.length === 0 && ipBlocks.length === 0 && fqdns.length === 0) return undefined;
  return { peers, ipBlocks, ...(fqdns.length > 0 && { fqdns }) };
}

function selectorOf(peer: AntreaPeer, namespace: string | undefined): GroupSelector | undefined {
  const { podSelector, namespaceSelector, externalEntitySelector, nodeSelector, serviceAccount } = peer;
  // Peers in other clusters are none of ours.
  if (peer.scope === "ClusterSet") return undefined;
  if (serviceAccount !== undefined) return podsOfServiceAccount(serviceAccount);
  if (nodeSelector !== undefined) {
    checkSelector(nodeSelector);
    return { kind: "Node", namespace: undefined, namespaceSelector: undefined, selector: nodeSelector };
  }
  if (externalEntitySelector !== undefined) {
    checkSelector(externalEntitySelector);
    checkSelector(namespaceSelector);
    return {
      kind: "ExternalEntity",
      namespace: namespaceSelector === undefined ? namespace : undefined,
      namespaceSelector,
      selector: externalEntitySelector,
    };
  }
  if (podSelector === undefined && namespaceSelector === undefined) return undefined;
  return selectPods({ namespace, podSelector, namespaceSelector });
}

/** Equal for namespaces from which the `namespaces` peers of a rule are the same. */
export function sightOf(listed: readonly AntreaPeer[], { name, labels }: NamespaceRow): string {
  const asked = listed.flatMap(({ namespaces }) => (namespaces === undefined ? [] : [namespaces]));
  if (asked.some(({ sameLabels = [] }) => sameLabels.length === 0)) return name;
  return JSON.stringify(asked.flatMap(({ sameLabels = [] }) => sameLabels.map((key) => labels[key] ?? null)));
}

/** What the `namespaces` peers of a rule are for subjects of one namespace. */
export function lowerNamespacesPeers(
  listed: readonly AntreaPeer[],
  namespace: NamespaceRow,
  { problems }: AntreaLowering,
): readonly GroupReference[] {
  return listed.flatMap(({ namespaces, podSelector }): readonly GroupReference[] => {
    if (namespaces === undefined) return [];
    const { match, sameLabels } = namespaces;
    const reference = problems.attempt("namespaces", () => {
      if (match === "Self") return selectPods({ namespace: namespace.name, podSelector: podSelector ?? {} });
      if (sameLabels === undefined || sameLabels.length === 0) return undefined;
      // A namespace that lacks one of the labels has no such peers.
      if (sameLabels.some((key) => namespace.labels[key] === undefined)) return undefined;
      const matchLabels = Object.fromEntries(sameLabels.map((key) => [key, namespace.labels[key] ?? ""]));
      return selectPods({ namespace: undefined, podSelector: podSelector ?? {}, namespaceSelector: { matchLabels } });
    });
    return reference === undefined ? [] : [reference];
  });
}
