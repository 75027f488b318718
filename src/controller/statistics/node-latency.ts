import { statsApiVersion, statsGroup, statsVersion } from "#core/api/stats/names.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema, time } from "#lib/apiserver/openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { OwnNodeOnly } from "../controlplane/own-node.ts";
import { selected } from "./selected.ts";

const resource = "nodelatencystats";
const kind = "NodeLatencyStats";

/** How long the way to other nodes took, as the agent of one node measured it last. */
interface NodeLatencyStats extends KubeObject {
  readonly peerNodeLatencyStats?: readonly {
    readonly nodeName?: string;
    readonly targetIPLatencyStats?: readonly { readonly targetIP?: string; readonly lastMeasuredRTTNanoseconds?: number }[];
  }[];
}

export interface NodeLatencyOptions {
  /** Only of them is anything kept. */
  readonly nodes: ReadTable<KubeObject>;
  readonly ownNode: OwnNodeOnly;
}

/**
 * `nodelatencystats`: agents of the Go implementation create what they measured, each the one of its node, over and over; the last one is shown. Ours measure nothing yet.
 * It is shown by the replica that was told.
 */
export function nodeLatencyDefinition({ nodes, ownNode }: NodeLatencyOptions): ResourceDefinition {
  const told = new Map<string, NodeLatencyStats>();
  nodes.subscribe(({ key, after }) => after === undefined && told.delete(key));
  const find = (name: string): NodeLatencyStats => {
    const stats = told.get(name);
    if (stats === undefined) throw notFound({ group: statsGroup, resource }, name);
    return stats;
  };
  return defineResource<NodeLatencyStats>({
    group: statsGroup,
    version: statsVersion,
    resource,
    singular: resource,
    kind,
    listKind: `${kind}List`,
    namespaced: false,
    verbs: ["create", "delete", "get", "list"],
    schema: kindSchema({
      id: `io.antrea.stats.v1alpha1.${kind}`,
      group: statsGroup,
      version: statsVersion,
      kind,
      description: "How long the way from one node to the others takes.",
      fields: { peerNodeLatencyStats: schema.list(peer, "The other nodes.") },
    }),
    columns: [
      {
        name: "Node Name",
        type: "string",
        format: "name",
        description: "The node that measured.",
        value: ({ metadata }) => metadata.name ?? "",
      },
      {
        name: "Num Latency Entries",
        type: "integer",
        description: "Other nodes.",
        value: (stats) => stats.peerNodeLatencyStats?.length ?? 0,
      },
      {
        name: "Avg Latency",
        type: "string",
        description: "Mean of all.",
        value: (stats) => {
          const all = roundTrips(stats);
          return durationText(all.length === 0 ? 0 : Math.trunc(all.reduce((sum, each) => sum + each, 0) / all.length));
        },
      },
      { name: "Max Latency", type: "string", description: "Longest.", value: (stats) => durationText(Math.max(0, ...roundTrips(stats))) },
    ],
    store: {
      create(object, { user, dryRun }) {
        const stats: NodeLatencyStats = { ...object, kind, apiVersion: statsApiVersion };
        const name = stats.metadata.name ?? "";
        ownNode(user, resource, name);
        if (nodes.get(name) === undefined) throw badRequest(`there is no node ${JSON.stringify(name)}`);
        if (!dryRun) told.set(name, stats);
        return stats;
      },
      get: ({ name }) => find(name),
      list: (selection) => ({ resourceVersion: "0", items: selected(told.values(), selection) }),
      delete({ name }, { dryRun }) {
        const stats = find(name);
        if (!dryRun) told.delete(name);
        return stats;
      },
    },
  });
}

const roundTrips = ({ peerNodeLatencyStats = [] }: NodeLatencyStats): number[] =>
  peerNodeLatencyStats.flatMap(({ targetIPLatencyStats = [] }) =>
    targetIPLatencyStats.map(({ lastMeasuredRTTNanoseconds = 0 }) => lastMeasuredRTTNanoseconds),
  );

/** Nanoseconds as Go prints a `time.Duration`: in the largest unit below a minute that is not a fraction, then minutes and hours before it. */
export function durationText(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const minutes = Math.floor(nanoseconds / 60e9);
  const rest = `${(nanoseconds - minutes * 60e9) / 1e9}s`;
  const hours = Math.floor(minutes / 60);
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes % 60}m` : ""}${rest}`;
}

const prefix = "io.antrea.stats.v1alpha1";
const target = schema.part(`${prefix}.TargetIPLatencyStats`, "One address of another node.", {
  targetIP: schema.string("The address."),
  lastSendTime: { ...time, description: "When it was asked last." },
  lastRecvTime: { ...time, description: "When it answered last." },
  lastMeasuredRTTNanoseconds: schema.int64("Nanoseconds from asking to the answer, the last time."),
});
const peer = schema.part(`${prefix}.PeerNodeLatencyStats`, "One other node.", {
  nodeName: schema.string("The other node."),
  targetIPLatencyStats: schema.list(target, "Its addresses."),
});
