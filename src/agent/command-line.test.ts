import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseConfig } from "#lib/config-file/index.ts";
import { connectController, connectKubernetes } from "./clients.ts";
import { parseCommandLine } from "./command-line.ts";
import { agentKeys } from "./config.ts";
import { resolveFeatureGates } from "./feature-gates.ts";

test("flags as manifests pass them", () => {
  assert.deepEqual(
    parseCommandLine(["--config", "/etc/antrea/antrea-agent.conf", "--logtostderr=false", "--log_dir=/var/log/antrea", "--v=4"]),
    {
      do: "run",
      configFile: "/etc/antrea/antrea-agent.conf",
      verbosity: 4,
      notices: ["--logtostderr has no effect: logs go to standard error", "--log_dir has no effect: logs go to standard error"],
    },
  );
  assert.deepEqual(parseCommandLine(["--version"]), { do: "version" });
  assert.deepEqual(parseCommandLine(["-h"]), { do: "help" });
});

test("a wrong flag is named", () => {
  const problem = (...args: string[]): string => {
    const result = parseCommandLine(args);
    return result.do === "refuse" ? result.problem : result.do;
  };
  assert.match(problem("--conifg", "x"), /--conifg/);
  assert.match(problem("positional"), /positional/);
  assert.equal(problem("--v", "loud"), "--v loud: must be a whole number from 0 to 99");
});

const parse = (content: string) => parseConfig(content, { file: "antrea-agent.conf", keys: agentKeys });

test("what is not there yet is refused or told by name", () => {
  assert.throws(() => parse("trafficEncapMode: noEncap"), {
    message: "antrea-agent.conf: trafficEncapMode: noEncap is not there yet; there is encap",
  });
  assert.throws(() => parse("tunnelType: vxlan"), { message: /vxlan is not there yet; there is geneve/ });
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
  const { gates, notices } = resolveFeatureGates({ AllAlpha: true, Egress: false, Newer: true, TrafficControl: false }, "f");
  const on = (name: string) => gates.find((gate) => gate.name === name)?.enabled;
  assert.deepEqual([on("Egress"), on("BGPPolicy"), on("TrafficControl"), on("Traceflow")], [false, true, false, true]);
  assert.deepEqual(notices, ["f: featureGates.Newer is not a gate of this version and is ignored"]);
  assert.deepEqual(resolveFeatureGates({ Multicluster: true }, "f").notices, [
    "f: featureGates.Multicluster is on, but the feature is not there yet",
  ]);
  assert.throws(() => resolveFeatureGates({ EndpointSlice: false }, "f"), {
    message: "f: featureGates.EndpointSlice: cannot be turned off",
  });
});

test("the API server: by kubeconfig or as a Pod, and replaced by an override", () => {
  const connecting = (override: string, kubeconfig = "") => ({
    config: { "clientConnection.kubeconfig": kubeconfig, "antreaClientConnection.kubeconfig": "", kubeAPIServerOverride: override },
    configFile: "f",
    environment: {},
  });
  assert.throws(() => connectKubernetes(connecting("")), { message: /^f: clientConnection.kubeconfig: is empty and this is no Pod/ });
  assert.throws(() => connectKubernetes(connecting("", "/nonexistent")), { code: "INVALID_KUBECONFIG" });
  const kubeconfig = new URL("./testing/kubeconfig.yaml", import.meta.url).pathname;
  assert.match(readFileSync(kubeconfig, "utf8"), /current-context/);
  const server = (override: string): string => {
    const client = connectKubernetes(connecting(override, kubeconfig));
    assert.equal(connectController(connecting(override, kubeconfig), client), client);
    client.close();
    return client.server;
  };
  assert.equal(server(""), "http://127.0.0.1:8001");
  assert.equal(server("192.0.2.7:6443"), "https://192.0.2.7:6443");
  assert.equal(server("http://api.example/"), "http://api.example");
  assert.equal(server("fd00::1"), "https://[fd00::1]");
  assert.throws(() => server("not a host"), { message: /kubeAPIServerOverride/ });
});
