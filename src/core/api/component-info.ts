import type { KubeObject, Resource } from "#lib/kube/index.ts";

/** One thing about a component that holds or not, with the time it was last looked at. `reason` and `message` tell more where it does not. */
export interface ComponentCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly lastHeartbeatTime: string;
  readonly reason?: string;
  readonly message?: string;
}

/** `crd.antrea.io/v1beta1` AntreaAgentInfo: an agent about itself, named as its Node. No spec and status: its fields stand at the top. */
export interface AgentInfo extends KubeObject {
  readonly agentConditions?: readonly ComponentCondition[];
}

/** `crd.antrea.io/v1beta1` AntreaControllerInfo: the controller about itself. */
export interface ControllerInfo extends KubeObject {
  readonly controllerConditions?: readonly ComponentCondition[];
}

const group = "crd.antrea.io";
const version = "v1beta1";

export const agentInfos: Resource<AgentInfo> = { group, version, plural: "antreaagentinfos", kind: "AntreaAgentInfo", namespaced: false };
export const controllerInfos: Resource<ControllerInfo> = {
  group,
  version,
  plural: "antreacontrollerinfos",
  kind: "AntreaControllerInfo",
  namespaced: false,
};
/** The one AntreaControllerInfo. */
export const controllerInfoName = "antrea-controller";

const text = { type: "string" };
const integer = { type: "integer" };
const list = (items: object) => ({ type: "array", items });
const object = (properties: Readonly<Record<string, object>>) => ({ type: "object", properties });
const reference = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const conditions = list({
  ...object({
    type: text,
    status: { type: "string", enum: ["True", "False", "Unknown"] },
    lastHeartbeatTime: { type: "string", format: "date-time" },
    reason: text,
    message: text,
  }),
  required: ["type", "status", "lastHeartbeatTime"],
});
const networkPolicyControllerInfo = object({ networkPolicyNum: integer, addressGroupNum: integer, appliedToGroupNum: integer });
const apiPort = { type: "integer", minimum: 1, maximum: 65_535 };

const agentFields = {
  version: text,
  podRef: reference,
  nodeRef: reference,
  nodeSubnets: list(text),
  ovsInfo: object({ version: text, bridgeName: text, flowTable: { type: "object", additionalProperties: integer } }),
  networkPolicyControllerInfo,
  localPodNum: integer,
  agentConditions: conditions,
  apiPort,
  apiCABundle: { type: "string", format: "byte" },
  nodePortLocalPortRange: text,
  networkInfo: object({
    transportInterface: text,
    transportInterfaceMTU: integer,
    podMTU: integer,
    transportInterfaceIPs: { ...list(text), maxItems: 2 },
  }),
};
const controllerFields = {
  version: text,
  podRef: reference,
  nodeRef: reference,
  serviceRef: reference,
  networkPolicyControllerInfo,
  connectedAgentNum: integer,
  controllerConditions: conditions,
  apiPort,
};

const column = (name: string, jsonPath: string, type = "string") => ({ name, jsonPath, type });
const healthy = (field: string, type: string) => [
  column("Status", `.${field}[?(@.type=="${type}")].status`),
  column("Last Heartbeat", `.${field}[?(@.type=="${type}")].lastHeartbeatTime`, "date"),
];

/** The CustomResourceDefinitions of both, as they are installed. */
export const componentInfoDefinitions = [
  definition(agentInfos, { shortNames: ["aai"], fields: agentFields }, [
    column("Version", ".version"),
    ...healthy("agentConditions", "AgentHealthy"),
    column("Pods", ".localPodNum", "integer"),
  ]),
  definition(controllerInfos, { shortNames: ["aci"], fields: controllerFields }, [
    column("Version", ".version"),
    column("Connected Agents", ".connectedAgentNum", "integer"),
    ...healthy("controllerConditions", "ControllerHealthy"),
  ]),
];

function definition(
  { plural, kind }: Resource<KubeObject>,
  { shortNames, fields }: { readonly shortNames: readonly string[]; readonly fields: Readonly<Record<string, object>> },
  additionalPrinterColumns: readonly object[],
) {
  return {
    name: `${plural}.${group}`,
    spec: {
      group,
      scope: "Cluster",
      names: { kind, plural, singular: kind.toLowerCase(), shortNames },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns,
          schema: { openAPIV3Schema: object({ apiVersion: text, kind: text, metadata: { type: "object" }, ...fields }) },
        },
      ],
    },
  };
}
