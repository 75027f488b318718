import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { Change, OtherKind, OtherObject } from "./case.ts";

// The policies of parts B and C, briefly.

type Spec = NonNullable<AntreaPolicy["spec"]>;

export interface Ordered {
  readonly name?: string;
  readonly tier?: string;
  readonly priority?: number;
  readonly to?: readonly AppliedTo[];
  readonly ingress?: readonly AntreaRule[];
  readonly egress?: readonly AntreaRule[];
}

const set = (other: OtherObject): Change => ({ type: "set", other });
export const unset = (kind: OtherKind, key: string): Change => ({ type: "unset", kind, key });

const spec = ({ tier, priority = 5, to, ingress, egress }: Ordered): Spec => ({
  ...(tier === undefined ? {} : { tier }),
  priority,
  ...(to === undefined ? {} : { appliedTo: to }),
  ...(ingress === undefined ? {} : { ingress }),
  ...(egress === undefined ? {} : { egress }),
});

/** A ClusterNetworkPolicy of Antrea; `n` unless it has a name. */
export const acnp = (ordered: Ordered): Change =>
  set({ kind: "AntreaClusterNetworkPolicy", object: { metadata: { name: ordered.name ?? "n" }, spec: spec(ordered) } });
/** A NetworkPolicy of Antrea in a namespace. */
export const annp = (namespace: string, ordered: Ordered): Change =>
  set({ kind: "AntreaNetworkPolicy", object: { metadata: { namespace, name: ordered.name ?? "n" }, spec: spec(ordered) } });
export const tier = (name: string, priority: number): Change => set({ kind: "Tier", object: { metadata: { name }, spec: { priority } } });
export const clusterGroup = (name: string, group: NonNullable<AntreaGroup["spec"]>): Change =>
  set({ kind: "ClusterGroup", object: { metadata: { name }, spec: group } });
export const groupOf = (namespace: string, name: string, group: NonNullable<AntreaGroup["spec"]>): Change =>
  set({ kind: "Group", object: { metadata: { namespace, name }, spec: group } });
/** A ClusterNetworkPolicy of policy.networking.k8s.io. */
export const cnp = (name: string, policy: NonNullable<ClusterNetworkPolicy["spec"]>): Change =>
  set({ kind: "K8sClusterNetworkPolicy", object: { metadata: { name }, spec: policy } });

/** Pods labelled pod=NAME, in all namespaces or those labelled ns=…, as subjects and as peers. */
export const pods = (name: string, ns?: string): AppliedTo & AntreaPeer => ({
  podSelector: { matchLabels: { pod: name } },
  ...(ns === undefined ? {} : inNs(ns)),
});
/** All pods of namespaces labelled ns=…; of all namespaces. */
export const inNs = (name?: string): AppliedTo & AntreaPeer => ({
  namespaceSelector: name === undefined ? {} : { matchLabels: { ns: name } },
});

const rule = (action: string, from: readonly AntreaPeer[], more: Partial<AntreaRule>): AntreaRule => ({
  action,
  ...(from.length === 0 ? {} : { from }),
  ...more,
});
export const allow = (from: readonly AntreaPeer[] = [], more: Partial<AntreaRule> = {}): AntreaRule => rule("Allow", from, more);
export const deny = (from: readonly AntreaPeer[] = [], more: Partial<AntreaRule> = {}): AntreaRule => rule("Drop", from, more);
export const reject = (from: readonly AntreaPeer[] = [], more: Partial<AntreaRule> = {}): AntreaRule => rule("Reject", from, more);
export const pass = (from: readonly AntreaPeer[] = [], more: Partial<AntreaRule> = {}): AntreaRule => rule("Pass", from, more);
/** A rule about connections to Services (`x/web`), whatever endpoint they come to. */
export const toServices = (action: string, ...services: string[]): AntreaRule => ({
  action,
  toServices: services.map((service) => {
    const [namespace = "", name = ""] = service.split("/");
    return { namespace, name };
  }),
});
/** The same rule for what goes out: its peers are destinations. */
export const outwards = ({ from, ...rest }: AntreaRule): AntreaRule => ({ ...rest, ...(from === undefined ? {} : { to: from }) });
