import type { PolicyType } from "#core/api/controlplane/index.ts";
import { statsApiVersion, statsGroup, statsVersion } from "#core/api/stats/names.ts";
import { encodeCounters, type WireStats } from "#core/statistics/index.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { nameColumn } from "#lib/apiserver/printing/columns.ts";
import { defineResource, type PrinterColumn, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { NodeReports } from "./node-reports.ts";
import { selected } from "./selected.ts";

interface PolicyStats extends KubeObject {
  readonly trafficStats: Required<WireStats>;
  readonly ruleTrafficStats?: readonly { readonly name: string; readonly trafficStats: Required<WireStats> }[];
}

interface StatsKind {
  readonly type: PolicyType;
  readonly resource: string;
  readonly shortName: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly description: string;
  /** Where Antrea (Go) refuses to answer for want of the gate; elsewhere it answers with nothing. */
  readonly refusesWithoutGate: boolean;
}

const kinds: readonly StatsKind[] = [
  {
    type: "K8sNetworkPolicy",
    resource: "networkpolicystats",
    shortName: "netpolstats",
    kind: "NetworkPolicyStats",
    namespaced: true,
    description: "What a NetworkPolicy of Kubernetes let through.",
    refusesWithoutGate: true,
  },
  {
    type: "AntreaClusterNetworkPolicy",
    resource: "antreaclusternetworkpolicystats",
    shortName: "acnpstats",
    kind: "AntreaClusterNetworkPolicyStats",
    namespaced: false,
    description: "What an Antrea ClusterNetworkPolicy let through and denied.",
    refusesWithoutGate: false,
  },
  {
    type: "AntreaNetworkPolicy",
    resource: "antreanetworkpolicystats",
    shortName: "annpstats",
    kind: "AntreaNetworkPolicyStats",
    namespaced: true,
    description: "What an Antrea NetworkPolicy let through and denied.",
    refusesWithoutGate: false,
  },
];

/** All kinds of the group, those of multicast and latency too. */
export const statsResources: readonly string[] = [...kinds.map(({ resource }) => resource), "multicastgroups", "nodelatencystats"];

export interface StatsOptions {
  /** Gate NetworkPolicyStats. */
  readonly enabled: boolean;
  readonly reports: Pick<NodeReports, "of">;
  /** The policies of a type that there are. */
  readonly policies: (type: PolicyType) => Iterable<KubeObject>;
  /** Names of the rules that a policy has now; undefined where that is not known. */
  readonly rulesOf: (uid: string) => ReadonlySet<string> | undefined;
  /** Waits until sums can be told. Throws ServiceUnavailable. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Waits until the other replicas know what is known here at the call. */
  readonly whenShared: () => Promise<void>;
}

/** The kinds of stats.antrea.io that are of policies: for each what it did, zero from its beginning. Nothing is stored. */
export function statsDefinitions({ enabled, reports, policies, rulesOf, ready, whenShared }: StatsOptions): ResourceDefinition[] {
  return kinds.map((of) => {
    const { type, resource, kind, namespaced } = of;
    const statsOf = ({ metadata }: KubeObject): PolicyStats => {
      const { name = "", namespace, uid = "", labels, creationTimestamp } = metadata;
      const { total, rules } = reports.of(uid);
      const present = rulesOf(uid);
      // Those that are gone stay in the total.
      const named = [...rules].filter(([rule]) => present?.has(rule) ?? true).sort(([one], [other]) => (one < other ? -1 : 1));
      return {
        kind,
        apiVersion: statsApiVersion,
        metadata: {
          name,
          ...(namespace !== undefined && { namespace }),
          uid,
          ...(labels !== undefined && { labels }),
          ...(creationTimestamp !== undefined && { creationTimestamp }),
        },
        trafficStats: encodeCounters(total),
        ...(named.length > 0 && {
          ruleTrafficStats: named.map(([rule, counters]) => ({ name: rule, trafficStats: encodeCounters(counters) })),
        }),
      };
    };
    const whenOff = (): void => {
      if (of.refusesWithoutGate) throw badRequest("feature NetworkPolicyStats disabled");
    };
    return defineResource<PolicyStats>({
      group: statsGroup,
      version: statsVersion,
      resource,
      singular: resource,
      shortNames: [of.shortName],
      kind,
      listKind: `${kind}List`,
      namespaced,
      verbs: ["get", "list"],
      schema: kindSchema({
        id: `io.antrea.stats.v1alpha1.${kind}`,
        group: statsGroup,
        version: statsVersion,
        kind,
        description: of.description,
        fields: {
          trafficStats: schema.use(traffic, "All of its rules together."),
          ruleTrafficStats: schema.list(ruleTraffic, "Each of its rules that counted anything."),
        },
      }),
      columns: [nameColumn, ...counterColumns, createdColumn],
      store: {
        async get(key, { signal }) {
          if (!enabled) {
            whenOff();
            return { kind, apiVersion: statsApiVersion, metadata: {}, trafficStats: encodeCounters(none) } as KubeObject;
          }
          await ready(signal);
          for (const policy of policies(type)) {
            if (policy.metadata.name !== key.name || (policy.metadata.namespace ?? "") !== key.namespace) continue;
            const stats = statsOf(policy);
            await whenShared();
            return stats;
          }
          throw notFound({ group: statsGroup, resource }, key.name);
        },
        async list(selection, { signal }) {
          if (!enabled) {
            whenOff();
            return { resourceVersion: "0", items: [] };
          }
          await ready(signal);
          const items = selected(policies(type), selection).map(statsOf);
          await whenShared();
          return { resourceVersion: "0", items };
        },
      },
    });
  });
}

const none = { sessions: 0, packets: 0, bytes: 0 };
const prefix = "io.antrea.stats.v1alpha1";
const int64 = (description: string) => ({ description, type: "integer", format: "int64" }) as const;
const traffic = schema.part(`${prefix}.TrafficStats`, "Sums over all nodes.", {
  packets: int64("Packets."),
  bytes: int64("Bytes."),
  sessions: int64("Connections that were admitted, packets that were denied."),
});
const ruleTraffic = schema.part(`${prefix}.RuleTrafficStats`, "One rule.", {
  name: schema.string("Name of the rule."),
  trafficStats: schema.use(traffic, "What it counted."),
});

const counterColumns = (["sessions", "packets", "bytes"] as const).map(
  (field): PrinterColumn<PolicyStats> => ({
    name: `${field[0]?.toUpperCase()}${field.slice(1)}`,
    type: "integer",
    description: `The ${field} counted.`,
    value: ({ trafficStats }) => trafficStats[field],
  }),
);

/** As a time, not an age: so antrea (Go) shows it. */
const createdColumn: PrinterColumn<PolicyStats> = {
  name: "Created At",
  type: "string",
  description: "When the policy was created, in UTC.",
  value: ({ metadata }) => metadata.creationTimestamp ?? "",
};
