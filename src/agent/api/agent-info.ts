import { type AgentView, addressTexts } from "./view.ts";

/** `crd.antrea.io/v1beta1` AntreaAgentInfo as the agent's API gives it: without metadata. */
export async function agentInfo(view: AgentView): Promise<object> {
  // A switch that does not answer is one of the things to be told here.
  const counts = await view.switch.counts().catch(() => new Map<number, number>());
  const ovsVersion = await view.switch.version().catch(() => "");
  const flowTable = Object.fromEntries(Array.from(view.switch.tableNames.keys(), (number) => [String(number), counts.get(number) ?? 0]));
  const heartbeat = view.now().toISOString();
  return {
    version: view.version,
    podRef: view.pod === undefined ? {} : { kind: "Pod", ...view.pod },
    nodeRef: { kind: "Node", name: view.node.name },
    nodeSubnets: view.node.podCIDRs.map(String),
    ovsInfo: { version: ovsVersion, bridgeName: view.bridge, flowTable },
    networkPolicyControllerInfo: {
      networkPolicyNum: view.policies.networkPolicies().length,
      addressGroupNum: view.policies.addressGroups().length,
      appliedToGroupNum: view.policies.appliedToGroups().length,
    },
    localPodNum: view.podInterfaces.size,
    agentConditions: view.health().map(({ type, up, message }) => ({
      type,
      status: up ? "True" : "False",
      lastHeartbeatTime: heartbeat,
      ...(message === undefined ? {} : { message }),
    })),
    apiPort: view.apiPort,
    networkInfo: {
      transportInterface: view.transport.interfaceName,
      transportInterfaceMTU: view.transport.mtu,
      podMTU: view.podMtu,
      transportInterfaceIPs: addressTexts(view.transport.addresses),
    },
  };
}
