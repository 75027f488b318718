import { checkOptions } from "./check-options.ts";
import { type ConfigOptions, readConfigOptions } from "./config-options.ts";
import { InvalidLabOption } from "./errors.ts";

/** A part of `antrea-agent.conf`: what a lab's agents are configured with beyond what the lab itself needs. */
export type AgentOptions = ConfigOptions;

const option = "--agent-config";

/** Throws {@link RefusedOptions} where the agent would not start with them. */
export const checkAgentOptions = (options: AgentOptions, how: { readonly fromSource: boolean }): Promise<void> =>
  checkOptions({ option, name: "antrea-agent", options, fromSource: how.fromSource });

const ownKeys = ["ovsRunDir", "runDir", "logDir", "cniSocket", "hostProcPathPrefix", "clientConnection", "antreaClientConnection"];

/** Where a lab's nodes forward: in user space, or in the machine's kernel. */
export type Datapath = "netdev" | "system";
const datapaths: readonly Datapath[] = ["netdev", "system"];

/** The datapath that the options ask for: user space unless they say otherwise, since it needs nothing of the machine's kernel. */
export const datapathOf = ({ ovsDatapathType }: AgentOptions): Datapath => (ovsDatapathType === "system" ? "system" : "netdev");

/** Throws {@link InvalidLabOption} with what was given. */
export function readAgentOptions(given: readonly string[]): AgentOptions {
  const options = readConfigOptions(given, { option, ownKeys });
  const { ovsDatapathType } = options;
  if (ovsDatapathType !== undefined && !datapaths.some((datapath) => datapath === ovsDatapathType))
    throw new InvalidLabOption(option, `ovsDatapathType=${JSON.stringify(ovsDatapathType)}`, `must be one of ${datapaths.join(", ")}`);
  return options;
}

/** Whether pods' interfaces are made by another plugin before ours. */
export const isChained = ({ trafficEncapMode }: AgentOptions): boolean =>
  typeof trafficEncapMode === "string" && trafficEncapMode.toLowerCase() === "networkpolicyonly";
