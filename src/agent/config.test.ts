import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveFeatureGates } from "#core/api/feature-gates.ts";
import { parseConfig } from "#lib/config-file/index.ts";
import { connectClients } from "./clients.ts";
import { agentKeys } from "./config.ts";

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

test("feature gates: defaults, stages, unknown names, locked ones", () => {
  const resolve = (configured: Record<string, boolean>) => resolveFeatureGates({ component: "agent", configured, file: "f" });
  const { gates, notices } = resolve({ AllAlpha: true, Egress: false, Newer: true, TrafficControl: false });
  const on = (name: string) => gates.find((gate) => gate.name === name)?.enabled;
  assert.deepEqual([on("Egress"), on("BGPPolicy"), on("TrafficControl"), on("Traceflow")], [false, true, false, true]);
  assert.deepEqual(notices, ["f: featureGates.Newer is not a gate of this version and is ignored"]);
  assert.deepEqual(resolve({ Multicluster: true }).notices, ["f: featureGates.Multicluster is on, but the feature is not there yet"]);
  assert.throws(() => resolve({ EndpointSlice: false }), {
    message: "f: featureGates.EndpointSlice: cannot be turned off",
  });
});

test("the controller is reached through the Kubernetes API, or by a kubeconfig of its own", () => {
  const kubeconfig = new URL("./testing/kubeconfig.yaml", import.meta.url).pathname;
  const connect = (controllerKubeconfig: string) =>
    connectClients({
      config: {
        "clientConnection.kubeconfig": kubeconfig,
        "antreaClientConnection.kubeconfig": controllerKubeconfig,
        kubeAPIServerOverride: "http://api.example",
      },
      configFile: "f",
      environment: {},
    });
  const [through, direct] = [connect(""), connect(kubeconfig)];
  assert.equal(through.controller, through.kubernetes);
  assert.deepEqual([direct.kubernetes.server, direct.controller.server], ["http://api.example", "http://127.0.0.1:8001"]);
  through.close();
  direct.close();
});
