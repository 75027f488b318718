import { type FeatureGate, resolveFeatureGates } from "#core/api/feature-gates.ts";
import { type Config, InvalidConfig, parseConfig, readConfigFile } from "#lib/config-file/index.ts";
import { type AgentConfig, agentKeys } from "./config.ts";

/** `antrea-agent.conf` as a whole: checked key by key, and for keys that exclude each other. */
export interface AgentConfigFile {
  readonly values: AgentConfig;
  readonly gates: readonly FeatureGate[];
  /** Lines for the log: what is unknown, and what is known and has no effect yet. */
  readonly notices: readonly string[];
  /** Those of the notices that tell of names that this version does not know. */
  readonly unknown: readonly string[];
}

/** Reads the file; without one every key has its default. Throws {@link InvalidConfig} with the first wrong value. */
export async function readAgentConfig(file: string | undefined, name: string, environment: NodeJS.ProcessEnv): Promise<AgentConfigFile> {
  return file === undefined ? parseAgentConfig("", name, environment) : whole(await readConfigFile(file, agentKeys), file, environment);
}

/** As {@link readAgentConfig}, from text; `file` names it in errors. */
export function parseAgentConfig(content: string, file: string, environment: NodeJS.ProcessEnv): AgentConfigFile {
  return whole(parseConfig(content, { file, keys: agentKeys }), file, environment);
}

function whole({ values, notices, unknown }: Config<typeof agentKeys>, file: string, environment: NodeJS.ProcessEnv): AgentConfigFile {
  const resolved = resolveFeatureGates({ component: "agent", configured: values.featureGates, file });
  const isOn = (gate: string): boolean => resolved.gates.some(({ name, enabled }) => name === gate && enabled);
  checkTogether(values, { file, environment, isOn });
  const idle = idleKeys(values, { proxies: values["antreaProxy.enable"] && isOn("AntreaProxy") }).map((text) => `${file}: ${text}`);
  return {
    values,
    gates: resolved.gates,
    notices: [...notices, ...idle, ...resolved.notices],
    unknown: [...unknown, ...resolved.unknown],
  };
}

/** Environment by which antrea (Go) lets these modes go without its proxy; kube-proxy then hides the clients of Services from policies. */
const withoutProxy = "ALLOW_NO_ENCAP_WITHOUT_ANTREA_PROXY";

function checkTogether(
  values: AgentConfig,
  { file, environment, isOn }: { readonly file: string; readonly environment: NodeJS.ProcessEnv; readonly isOn: (gate: string) => boolean },
): void {
  const { trafficEncapMode: mode } = values;
  const proxies = values["antreaProxy.enable"] && isOn("AntreaProxy");
  const refuse = (key: string, problem: string): never => {
    throw new InvalidConfig(file, key, problem);
  };
  if (mode !== "encap" && !proxies && environment[withoutProxy] !== "true")
    refuse("trafficEncapMode", `${mode} needs antreaProxy.enable and gate AntreaProxy, or ${withoutProxy}=true in the environment`);
  if (values.noSNAT && mode !== "noEncap" && mode !== "networkPolicyOnly")
    refuse("noSNAT", `true is for trafficEncapMode noEncap; with ${mode} it must be false`);
  if (values["multicast.enable"] && mode === "networkPolicyOnly")
    refuse("multicast.enable", "true is for trafficEncapMode encap, noEncap and hybrid; with networkPolicyOnly it must be false");
  if (values.hostGateway === values.ovsBridge) refuse("hostGateway", `${JSON.stringify(values.hostGateway)} is the name of ovsBridge too`);
  if (values["multicluster.enableStretchedNetworkPolicy"] && !values["multicluster.enableGateway"])
    refuse("multicluster.enableStretchedNetworkPolicy", "true needs multicluster.enableGateway");
}

/** Keys that are right in themselves and that the mode leaves without effect. */
function idleKeys(values: AgentConfig, { proxies }: { readonly proxies: boolean }): string[] {
  const { trafficEncapMode: mode, tunnelType } = values;
  const tunnelled = mode === "encap" || mode === "hybrid";
  return [
    ...(values.tunnelPort !== 0 && (!tunnelled || tunnelType === "gre")
      ? [`tunnelPort has no effect: ${tunnelled ? "gre has no ports" : `${mode} has no tunnels`}`]
      : []),
    ...(proxies ? [] : ["serviceCIDR and serviceCIDRv6 have no effect yet: Services are kube-proxy's, whatever their addresses"]),
    ...(mode === "networkPolicyOnly" && values.noSNAT ? ["noSNAT has no effect: with networkPolicyOnly nothing is translated"] : []),
    ...(mode !== "networkPolicyOnly" && values.podCIDRs.length > 0 ? [`podCIDRs has no effect: it is for networkPolicyOnly`] : []),
  ];
}
