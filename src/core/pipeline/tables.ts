import { TableConflict } from "./errors.ts";
import { type Bank, type Layout, placeIn, presentLayout } from "./layout.ts";

/** What a table is there for. Tables whose feature is off have no number and are passed over. */
export type PipelineFeature = "connectivity" | "policy" | "service" | "nodePort" | "egress" | "statistics" | "trafficControl";

interface Stage {
  readonly number: number;
  readonly name: string;
  readonly feature: PipelineFeature;
  /** Where a packet goes that no flow of the table matches: the next table in order, a later one by name, or nowhere. */
  readonly miss: string;
  readonly doc: string;
}

/**
 * All tables in the order packets pass them. Names that antrea (Go) has too mean the same stage. Numbers stay what they are: at an upgrade, or when a feature
 * is turned on, flows of before are in the switch, and where a number meant two tables packets would meet flows of both. New tables come between, at multiples
 * of five and one more ({@link placeIn}); who has to move one counts the {@link presentLayout} up.
 */
const stages = [
  { number: 0, name: "PipelineRootClassifier", feature: "connectivity", miss: "drop", doc: "ARP, neighbour discovery and IP part ways" },
  { number: 5, name: "ARPSpoofGuard", feature: "connectivity", miss: "drop", doc: "ARP with the sender's own addresses only" },
  { number: 10, name: "ARPResponder", feature: "connectivity", miss: "drop", doc: "answers for gateway, local pods and remote nodes" },
  {
    number: 15,
    name: "IPv6",
    feature: "connectivity",
    miss: "drop",
    doc: "neighbour discovery with the sender's own addresses only; no router messages",
  },
  { number: 20, name: "NDResponder", feature: "connectivity", miss: "drop", doc: "turns a solicitation into the target's advertisement" },
  { number: 25, name: "NDReply", feature: "connectivity", miss: "drop", doc: "completes the advertisement and sends it back" },
  { number: 30, name: "Classifier", feature: "connectivity", miss: "drop", doc: "kind of the port the packet came in by" },
  { number: 35, name: "SpoofGuard", feature: "connectivity", miss: "drop", doc: "IP from the pod's own addresses only" },
  { number: 40, name: "PipelineIPClassifier", feature: "connectivity", miss: "next", doc: "multicast ends; packets to route are marked" },
  { number: 45, name: "UnSNAT", feature: "service", miss: "next", doc: "replies of a pod to itself find back to it" },
  { number: 50, name: "ConntrackZone", feature: "connectivity", miss: "drop", doc: "connection tracking, one zone per family" },
  { number: 55, name: "ConntrackState", feature: "connectivity", miss: "drop", doc: "known connections pass over policy" },
  { number: 60, name: "SctpReplies", feature: "connectivity", miss: "drop", doc: "replies to admitted SCTP, learned by the switch itself" },
  { number: 65, name: "SctpState", feature: "connectivity", miss: "next", doc: "SCTP that is no reply is judged packet by packet" },
  {
    number: 70,
    name: "PreRoutingClassifier",
    feature: "service",
    miss: "EgressSecurityClassifier",
    doc: "pods' new connections may be for a Service",
  },
  { number: 75, name: "NodePortMark", feature: "nodePort", miss: "next", doc: "" },
  {
    number: 80,
    name: "SessionAffinity",
    feature: "service",
    miss: "drop",
    doc: "endpoints that clients stay with, learned by the switch itself",
  },
  {
    number: 85,
    name: "ServiceLB",
    feature: "service",
    miss: "EgressSecurityClassifier",
    doc: "an endpoint is chosen for the Service's address and port",
  },
  {
    number: 90,
    name: "EndpointDNAT",
    feature: "service",
    miss: "drop",
    doc: "the endpoint's address and port take the place of the Service's",
  },
  { number: 95, name: "EgressSecurityClassifier", feature: "policy", miss: "L3Forwarding", doc: "profile of the sending pod" },
  { number: 100, name: "EgressMembers", feature: "policy", miss: "next", doc: "bits of the peer sets that list the destination" },
  {
    number: 105,
    name: "EgressPrefixes",
    feature: "policy",
    miss: "next",
    doc: "bits of the peer sets whose blocks cover the destination; the longest prefix wins",
  },
  {
    number: 110,
    name: "AntreaPolicyEgressRule",
    feature: "policy",
    miss: "next",
    doc: "tiers before Kubernetes policies, in order: the first rule that matches decides",
  },
  { number: 115, name: "EgressRule", feature: "policy", miss: "next", doc: "Kubernetes policies: what is allowed" },
  {
    number: 120,
    name: "EgressDefaultRule",
    feature: "policy",
    miss: "L3Forwarding",
    doc: "isolated pods: the rest is dropped; others: the baseline, in order",
  },
  {
    number: 125,
    name: "EgressMetric",
    feature: "statistics",
    miss: "drop",
    doc: "counts known connections' packets by the egress rule that admitted them; learned by the switch itself",
  },
  { number: 130, name: "L3Forwarding", feature: "connectivity", miss: "drop", doc: "output port and addresses by destination" },
  { number: 135, name: "EgressMark", feature: "egress", miss: "next", doc: "" },
  { number: 140, name: "L3DecTTL", feature: "connectivity", miss: "next", doc: "the switch as router" },
  { number: 145, name: "TrafficControl", feature: "trafficControl", miss: "next", doc: "" },
  { number: 150, name: "IngressSecurityClassifier", feature: "policy", miss: "ConntrackCommit", doc: "profile of the receiving pod" },
  { number: 155, name: "IngressMembers", feature: "policy", miss: "next", doc: "bits of the peer sets that list the source" },
  {
    number: 160,
    name: "IngressPrefixes",
    feature: "policy",
    miss: "next",
    doc: "bits of the peer sets whose blocks cover the source; the longest prefix wins",
  },
  {
    number: 165,
    name: "AntreaPolicyIngressRule",
    feature: "policy",
    miss: "next",
    doc: "tiers before Kubernetes policies, in order: the first rule that matches decides",
  },
  { number: 170, name: "IngressRule", feature: "policy", miss: "next", doc: "Kubernetes policies: what is allowed" },
  {
    number: 175,
    name: "IngressDefaultRule",
    feature: "policy",
    miss: "ConntrackCommit",
    doc: "isolated pods: the rest is dropped; others: the baseline, in order",
  },
  {
    number: 180,
    name: "IngressMetric",
    feature: "statistics",
    miss: "drop",
    doc: "counts known connections' packets by the ingress rule that admitted them; learned by the switch itself",
  },
  {
    number: 185,
    name: "ConntrackCommit",
    feature: "connectivity",
    miss: "next",
    doc: "admitted connections are remembered with the rules that admitted them",
  },
  { number: 190, name: "Output", feature: "connectivity", miss: "drop", doc: "out by the chosen port" },
  { number: 195, name: "DNSHold", feature: "policy", miss: "drop", doc: "answers of DNS wait for the agent; looked into on the way out" },
  {
    number: 196,
    name: "PacketInShares",
    feature: "policy",
    miss: "drop",
    doc: "the pod's own meter of what goes to the agent; copies look into it on their way",
  },
] as const satisfies readonly Stage[];

