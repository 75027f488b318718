import { createProtobufCodec, kubernetesSchema, type ProtobufCodec, type ProtobufSchema } from "#lib/kube/protobuf/index.ts";
import { statsSchema } from "../stats/protobuf.ts";
import { controlplaneApiVersion } from "./names.ts";

const objectMeta = "meta.v1.ObjectMeta";

/** The published numbers of the fields of controlplane.antrea.io/v1beta2; they are a contract between controllers and agents of all versions. */
const messages: ProtobufSchema["messages"] = {
  NetworkPolicy: {
    1: ["metadata", objectMeta],
    2: ["rules", { list: "NetworkPolicyRule" }],
    3: ["appliedToGroups", { list: "string" }],
    4: ["priority", "double", "pointer"],
    5: ["tierPriority", "int", "pointer"],
    6: ["sourceRef", "NetworkPolicyReference", "pointer"],
  },
  NetworkPolicyRule: {
    1: ["direction", "string"],
    2: ["from", "NetworkPolicyPeer"],
    3: ["to", "NetworkPolicyPeer"],
    4: ["services", { list: "Service" }],
    5: ["priority", "int"],
    6: ["action", "string", "pointer"],
    7: ["enableLogging", "bool"],
    8: ["appliedToGroups", { list: "string" }],
    9: ["name", "string"],
    10: ["l7Protocols", { list: "L7Protocol" }],
    11: ["logLabel", "string"],
  },
  NetworkPolicyPeer: {
    1: ["addressGroups", { list: "string" }],
    2: ["ipBlocks", { list: "IPBlock" }],
    3: ["fqdns", { list: "string" }],
    4: ["toServices", { list: "Reference" }],
    5: ["labelIdentities", { list: "int" }],
  },
  IPBlock: { 1: ["cidr", "IPNet"], 2: ["except", { list: "IPNet" }] },
  IPNet: { 1: ["ip", "bytes"], 2: ["prefixLength", "int"] },
  Service: {
    1: ["protocol", "string", "pointer"],
    2: ["port", "intOrString", "pointer"],
    3: ["endPort", "int", "pointer"],
    4: ["icmpType", "int", "pointer"],
    5: ["icmpCode", "int", "pointer"],
    6: ["igmpType", "int", "pointer"],
    7: ["groupAddress", "string"],
    8: ["srcPort", "int", "pointer"],
    9: ["srcEndPort", "int", "pointer"],
  },
  L7Protocol: { 1: ["http", "HTTPProtocol", "pointer"], 2: ["tls", "TLSProtocol", "pointer"] },
  HTTPProtocol: { 1: ["host", "string"], 2: ["method", "string"], 3: ["path", "string"] },
  TLSProtocol: { 1: ["sni", "string"] },
  NetworkPolicyReference: { 1: ["type", "string"], 2: ["namespace", "string"], 3: ["name", "string"], 4: ["uid", "string"] },

  AddressGroup: { 1: ["metadata", objectMeta], 2: ["groupMembers", { list: "GroupMember" }] },
  AppliedToGroup: { 1: ["metadata", objectMeta], 2: ["groupMembers", { list: "GroupMember" }] },
  EgressGroup: { 1: ["metadata", objectMeta], 2: ["groupMembers", { list: "GroupMember" }] },
  AddressGroupPatch: {
    1: ["metadata", objectMeta],
    2: ["addedGroupMembers", { list: "GroupMember" }],
    3: ["removedGroupMembers", { list: "GroupMember" }],
  },
  AppliedToGroupPatch: {
    1: ["metadata", objectMeta],
    2: ["addedGroupMembers", { list: "GroupMember" }],
    3: ["removedGroupMembers", { list: "GroupMember" }],
  },
  // In JSON its metadata has no field of its own, and its lists begin with a capital: the Go type names none.
  EgressGroupPatch: {
    1: ["", objectMeta, "inline"],
    2: ["AddedGroupMembers", { list: "GroupMember" }],
    3: ["RemovedGroupMembers", { list: "GroupMember" }],
  },
  GroupMember: {
    1: ["pod", "Reference", "pointer"],
    2: ["externalEntity", "Reference", "pointer"],
    3: ["ips", { list: "bytes" }],
    4: ["ports", { list: "NamedPort" }],
    5: ["node", "NodeReference", "pointer"],
    6: ["service", "Reference", "pointer"],
  },
  /** Of a pod, an external entity or a service. */
  Reference: { 1: ["name", "string"], 2: ["namespace", "string"] },
  NodeReference: { 1: ["name", "string"] },
  NamedPort: { 1: ["port", "int"], 2: ["name", "string"], 3: ["protocol", "string"] },

  NetworkPolicyStatus: { 1: ["metadata", objectMeta], 2: ["nodes", { list: "NetworkPolicyNodeStatus" }] },
  NetworkPolicyNodeStatus: {
    1: ["nodeName", "string"],
    2: ["generation", "int"],
    3: ["realizationFailure", "bool", "shown"],
    4: ["message", "string"],
  },

  NodeStatsSummary: {
    1: ["metadata", objectMeta],
    2: ["networkPolicies", { list: "NetworkPolicyStats" }],
    3: ["antreaClusterNetworkPolicies", { list: "NetworkPolicyStats" }],
    4: ["antreaNetworkPolicies", { list: "NetworkPolicyStats" }],
    5: ["multicast", { list: "MulticastGroupInfo" }],
  },
  NetworkPolicyStats: {
    1: ["networkPolicy", "NetworkPolicyReference"],
    2: ["trafficStats", "TrafficStats"],
    3: ["ruleTrafficStats", { list: "RuleTrafficStats" }],
  },
  TrafficStats: { 1: ["packets", "int"], 2: ["bytes", "int"], 3: ["sessions", "int"] },
  RuleTrafficStats: { 1: ["name", "string"], 2: ["trafficStats", "TrafficStats"] },
  MulticastGroupInfo: { 1: ["group", "string"], 2: ["pods", { list: "Reference" }] },

  SupportBundleCollection: {
    1: ["metadata", objectMeta],
    2: ["expiredAt", "time"],
    3: ["sinceTime", "string"],
    4: ["fileServer", "BundleFileServer"],
    5: ["authentication", "BundleServerAuthConfiguration"],
  },
  BundleFileServer: { 1: ["url", "string", "shown"], 2: ["hostPublicKey", "bytes"] },
  BundleServerAuthConfiguration: {
    1: ["bearerToken", "string"],
    2: ["apiKey", "string"],
    3: ["basicAuthentication", "BasicAuthentication", "pointer"],
  },
  BasicAuthentication: { 1: ["username", "string"], 2: ["password", "string"] },
  SupportBundleCollectionStatus: { 1: ["metadata", objectMeta], 2: ["nodes", { list: "SupportBundleCollectionNodeStatus" }] },
  SupportBundleCollectionNodeStatus: {
    1: ["nodeName", "string"],
    2: ["nodeNamespace", "string"],
    3: ["nodeType", "string"],
    4: ["completed", "bool"],
    5: ["error", "string"],
  },

  ClusterGroupMembers: groupMembers(),
  GroupMembers: groupMembers(),
  GroupAssociation: { 1: ["metadata", objectMeta], 2: ["associatedGroups", { list: "GroupReference" }] },
  IPGroupAssociation: { 1: ["metadata", objectMeta], 2: ["associatedGroups", { list: "GroupReference" }] },
  GroupReference: { 1: ["namespace", "string"], 2: ["name", "string"], 3: ["uid", "string"] },

  // metadata came late: 1 and 2 were taken
  NetworkPolicyEvaluation: {
    1: ["request", "NetworkPolicyEvaluationRequest", "pointer"],
    2: ["response", "NetworkPolicyEvaluationResponse", "pointer"],
    3: ["metadata", objectMeta],
  },
  NetworkPolicyEvaluationRequest: { 1: ["source", "Entity"], 2: ["destination", "Entity"] },
  Entity: { 1: ["pod", "Reference", "pointer"] },
  NetworkPolicyEvaluationResponse: { 1: ["networkPolicy", "NetworkPolicyReference"], 2: ["ruleIndex", "int"], 3: ["rule", "RuleRef"] },
  RuleRef: { 1: ["direction", "string"], 2: ["name", "string"], 3: ["action", "string", "pointer"] },
};

