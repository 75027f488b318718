import { controlplaneApiVersion, type PolicyReference, type PolicyType, policyTypes } from "#core/api/controlplane/index.ts";
import * as json from "#core/api/controlplane/json.ts";
import { type Counters, isNothing, noCounters, plus } from "./counters.ts";
import type { PolicyCounters } from "./tally.ts";

/**
 * Annotation of a `NodeStatsSummary` whose counters are sums since the node's counting began, as this implementation tells them: it names that beginning. Without
 * it they are what came since the last report, as antrea (Go) tells them.
 */
export const epochAnnotation = "controlplane.antrea.io/cumulative-epoch";

/** What a node tells of its statistics. */
export interface NodeSummary {
  readonly node: string;
  /** Undefined: what came since the last report. */
  readonly epoch: string | undefined;
  readonly policies: readonly PolicyCounters[];
  /** All multicast groups on the node, which the Go implementation tells on the way. */
  readonly multicast?: readonly MulticastGroupMembers[];
}

/** The Pods of a node that joined a multicast group. */
export interface MulticastGroupMembers {
  /** The group's address. */
  readonly group: string;
  readonly pods: readonly { readonly name: string; readonly namespace: string }[];
}

/** The lists of a summary, each of policies of one kind. Others are not told of. */
const lists = {
  networkPolicies: "K8sNetworkPolicy",
  antreaClusterNetworkPolicies: "AntreaClusterNetworkPolicy",
  antreaNetworkPolicies: "AntreaNetworkPolicy",
} as const satisfies Readonly<Record<string, PolicyType>>;
type ListName = keyof typeof lists;
const listNames = Object.keys(lists) as ListName[];

/** Kinds of policy that have statistics. */
export const countedTypes: ReadonlySet<PolicyType> = new Set(Object.values(lists));

/** Policies in one summary, rules in one of them, members of multicast groups: as many as a node enforces or could have. */
const bounds = { policies: 100_000, rules: 65_536, members: 65_536 } as const;

export interface WireStats {
  readonly packets?: number;
  readonly bytes?: number;
  readonly sessions?: number;
}

export interface WirePolicyStats {
  readonly networkPolicy: PolicyReference;
  readonly trafficStats?: WireStats;
  readonly ruleTrafficStats?: readonly { readonly name?: string; readonly trafficStats?: WireStats }[];
}

/** `NodeStatsSummary` of controlplane.antrea.io/v1beta2. */
export interface WireNodeSummary extends Partial<Readonly<Record<ListName, readonly WirePolicyStats[]>>> {
  readonly apiVersion: string;
  readonly kind: "NodeStatsSummary";
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
}

export function encodeSummary({ node, epoch, policies }: NodeSummary): WireNodeSummary {
  return {
    apiVersion: controlplaneApiVersion,
    kind: "NodeStatsSummary",
    metadata: { name: node, ...(epoch !== undefined && { annotations: { [epochAnnotation]: epoch } }) },
    ...Object.fromEntries(
      listNames.flatMap((list) => {
        const told = policies.filter(({ policy }) => policy.type === lists[list]);
        return told.length === 0 ? [] : [[list, told.map(encodePolicy)]];
      }),
    ),
  };
}

const encodePolicy = ({ policy, total, rules }: PolicyCounters): WirePolicyStats => ({
  networkPolicy: policy,
  trafficStats: encodeCounters(total),
  ...(rules.size > 0 && { ruleTrafficStats: [...rules].map(([name, counters]) => ({ name, trafficStats: encodeCounters(counters) })) }),
});

/** As the stats API shows them. */
export const encodeCounters = ({ packets, bytes, sessions }: Counters): Required<WireStats> => ({ packets, bytes, sessions });

/** Reads what an agent sent: total, the path of what is wrong and why as data. */
export function decodeSummary(value: unknown): json.Decoded<NodeSummary> {
  return json.decoding(() => {
    const place = json.root(value, "NodeStatsSummary");
    const metadata = json.field(place, "metadata");
    const annotations = json.field(metadata, "annotations");
    const epoch = json.field(annotations, epochAnnotation);
    const policies = listNames.flatMap((list) => json.items(json.field(place, list), (item) => readPolicy(item, lists[list])));
    if (policies.length > bounds.policies) json.fail(place, `at most ${bounds.policies} policies`);
    const multicast = json.items(json.field(place, "multicast"), readMulticast);
    if (multicast.reduce((sum, { pods }) => sum + 1 + pods.length, 0) > bounds.members)
      json.fail(place, `at most ${bounds.members} members`);
    return {
      node: json.text(json.field(metadata, "name")),
      epoch: json.absent(epoch) ? undefined : json.text(epoch),
      policies,
      ...(multicast.length > 0 && { multicast }),
    };
  });
}

function readPolicy(place: json.Place, type: PolicyType): PolicyCounters {
  const reference = json.field(place, "networkPolicy");
  const given = json.field(reference, "type");
  if (!json.absent(given)) json.oneOf(given, policyTypes);
  const rules = json.items(json.field(place, "ruleTrafficStats"), (rule) => {
    return [json.textOrEmpty(json.field(rule, "name")), readCounters(json.field(rule, "trafficStats"))] as const;
  });
  if (rules.length > bounds.rules) json.fail(place, `at most ${bounds.rules} rules`);
  const total = readCounters(json.field(place, "trafficStats"));
  return {
    policy: {
      type,
      ...json.optional(reference, "namespace", json.text),
      name: json.textOrEmpty(json.field(reference, "name")),
      uid: json.text(json.field(reference, "uid")),
    },
    // Of policies whose rules have names antrea (Go) tells these alone.
    total: isNothing(total) ? rules.reduce((sum, [, counters]) => plus(sum, counters), noCounters) : total,
    rules: new Map(rules),
  };
}

const readMulticast = (place: json.Place): MulticastGroupMembers => ({
  group: json.text(json.field(place, "group")),
  pods: json.items(json.field(place, "pods"), (pod) => ({
    name: json.textOrEmpty(json.field(pod, "name")),
    namespace: json.textOrEmpty(json.field(pod, "namespace")),
  })),
});

function readCounters(place: json.Place): Counters {
  const count = (name: string): number => {
    const at = json.field(place, name);
    return json.absent(at) ? 0 : json.whole(at, { from: 0, to: Number.MAX_VALUE });
  };
  return { sessions: count("sessions"), packets: count("packets"), bytes: count("bytes") };
}
