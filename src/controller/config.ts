import { type FeatureGate, resolveFeatureGates } from "#core/api/feature-gates.ts";
import {
  type Config,
  flag,
  flags,
  InvalidConfig,
  integer,
  number,
  oneOf,
  parseConfig,
  readConfigFile,
  text,
  textThat,
  texts,
  type ValuesOf,
} from "#lib/config-file/index.ts";
import { areCipherSuites, tlsVersionNames } from "#lib/apiserver/tls-limits.ts";

const notYet = true;

/** The keys of `antrea-controller.conf`. Those marked `notYet` are known, checked, and without effect. */
export const controllerKeys = {
  runDir: text({
    default: "/var/run/antrea",
    doc: "Folder of the controller's own files: API token and certificates. One per controller where several share a machine.",
  }),
  featureGates: flags({ default: {}, doc: "Features by name, true or false; AllAlpha and AllBeta stand for all of a stage." }),
  "clientConnection.kubeconfig": text({ default: "", doc: "How to reach the Kubernetes API; empty uses the Pod's service account." }),
  "clientConnection.acceptContentTypes": text({ default: "", notYet, doc: "Content types; JSON is spoken." }),
  "clientConnection.contentType": text({ default: "", notYet, doc: "Content type; JSON is spoken." }),
  "clientConnection.qps": number({ default: 50, notYet, doc: "Requests per second; there is no client-side limit." }),
  "clientConnection.burst": integer({ min: 0, max: 1_000_000, default: 100, notYet, doc: "Burst of requests." }),
  apiPort: integer({ min: 0, max: 65_535, default: 10_349, doc: "Port of the controller's API." }),
  enablePrometheusMetrics: flag({ default: true, doc: "Serve metrics at /metrics of the API." }),
  selfSignedCert: flag({
    default: true,
    doc: "Serve with a certificate of an own authority; false reads ca.crt, tls.crt and tls.key from antrea-controller-tls in the run folder.",
  }),
  tlsCipherSuites: textThat({
    expected: "names of cipher suites such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, with commas in between",
    is: areCipherSuites,
    default: "",
    doc: "Cipher suites of the API up to TLS 1.2; empty takes the run time's.",
  }),
  tlsMinVersion: oneOf({ values: tlsVersionNames, default: "", doc: "Oldest TLS version of the API; empty is TLS 1.2." }),
  clientCAFile: text({ default: "", doc: "Authorities of client certificates; empty takes those that the Kubernetes API publishes." }),
  kubeAPIServerOverride: text({ default: "", doc: "Host, host:port or URL that replaces the Kubernetes API's address." }),
  "nodeIPAM.enableNodeIPAM": flag({ default: false, notYet, doc: "Give Nodes their pod address blocks." }),
  "nodeIPAM.clusterCIDRs": texts({ default: [], notYet, doc: "Blocks that Nodes' blocks come from; one per family." }),
  "nodeIPAM.serviceCIDR": text({ default: "", notYet, doc: "Service addresses, left out of them." }),
  "nodeIPAM.serviceCIDRv6": text({ default: "", notYet, doc: "IPv6 service addresses, left out of them." }),
  "nodeIPAM.nodeCIDRMaskSizeIPv4": integer({ min: 16, max: 30, default: 24, notYet, doc: "Prefix length of a Node's IPv4 block." }),
  "nodeIPAM.nodeCIDRMaskSizeIPv6": integer({ min: 64, max: 126, default: 64, notYet, doc: "Prefix length of a Node's IPv6 block." }),
  "ipsecCSRSigner.autoApprove": flag({ default: true, notYet, doc: "Approve the agents' requests for IPsec certificates." }),
  "ipsecCSRSigner.selfSignedCA": flag({ default: true, notYet, doc: "Sign them with an own authority." }),
  "multicluster.enableStretchedNetworkPolicy": flag({ default: false, notYet, doc: "Policies across clusters." }),
  "multicluster.namespace": text({ default: "", notYet, doc: "Namespace of the multi-cluster controller." }),
} as const;

export interface ControllerConfig {
  readonly values: ValuesOf<typeof controllerKeys>;
  readonly featureGates: readonly FeatureGate[];
  /** Lines for the log. */
  readonly notices: readonly string[];
  /** Those of the notices that tell of names that this version does not know. */
  readonly unknown: readonly string[];
}

/** Reads `antrea-controller.conf`. Throws {@link InvalidConfig} with the first wrong value; nothing is started then. */
export async function readControllerConfig(file: string): Promise<ControllerConfig> {
  return withGates(await readConfigFile(file, controllerKeys), file);
}

/** As {@link readControllerConfig}, from text; `file` names it in errors. */
export function parseControllerConfig(content: string, file: string): ControllerConfig {
  return withGates(parseConfig(content, { file, keys: controllerKeys }), file);
}

function withGates({ values, notices, unknown }: Config<typeof controllerKeys>, file: string): ControllerConfig {
  const resolved = resolveFeatureGates({ component: "controller", configured: values.featureGates, file });
  const enabled = new Set(resolved.gates.filter((gate) => gate.enabled).map((gate) => gate.name));
  for (const name of ["ClusterNetworkPolicy", "AdminNetworkPolicy"])
    if (enabled.has(name) && !enabled.has("AntreaPolicy"))
      throw new InvalidConfig(file, `featureGates.${name}`, "needs AntreaPolicy, which is turned off");
  return { values, featureGates: resolved.gates, notices: [...notices, ...resolved.notices], unknown: [...unknown, ...resolved.unknown] };
}
