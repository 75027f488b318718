import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { resolveFeatureGates } from "#core/api/feature-gates.ts";
import { parseConfig } from "#lib/config-file/index.ts";
import { virtualRuntime } from "#lib/runtime/index.ts";
import { connectClients } from "./clients.ts";
import { agentKeys } from "./config.ts";
import { parseAgentConfig } from "./config-file.ts";

const parse = (content: string) => parseConfig(content, { file: "antrea-agent.conf", keys: agentKeys });

test("what is not there yet is refused or told by name", () => {
  assert.throws(() => parse("tunnelType: stt"), {
    message: "antrea-agent.conf: tunnelType: stt is not there yet; there is geneve, vxlan, gre",
  });
  assert.throws(() => parse("trafficEncryptionMode: wireGuard"), { message: /wireGuard is not there yet/ });
  assert.deepEqual(parse("antreaProxy: { proxyAll: true }\nclusterPort: 10351").notices, [
    "antrea-agent.conf: antreaProxy.proxyAll has no effect yet",
  ]);
});

test("the configuration in docs/policies.md is taken, and all of it has effect", () => {
  const page = readFileSync(new URL("../../docs/policies.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/^```conf\n(.*?)^```/gms)].map(([, content = ""]) => parse(content));
  assert.deepEqual(
    blocks.map(({ notices }) => notices),
    [[]],
  );
});

test("every key that configurations know is known", () => {
  const sheetKeys =
    `featureGates cniSocket ovsBridge ovsDatapathType ovsRunDir hostGateway trafficEncapMode podCIDRs noSNAT snatFullyRandomPorts tunnelType
    tunnelPort tunnelCsum trafficEncryptionMode enableBridgingMode disableTXChecksumOffload defaultMTU packetInRate hostProcPathPrefix wireGuard.port
    egress.exceptCIDRs egress.maxEgressIPsPerNode serviceCIDR serviceCIDRv6 apiPort clusterPort memberlist.gossipVerifyOutgoing enablePrometheusMetrics
    flowExporter.enable flowExporter.flowCollectorAddr nodePortLocal.enable nodePortLocal.portRange kubeAPIServerOverride dnsServerOverride fqdnCacheMinTTL
    tlsCipherSuites tlsMinVersion transportInterface transportInterfaceCIDRs multicast.enable multicast.igmpQueryInterval antreaProxy.enable
    antreaProxy.defaultLoadBalancerMode ipsec.authenticationMode multicluster.enableGateway multicluster.wireGuard.port nodeType
    externalNode.policyBypassRules auditLogging.maxSize secondaryNetwork.ovsBridges hostNetworkAcceleration.enable hostNetworkMode`.split(
      /\s+/,
    );
  assert.deepEqual(
    sheetKeys.filter((key) => !Object.hasOwn(agentKeys, key)),
    [],
  );
});

test("feature gates: defaults, stages, unknown names, locked ones; none is on silently without its feature", () => {
  const resolve = (configured: Record<string, boolean>) => resolveFeatureGates({ component: "agent", configured, file: "f" });
  const { gates, notices, unknown } = resolve({ AllAlpha: true, Egress: false, Newer: true, TrafficControl: false });
  const on = (name: string) => gates.find((gate) => gate.name === name)?.enabled;
  assert.deepEqual([on("Egress"), on("BGPPolicy"), on("TrafficControl"), on("Traceflow")], [false, true, false, true]);
  assert.deepEqual(unknown, ["f: featureGates.Newer is not a gate of this version and is ignored"]);
  assert.equal(notices[0], unknown[0]);
  const absent = (name: string): string => `f: featureGates.${name} is on, but the feature is not there yet`;
  assert.ok(notices.includes(absent("BGPPolicy")), "turned on with its stage");
  assert.ok(!notices.some((notice) => notice.includes("TrafficControl")));
  assert.match(notices.at(-1) ?? "", /^f: on by default, but not there yet: AntreaNodeConfig, /);
  assert.ok(resolve({ Multicluster: true }).notices.includes(absent("Multicluster")));
  assert.ok(resolve({ Egress: true }).notices.includes(absent("Egress")));
  assert.ok(!resolve({ AntreaProxy: true }).notices.some((notice) => notice.includes("AntreaProxy")));
  assert.throws(() => resolve({ EndpointSlice: false }), {
    code: "INVALID_CONFIG",
    message: "f: featureGates.EndpointSlice: cannot be turned off",
  });
});

const whole = (content: string, environment: NodeJS.ProcessEnv = {}) => parseAgentConfig(content, "f", environment);

test("keys that exclude each other are refused by name; those that the mode leaves idle are told", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    [
      "{ trafficEncapMode: noEncap, antreaProxy: { enable: false } }",
      /^f: trafficEncapMode: noEncap needs antreaProxy\.enable and gate AntreaProxy, or ALLOW_/,
    ],
    ["{ trafficEncapMode: hybrid, featureGates: { AntreaProxy: false } }", /^f: trafficEncapMode: hybrid needs/],
    ["noSNAT: true", /^f: noSNAT: true is for trafficEncapMode noEncap; with encap it must be false$/],
    ["{ multicast: { enable: true }, trafficEncapMode: networkPolicyOnly }", /^f: multicast\.enable: /],
    ["hostGateway: br-int", /^f: hostGateway: "br-int" is the name of ovsBridge too$/],
    ["hostGateway: a-name-that-is-too-long", /^f: hostGateway: .* is not a name of an interface: 1 to 15 characters/],
    ["nodePortLocal: { portRange: 62000-61000 }", /^f: nodePortLocal\.portRange: "62000-61000" is not a range of ports/],
    ["flowExporter: { flowCollectorAddr: 'h:1:x' }", /^f: flowExporter\.flowCollectorAddr: .* HOST\[:PORT\]/],
    ["dnsServerOverride: 'a b'", /^f: dnsServerOverride: "a b" is not a host or host:port$/],
    ["serviceCIDR: 10.0.0.0", /^f: serviceCIDR: /],
    ["multicast: { igmpQueryVersions: [4] }", /^f: multicast\.igmpQueryVersions: \[4\] is not a list of numbers out of 1, 2, 3$/],
    ["antreaProxy: { skipServices: [web] }", /^f: antreaProxy\.skipServices: /],
    ["externalNode: { policyBypassRules: [{ direction: in }] }", /^f: externalNode\.policyBypassRules: .* rules with direction/],
    ["secondaryNetwork: { ovsBridges: [{}] }", /^f: secondaryNetwork\.ovsBridges: .* bridges with bridgeName/],
    ["tunnelPort: 70000", /^f: tunnelPort: 70000 is not a whole number from 0 to 65535$/],
  ];
  for (const [content, message] of refused) assert.throws(() => whole(content), { code: "INVALID_CONFIG", message }, content);
  assert.equal(
    whole("{ trafficEncapMode: noEncap, antreaProxy: { enable: false } }", { ALLOW_NO_ENCAP_WITHOUT_ANTREA_PROXY: "true" }).values
      .trafficEncapMode,
    "noEncap",
  );
  const idle = (content: string): boolean => whole(content).notices.some((notice) => notice.includes("has no effect: "));
  assert.ok(idle("{ tunnelType: gre, tunnelPort: 4789 }") && idle("{ trafficEncapMode: noEncap, tunnelPort: 4789 }"));
  assert.ok(idle("{ trafficEncapMode: networkPolicyOnly, noSNAT: true }") && !idle("{ trafficEncapMode: noEncap, noSNAT: true }"));
});