function groupMembers(): ProtobufSchema["messages"][string] {
  return {
    1: ["metadata", objectMeta],
    2: ["effectiveMembers", { list: "GroupMember" }],
    3: ["effectiveIPBlocks", { list: "IPNet" }],
    4: ["totalMembers", "int", "shown"],
    5: ["totalPages", "int", "shown"],
    6: ["currentPage", "int", "shown"],
  };
}

const kinds = [
  "NetworkPolicy",
  "AddressGroup",
  "AddressGroupPatch",
  "AppliedToGroup",
  "AppliedToGroupPatch",
  "EgressGroup",
  "EgressGroupPatch",
  "NetworkPolicyStatus",
  "NodeStatsSummary",
  "SupportBundleCollection",
  "SupportBundleCollectionStatus",
  "ClusterGroupMembers",
  "GroupMembers",
  "GroupAssociation",
  "IPGroupAssociation",
  "NetworkPolicyEvaluation",
];

const controlplaneSchema: ProtobufSchema = {
  roots: Object.fromEntries(kinds.map((kind) => [`${controlplaneApiVersion} ${kind}`, kind])),
  messages,
};

/** Kubernetes' kinds and those of the controller. */
export const controlplaneProtobuf: ProtobufCodec = createProtobufCodec(kubernetesSchema, controlplaneSchema, statsSchema);