export type TableName = (typeof stages)[number]["name"];

export interface PipelineTable {
  readonly name: TableName;
  readonly number: number;
  readonly feature: PipelineFeature;
  readonly miss: "next" | "drop" | TableName;
  readonly doc: string;
}

/** The tables that the enabled features have, in order. Names, not numbers, are the interface. */
export interface Pipeline {
  readonly tables: readonly PipelineTable[];
  has(feature: PipelineFeature): boolean;
  /** What the flows mean, and which of the two sets of numbers the tables have. */
  readonly layout: Layout;
  /** Whether the switch answers neighbour solicitations itself; otherwise it brings them to whose address it is. */
  readonly answersNeighbourDiscovery: boolean;
  /** Whether the tracker tells associations of SCTP apart by their ports; otherwise its word is not taken for them. */
  readonly tracksSctp: boolean;
  /** The number of an enabled table; throws {@link TableConflict} for any other. */
  table(name: TableName): number;
  /** Where a packet sent to the stage `name` goes: the table itself, or the first enabled one after it. */
  stage(name: TableName): number;
  /** The name of a table by its number. */
  nameOf(number: number): TableName | undefined;
}

/** Tables whose flows the switch learns from packets, or the agent writes anew each second: the ledger has none of them. */
export const learnedTables: readonly TableName[] = ["SctpReplies", "SessionAffinity", "DNSHold", "EgressMetric", "IngressMetric"];