test("a configuration as existing installations have it, with every key at its default, is read without a word about keys", () => {
  const { notices, unknown } = whole(stock);
  assert.deepEqual(unknown, []);
  assert.deepEqual(
    notices.filter((notice) => notice.includes("has no effect")),
    [],
  );
});

/** Every key that the usual installation manifest renders into the file, with the value it renders. */
const stock = `
featureGates: { AllAlpha: false, AllBeta: false, AntreaProxy: true, TopologyAwareHints: true, ServiceTrafficDistribution: true,
  CleanupStaleUDPSvcConntrack: true, Traceflow: true, PacketCapture: false, NodePortLocal: true, AntreaPolicy: true, FlowExporter: false,
  NetworkPolicyStats: true, Egress: true, AntreaIPAM: false, Multicast: true, Multicluster: false, SecondaryNetwork: false,
  ServiceExternalIP: true, TrafficControl: false, IPsecCertAuth: false, SupportBundleCollection: false, L7NetworkPolicy: false,
  LoadBalancerModeDSR: false, EgressTrafficShaping: false, EgressSeparateSubnet: true, NodeNetworkPolicy: false, NodeLatencyMonitor: false,
  BGPPolicy: false, EndpointSlice: true, ExternalNode: false, AntreaNodeConfig: true, PreferSameTrafficDistribution: false, NFTablesHostNetworkMode: false }
clientConnection: { kubeconfig: "", acceptContentTypes: "", contentType: "", qps: 0, burst: 0 }
antreaClientConnection: { kubeconfig: "", acceptContentTypes: "", contentType: "", qps: 0, burst: 0 }
cniSocket: /var/run/antrea/cni.sock
ovsBridge: "br-int"
ovsDatapathType: system
ovsRunDir: /var/run/openvswitch
hostGateway: "antrea-gw0"
hostProcPathPrefix: /host
trafficEncapMode: "encap"
podCIDRs: ""
noSNAT: false
snatFullyRandomPorts: false
tunnelType: "geneve"
tunnelPort: 0
tunnelCsum: false
trafficEncryptionMode: "none"
enableBridgingMode: false
disableTXChecksumOffload: false
defaultMTU: 0
packetInRate: 5000
wireGuard: { port: 51820 }
egress: { exceptCIDRs: , maxEgressIPsPerNode: 255, snatFullyRandomPorts: , uniqueMACForSubInterfaces: true }
serviceCIDR: ""
serviceCIDRv6: ""
apiPort: 10350
clusterPort: 10351
memberlist: { gossipVerifyOutgoing: true, gossipVerifyIncoming: true }
enablePrometheusMetrics: true
flowExporter: { enable: false, flowCollectorAddr: "flow-aggregator/flow-aggregator:4739:tls", flowPollInterval: "5s",
  activeFlowExportTimeout: "5s", idleFlowExportTimeout: "15s", protocolFilter: }
nodePortLocal: { enable: false, portRange: "61000-62000" }
kubeAPIServerOverride: ""
dnsServerOverride: ""
fqdnCacheMinTTL: 0
tlsCipherSuites: ""
tlsMinVersion: ""
transportInterface: ""
multicast: { enable: false, multicastInterfaces: , igmpQueryVersions: [1, 2, 3], igmpQueryInterval: "125s" }
transportInterfaceCIDRs:
antreaProxy: { enable: true, proxyAll: false, nodePortAddresses: , skipServices: , proxyLoadBalancerIPs: true, serviceProxyName: "",
  defaultLoadBalancerMode: "nat", disableServiceHealthCheckServer: false, serviceHealthCheckServerBindAddress: "0.0.0.0:10256" }
ipsec: { authenticationMode: "psk" }
multicluster: { enableGateway: false, namespace: "", enableStretchedNetworkPolicy: false, enablePodToPodConnectivity: false,
  trafficEncryptionMode: "none", wireGuard: { port: 51821 } }
nodeType: k8sNode
externalNode: { externalNodeNamespace: default, policyBypassRules: [] }
auditLogging: { maxSize: 500, maxBackups: 3, maxAge: 28, compress: true }
secondaryNetwork: { ovsBridges: }
hostNetworkAcceleration: { enable: true }
hostNetworkMode: iptables
`;

test("controllers are those that the Kubernetes API tells of and the way through it, or one by a kubeconfig of its own", () => {
  const kubeconfig = new URL("./testing/kubeconfig.yaml", import.meta.url).pathname;
  const stop = new AbortController();
  const connect = (controllerKubeconfig: string) =>
    connectClients({
      runtime: virtualRuntime({ seed: 1 }),
      config: {
        "clientConnection.kubeconfig": kubeconfig,
        "antreaClientConnection.kubeconfig": controllerKubeconfig,
        kubeAPIServerOverride: "http://api.example",
      },
      configFile: "f",
      environment: {},
      signal: stop.signal,
    });
  const [discovered, direct] = [connect(""), connect(kubeconfig)];
  assert.deepEqual(
    discovered.controllers.known().map(({ standing, client }) => [standing, client === discovered.kubernetes]),
    [["indirect", true]],
  );
  assert.deepEqual(
    [direct.kubernetes.server, ...direct.controllers.known().map(({ client }) => client.server)],
    ["http://api.example", "http://127.0.0.1:8001"],
  );
  stop.abort();
  discovered.close();
  direct.close();
});
