import { areCipherSuites, tlsVersionNames } from "#lib/apiserver/tls-limits.ts";
import {
  blocks,
  duration,
  flag,
  flags,
  integer,
  list,
  number,
  oneOf,
  someOf,
  text,
  textThat,
  texts,
  type ValuesOf,
} from "#lib/config-file/index.ts";
import { tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import { parseDuration, seconds } from "#lib/runtime/index.ts";
import { isCollector, isEndpoint, isHost, isInterfaceName, isPortRange } from "./config-grammar.ts";

const port = (defaultPort: number, doc: string) => integer({ min: 0, max: 65_535, default: defaultPort, doc });
const notYet = true;
const interfaceName = (byDefault: string, doc: string) =>
  textThat({ expected: "a name of an interface: 1 to 15 characters, no space or slash", is: isInterfaceName, default: byDefault, doc });
const block = (byDefault: string, doc: string) =>
  textThat({
    expected: "an address block such as 10.96.0.0/12",
    is: (value) => tryParsePrefix(value) !== undefined,
    default: byDefault,
    doc,
  });
const oldDuration = (doc: string) =>
  textThat({ expected: "a duration such as 5s", is: (value) => parseDuration(value) !== undefined, default: "", notYet, doc });
const collector = (byDefault: string, doc: string) =>
  textThat({ expected: "HOST[:PORT][:PROTOCOL] with grpc, tls, tcp or udp", is: isCollector, default: byDefault, notYet, doc });

/** The keys of `antrea-agent.conf`. Those marked `notYet` are known, checked, and without effect. */
export const agentKeys = {
  runDir: text({
    default: "/var/run/antrea",
    doc: "Folder of the agent's own files: API token, policy snapshot, address quarantine. One per agent where several share a machine.",
  }),
  logDir: text({
    default: "/var/log/antrea",
    doc: "Folder of the agent's logs: networkpolicy/np.log in it is the audit log of policies.",
  }),
  "podReady.timeout": duration({
    default: seconds(10),
    min: seconds(1),
    doc: "How long CNI ADD waits until the switch forwards for a new pod and enforces its policies.",
  }),
  "podReady.onTimeout": oneOf({
    values: ["fail", "admit"],
    default: "fail",
    doc: "What then. fail: the runtime is told to try again. admit: the pod starts, and has no network until its policies are known.",
  }),
  "fqdn.whenAgentIsDown": oneOf({
    values: ["pass", "hold"],
    default: "pass",
    doc: "Answers of DNS to pods under rules with names while no agent reads them. pass: they go through unread. hold: they are lost.",
  }),
  featureGates: flags({ default: {}, doc: "Features by name, true or false; AllAlpha and AllBeta stand for all of a stage." }),
  cniSocket: text({ default: "/var/run/antrea/cni.sock", doc: "Socket on which antrea-cni reaches the agent." }),
  "clientConnection.kubeconfig": text({ default: "", doc: "How to reach the Kubernetes API; empty uses the Pod's service account." }),
  "clientConnection.acceptContentTypes": text({ default: "", notYet, doc: "Content types; JSON is spoken." }),
  "clientConnection.contentType": text({ default: "", notYet, doc: "Content type; JSON is spoken." }),
  "clientConnection.qps": number({ default: 0, notYet, doc: "Requests per second; there is no client-side limit." }),
  "clientConnection.burst": integer({ min: 0, max: 1_000_000, default: 0, notYet, doc: "Burst of requests." }),
  "antreaClientConnection.kubeconfig": text({
    default: "",
    doc: "How to reach antrea-controller; empty takes the endpoints of Service antrea, or goes through the Kubernetes API where none can be reached.",
  }),
  "antreaClientConnection.acceptContentTypes": text({ default: "", notYet, doc: "Content types; JSON is spoken." }),
  "antreaClientConnection.contentType": text({ default: "", notYet, doc: "Content type; JSON is spoken." }),
  "antreaClientConnection.qps": number({ default: 0, notYet, doc: "Requests per second; there is no client-side limit." }),
  "antreaClientConnection.burst": integer({ min: 0, max: 1_000_000, default: 0, notYet, doc: "Burst of requests." }),
  kubeAPIServerOverride: textThat({
    expected: "a host, host:port or URL",
    is: (value) => isHost(value) || isEndpoint(value) || (value.includes("://") && URL.canParse(value)),
    default: "",
    doc: "Host, host:port or URL that replaces the API server's address.",
  }),
  ovsBridge: interfaceName("br-int", "Name of the bridge that pods are on."),
  ovsDatapathType: oneOf({ values: ["system", "netdev"], default: "system", doc: "system: the kernel's datapath. netdev: in user space." }),
  ovsRunDir: text({ default: "/var/run/openvswitch", doc: "Folder of Open vSwitch's sockets." }),
  hostGateway: interfaceName("antrea-gw0", "Name of the node's own interface on the bridge."),
  hostProcPathPrefix: text({ default: "/host", doc: "Where the host's /proc is seen; empty when the agent runs outside a container." }),
  trafficEncapMode: oneOf({
    values: ["encap", "noEncap", "hybrid", "networkPolicyOnly"],
    default: "encap",
    doc: "How packets travel between nodes: in tunnels, routed by the nodes' network, either by whether nodes share a link, or as another plugin has it.",
  }),
  podCIDRs: blocks({ default: [], notYet, doc: "Pod addresses, for networkPolicyOnly: they are not needed, as the other plugin routes." }),
  noSNAT: flag({ default: false, doc: "For noEncap: leave the pods' addresses on packets to the outside." }),
  snatFullyRandomPorts: flag({ default: false, doc: "Choose the ports of masqueraded connections at random." }),
  tunnelType: oneOf({
    values: ["geneve", "vxlan", "gre", "stt"],
    available: ["geneve", "vxlan", "gre"],
    default: "geneve",
    doc: "Tunnel protocol; gre runs over IPv4 alone.",
  }),
  tunnelPort: port(0, "UDP port of the tunnel; 0 is the protocol's own (geneve 6081, vxlan 4789); gre has none."),
  tunnelCsum: flag({ default: false, doc: "Whether tunnel packets carry a checksum; over IPv6 they do in any case." }),
  trafficEncryptionMode: oneOf({
    values: ["none", "ipsec", "wireGuard"],
    available: ["none"],
    default: "none",
    doc: "Encryption between nodes.",
  }),
  enableBridgingMode: flag({ default: false, notYet, doc: "Join pods to the uplink's network." }),
  disableTXChecksumOffload: flag({
    default: false,
    doc: "Turn TX checksum offload off on pod interfaces; netdev needs and does it anyway.",
  }),
  defaultMTU: integer({ min: 0, max: 65_000, default: 0, doc: "MTU of pod interfaces; 0 follows the transport interface." }),
  packetInRate: integer({
    min: 0,
    max: 1_000_000,
    default: 5_000,
    doc: "Packets per second that a feature may send to the agent.",
  }),
  "wireGuard.port": integer({ min: 0, max: 65_535, default: 51_820, notYet, doc: "Port of WireGuard." }),
  "egress.exceptCIDRs": blocks({ default: [], notYet, doc: "Destinations that Egress leaves alone." }),
  "egress.maxEgressIPsPerNode": integer({ min: 0, max: 255, default: 255, notYet, doc: "Egress addresses a node may hold." }),
  "egress.snatFullyRandomPorts": flag({ default: false, notYet, doc: "Random ports for Egress." }),
  "egress.uniqueMACForSubInterfaces": flag({ default: true, notYet, doc: "Own MAC for each Egress subnet." }),
  serviceCIDR: block("10.96.0.0/12", "Service addresses, without AntreaProxy."),
  serviceCIDRv6: block("", "Service addresses of IPv6, without AntreaProxy."),
  apiPort: port(10_350, "Port of the agent's API."),
  clusterPort: integer({ min: 0, max: 65_535, default: 10_351, notYet, doc: "Port of the agents' membership protocol." }),
  "memberlist.gossipVerifyOutgoing": flag({ default: true, notYet, doc: "Encrypt membership messages." }),
  "memberlist.gossipVerifyIncoming": flag({ default: true, notYet, doc: "Refuse membership messages that are not encrypted." }),
  enablePrometheusMetrics: flag({ default: true, doc: "Serve metrics at /metrics of the API." }),
  "flowExporter.enable": flag({ default: false, notYet, doc: "Export flow records." }),
  "flowExporter.flowCollectorAddr": collector("flow-aggregator/flow-aggregator:4739:tls", "Where flow records go."),
  "flowExporter.flowPollInterval": duration({ default: seconds(5), min: seconds(1), notYet, doc: "How often connections are read." }),
  "flowExporter.activeFlowExportTimeout": duration({ default: seconds(5), notYet, doc: "How often an active flow is told." }),
  "flowExporter.idleFlowExportTimeout": duration({ default: seconds(15), notYet, doc: "After which time an idle flow is told." }),
  "flowExporter.protocolFilter": texts({ default: [], notYet, doc: "Protocols to export; empty is all." }),
  flowCollectorAddr: collector("", "Deprecated name of flowExporter.flowCollectorAddr."),
  flowPollInterval: oldDuration("Deprecated name of flowExporter.flowPollInterval."),
  activeFlowExportTimeout: oldDuration("Deprecated name of flowExporter.activeFlowExportTimeout."),
  idleFlowExportTimeout: oldDuration("Deprecated name of flowExporter.idleFlowExportTimeout."),
  "nodePortLocal.enable": flag({ default: false, notYet, doc: "Node ports for single pods." }),
  "nodePortLocal.portRange": textThat({
    expected: "a range of ports such as 61000-62000",
    is: isPortRange,
    default: "61000-62000",
    notYet,
    doc: "Ports for NodePortLocal.",
  }),
  dnsServerOverride: textThat({
    expected: "a host or host:port",
    is: (value) => isHost(value) || isEndpoint(value),
    default: "",
    doc: "DNS server for FQDN rules.",
  }),
  fqdnCacheMinTTL: integer({ min: 0, max: 2 ** 31 - 1, default: 0, doc: "Seconds that a DNS answer is kept at least." }),
  tlsCipherSuites: textThat({
    expected: "names of cipher suites such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, with commas in between",
    is: areCipherSuites,
    default: "",
    doc: "Cipher suites of the agent's API up to TLS 1.2; empty takes the run time's.",
  }),
  tlsMinVersion: oneOf({
    values: tlsVersionNames,
    default: "",
    doc: "Oldest TLS version of the agent's API; empty is TLS 1.2.",
  }),
  transportInterface: interfaceName("", "Interface that carries traffic between nodes; empty is the one with the Node's address."),
  transportInterfaceCIDRs: blocks({ default: [], doc: "Blocks, one of which holds the transport interface's address." }),
  "multicast.enable": flag({ default: false, notYet, doc: "Multicast." }),
  "multicast.multicastInterfaces": texts({ default: [], notYet, doc: "Interfaces for multicast." }),
  "multicast.igmpQueryVersions": someOf({ values: [1, 2, 3], default: [1, 2, 3], notYet, doc: "Versions of IGMP queries." }),
  "multicast.igmpQueryInterval": duration({ default: seconds(125), notYet, doc: "Interval of IGMP queries." }),
  "antreaProxy.enable": flag({ default: true, doc: "Services by the switch: ClusterIPs for pods." }),
  "antreaProxy.proxyAll": flag({ default: false, notYet, doc: "Services for the node too." }),
  "antreaProxy.nodePortAddresses": blocks({ default: [], notYet, doc: "Node addresses for NodePorts; empty is all." }),
  "antreaProxy.skipServices": texts({
    expected: "ClusterIPs and names of Services, namespace/name",
    is: (entry) => tryParseAddress(entry) !== undefined || /^[^/\s]+\/[^/\s]+$/.test(entry),
    default: [],
    doc: "Services to leave alone, by namespace/name or ClusterIP.",
  }),
  "antreaProxy.proxyLoadBalancerIPs": flag({ default: true, notYet, doc: "Load balancer addresses too." }),
  "antreaProxy.serviceProxyName": text({ default: "", doc: "Services with this proxy name only; empty is those without one." }),
  "antreaProxy.defaultLoadBalancerMode": oneOf({
    values: ["nat", "dsr"],
    default: "nat",
    notYet,
    doc: "How load balancer traffic returns.",
  }),
  "antreaProxy.disableServiceHealthCheckServer": flag({ default: false, notYet, doc: "No health check server." }),
  "antreaProxy.serviceHealthCheckServerBindAddress": textThat({
    expected: "an address and a port such as 0.0.0.0:10256",
    is: isEndpoint,
    default: "0.0.0.0:10256",
    notYet,
    doc: "Address of the health check server.",
  }),
  "ipsec.authenticationMode": oneOf({ values: ["psk", "cert"], default: "psk", notYet, doc: "How IPsec peers prove themselves." }),
  "multicluster.enableGateway": flag({ default: false, notYet, doc: "Multi-cluster gateway." }),
  "multicluster.namespace": text({ default: "", notYet, doc: "Namespace of the multi-cluster controller." }),
  "multicluster.enableStretchedNetworkPolicy": flag({ default: false, notYet, doc: "Policies across clusters." }),
  "multicluster.enablePodToPodConnectivity": flag({ default: false, notYet, doc: "Pod addresses across clusters." }),
  "multicluster.trafficEncryptionMode": oneOf({
    values: ["none", "wireGuard"],
    default: "none",
    notYet,
    doc: "Encryption between clusters.",
  }),
  "multicluster.wireGuard.port": integer({ min: 0, max: 65_535, default: 51_821, notYet, doc: "Port of WireGuard between clusters." }),
  nodeType: oneOf({
    values: ["k8sNode", "externalNode"],
    available: ["k8sNode"],
    default: "k8sNode",
    doc: "What kind of machine this is.",
  }),
  "externalNode.externalNodeNamespace": text({ default: "default", notYet, doc: "Namespace of the ExternalNode." }),
  "externalNode.policyBypassRules": list({
    expected: "rules with direction (ingress, egress), protocol (tcp, udp, icmp, ip), cidr and, for tcp and udp, port",
    is: ({ direction, protocol, cidr, port: only }) =>
      ["ingress", "egress"].includes(String(direction)) &&
      ["tcp", "udp", "icmp", "ip"].includes(String(protocol)) &&
      tryParsePrefix(String(cidr)) !== undefined &&
      (!["tcp", "udp"].includes(String(protocol)) || typeof only === "number"),
    default: [],
    notYet,
    doc: "Traffic that policies of an ExternalNode leave alone.",
  }),
  "auditLogging.maxSize": integer({ min: 0, max: 1_000_000, default: 500, doc: "Size of an audit log in MB; 0: 100." }),
  "auditLogging.maxBackups": integer({ min: 0, max: 1_000_000, default: 3, doc: "Old audit logs to keep; 0: all." }),
  "auditLogging.maxAge": integer({ min: 0, max: 1_000_000, default: 28, doc: "Days to keep audit logs; 0: for ever." }),
  "auditLogging.compress": flag({ default: true, doc: "Compress old audit logs." }),
  "secondaryNetwork.ovsBridges": list({
    expected: "bridges with bridgeName and at most 8 physicalInterfaces",
    is: ({ bridgeName, physicalInterfaces = [] }) =>
      typeof bridgeName === "string" && isInterfaceName(bridgeName) && Array.isArray(physicalInterfaces) && physicalInterfaces.length <= 8,
    default: [],
    notYet,
    doc: "Bridges of secondary networks.",
  }),
  "hostNetworkAcceleration.enable": flag({ default: true, notYet, doc: "nftables flowtable for forwarded traffic." }),
  hostNetworkMode: oneOf({
    values: ["iptables", "nftables"],
    default: "iptables",
    notYet,
    doc: "How host rules are written; nftables is used in any case.",
  }),
} as const;

export type AgentConfig = ValuesOf<typeof agentKeys>;