/** What this version compiles flows for. */
export const enabledFeatures: readonly PipelineFeature[] = ["connectivity", "service", "policy", "statistics"];

export interface PipelineOptions {
  readonly features?: Iterable<PipelineFeature>;
  /** What forwards: the kernel's datapath writes neither type nor flags of neighbour discovery. Default `netdev`. */
  readonly datapath?: "netdev" | "system";
  /** What was found out of the datapath's connection tracker. Default false. */
  readonly tracksSctp?: boolean;
  /** Where the tables are. Default 0. */
  readonly bank?: Bank;
}

/** Those made so far, by their options: what is compiled for one of them is so for whoever asks for an equal one. */
const made = new Map<string, Pipeline>();
/** More than there are banks, datapaths and sets of features in use. */
const mostMade = 100;

/** A pipeline never changes, and equal options give the same one. */
export function createPipeline(options: PipelineOptions = {}): Pipeline {
  const { datapath = "netdev", tracksSctp = false, bank = 0 } = options;
  const features = [...new Set(options.features ?? enabledFeatures)].sort();
  const key = `${features.join()} ${datapath} ${tracksSctp} ${bank}`;
  const pipeline = made.get(key) ?? Object.freeze(makePipeline({ features, datapath, tracksSctp, bank }));
  if (made.size < mostMade) made.set(key, pipeline);
  return pipeline;
}

function makePipeline({ features, datapath, tracksSctp, bank }: Required<PipelineOptions>): Pipeline {
  const enabled = new Set(features);
  const tables: readonly PipelineTable[] = stages
    .filter(({ feature }) => enabled.has(feature))
    .map((stage) => ({ ...stage, number: placeIn(bank, stage.number) }));
  const numbers = new Map<string, number>(tables.map(({ name, number }) => [name, number]));
  const byNumber = new Map(tables.map(({ name, number }) => [number, name]));
  const table = (name: TableName): number => {
    const number = numbers.get(name);
    if (number === undefined) throw new TableConflict(name, "its feature is not enabled");
    return number;
  };
  return {
    tables,
    has: (feature) => enabled.has(feature),
    layout: { number: presentLayout, bank },
    answersNeighbourDiscovery: datapath === "netdev",
    tracksSctp,
    table,
    stage(name) {
      const after = stages.slice(stages.findIndex((stage) => stage.name === name));
      const found = after.find((stage) => numbers.has(stage.name));
      if (found === undefined) throw new TableConflict(name, "no enabled table follows it");
      return table(found.name);
    },
    nameOf: (number) => byNumber.get(number),
  };
}

/**
 * For OVSDB `Flow_Table.prefixes`: by table number, the fields that its flows match by prefix. Open vSwitch covers only IPv4 by default and
 * takes at most three fields for a table.
 */
export function lookupPrefixes(pipeline: Pipeline): ReadonlyMap<number, readonly string[]> {
  const destinations = ["nw_dst", "ipv6_dst"];
  const sources = ["nw_src", "ipv6_src"];
  return new Map([
    [pipeline.table("EgressPrefixes"), destinations],
    [pipeline.table("AntreaPolicyEgressRule"), destinations],
    [pipeline.table("EgressRule"), destinations],
    [pipeline.table("EgressDefaultRule"), destinations],
    [pipeline.table("IngressPrefixes"), sources],
    [pipeline.table("AntreaPolicyIngressRule"), sources],
    [pipeline.table("IngressRule"), sources],
    [pipeline.table("IngressDefaultRule"), sources],
    [pipeline.table("L3Forwarding"), destinations],
  ]);
}
