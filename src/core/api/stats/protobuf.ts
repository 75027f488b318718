import type { ProtobufSchema } from "#lib/kube/protobuf/index.ts";
import { statsApiVersion } from "./names.ts";

const objectMeta = "meta.v1.ObjectMeta";

const policyStats = {
  1: ["metadata", objectMeta],
  2: ["trafficStats", "stats.TrafficStats"],
  3: ["ruleTrafficStats", { list: "stats.RuleTrafficStats" }],
} as const;

/** The published numbers of the fields of stats.antrea.io/v1alpha1. */
const messages: ProtobufSchema["messages"] = {
  "stats.NetworkPolicyStats": { 1: policyStats[1], 2: policyStats[2] },
  "stats.AntreaNetworkPolicyStats": policyStats,
  "stats.AntreaClusterNetworkPolicyStats": policyStats,
  "stats.TrafficStats": { 1: ["packets", "int"], 2: ["bytes", "int"], 3: ["sessions", "int"] },
  "stats.RuleTrafficStats": { 1: ["name", "string"], 2: ["trafficStats", "stats.TrafficStats"] },
  "stats.MulticastGroup": { 1: ["metadata", objectMeta], 2: ["group", "string"], 3: ["pods", { list: "stats.PodReference" }] },
  "stats.PodReference": { 1: ["name", "string"], 2: ["namespace", "string"] },
  "stats.NodeLatencyStats": { 1: ["metadata", objectMeta], 2: ["peerNodeLatencyStats", { list: "stats.PeerNodeLatencyStats" }] },
  "stats.PeerNodeLatencyStats": { 1: ["nodeName", "string"], 2: ["targetIPLatencyStats", { list: "stats.TargetIPLatencyStats" }] },
  "stats.TargetIPLatencyStats": {
    1: ["targetIP", "string"],
    2: ["lastSendTime", "time"],
    3: ["lastRecvTime", "time"],
    4: ["lastMeasuredRTTNanoseconds", "int"],
  },
};

const kinds = ["NetworkPolicyStats", "AntreaNetworkPolicyStats", "AntreaClusterNetworkPolicyStats", "MulticastGroup", "NodeLatencyStats"];

export const statsSchema: ProtobufSchema = {
  roots: Object.fromEntries(kinds.map((kind) => [`${statsApiVersion} ${kind}`, `stats.${kind}`])),
  messages,
};
