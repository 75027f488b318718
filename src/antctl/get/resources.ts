import { IpAddress } from "#lib/ip/index.ts";
import type { Mode } from "../mode.ts";
import type { Column } from "../output.ts";

/** One thing that `antctl get` shows: where it is asked for in each mode, and how a row of it looks. */
export interface GetResource {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  /** Path per mode; a mode without one does not have the command. */
  readonly paths: Readonly<Partial<Record<Mode, string>>>;
  /** Flags that become query parameters, for the agent's own paths. */
  readonly flags: readonly { readonly flag: string; readonly parameter: string; readonly description: string }[];
  readonly columns: readonly Column<Answer>[];
  /** The field that its items are sorted by unless the user says which. Absent: the rows of the table are in the order of their text. */
  readonly sortBy?: string;
  /** Which rows that are not in force belong to it, by target; `all` for every one. Absent: it has none. */
  readonly errors?: readonly string[] | "all";
}

/** A JSON object of a component's answer: fields are looked at one by one, and a missing one is an empty cell. */
export type Answer = Readonly<Record<string, unknown>>;

const controlplane = "/apis/controlplane.antrea.io/v1beta2";
const text = (value: unknown): string | undefined => (typeof value === "string" || typeof value === "number" ? String(value) : undefined);
const list = (value: unknown): readonly Answer[] => (Array.isArray(value) ? (value as Answer[]) : []);
const object = (value: unknown): Answer => (typeof value === "object" && value !== null ? (value as Answer) : {});
const column = (title: string, cell: Column<Answer>["cell"]): Column<Answer> => ({ title, cell });
const field = (title: string, name: string): Column<Answer> => column(title, (item) => text(item[name]));
const metadataName = column("NAME", (item) => text(object(item.metadata).name));
const podName = (member: Answer): string => `${text(object(member.pod).namespace) ?? ""}/${text(object(member.pod).name) ?? ""}`;
const address = (base64: unknown): string => {
  const bytes = Buffer.from(typeof base64 === "string" ? base64 : "", "base64");
  return bytes.length === 4 || bytes.length === 16 ? IpAddress.fromBytes(bytes).toString() : "";
};
const name = { flag: "-n, --namespace <namespace>", parameter: "namespace", description: "only in this namespace" };

const controllerInfos = "/apis/system.antrea.io/v1beta1/controllerinfos";
const statusOf = (conditions: unknown, type: string): string => {
  const healthy = list(conditions).find((condition) => condition.type === type);
  return healthy === undefined ? "Unknown" : healthy.status === "True" ? "Healthy" : "Unhealthy";
};

/** What `--errors` shows: rows that their target refuses. */
export const errorsPath = "/errors";
export const errorColumns: readonly Column<Answer>[] = [field("TARGET", "target"), field("ROW", "row"), field("REASON", "reason")];

export const getResources: readonly GetResource[] = [
  {
    name: "podinterface",
    aliases: ["podinterfaces", "pi"],
    description: "Pod network interfaces of this node",
    paths: { agent: "/podinterfaces" },
    flags: [name],
    columns: [
      field("NAMESPACE", "podNamespace"),
      field("NAME", "name"),
      field("INTERFACE-NAME", "interfaceName"),
      column("IP", (item) => (Array.isArray(item.ips) ? item.ips.map(String) : undefined)),
      field("MAC", "mac"),
      field("PORT-UUID", "portUUID"),
      field("OF-PORT", "ofPort"),
      column("CONTAINER-ID", (item) => text(item.containerID)?.slice(0, 11)),
    ],
  },
  {
    name: "networkpolicy",
    aliases: ["networkpolicies", "netpol"],
    description: "computed NetworkPolicies",
    paths: { agent: "/networkpolicies", controller: `${controlplane}/networkpolicies`, remote: `${controlplane}/networkpolicies` },
    flags: [
      name,
      {
        flag: "-S, --source <name>",
        parameter: "source",
        description: "agent mode: only policies made from the source policy of this name",
      },
      {
        flag: "-p, --pod <namespace/name>",
        parameter: "pod",
        description: "agent mode: only policies applied to this Pod; its name alone with --namespace",
      },
      {
        flag: "-T, --type <type>",
        parameter: "type",
        description: "agent mode: only policies of this type: K8sNP, ACNP, ANNP, ANP, BANP, K8sCNP",
      },
    ],
    columns: [
      metadataName,
      column("APPLIED-TO", (item) => (Array.isArray(item.appliedToGroups) ? item.appliedToGroups.map(String) : undefined)),
      column("RULES", (item) => list(item.rules).length),
      column("SOURCE", (item) => {
        const source = object(item.sourceRef);
        const namespace = text(source.namespace);
        return `${text(source.type) ?? ""}:${namespace ? `${namespace}/` : ""}${text(source.name) ?? ""}`;
      }),
      field("TIER-PRIORITY", "tierPriority"),
      field("PRIORITY", "priority"),
    ],
    sortBy: ".sourceRef.name",
    errors: ["policy"],
  },
  {
    name: "appliedtogroup",
    aliases: ["appliedtogroups", "atg"],
    description: "the Pods that policies apply to",
    paths: { agent: "/appliedtogroups", controller: `${controlplane}/appliedtogroups`, remote: `${controlplane}/appliedtogroups` },
    flags: [],
    sortBy: ".metadata.name",
    columns: [metadataName, column("PODS", (item) => list(item.groupMembers).map(podName))],
  },
  {
    name: "addressgroup",
    aliases: ["addressgroups", "ag"],
    description: "the addresses that policies name as peers",
    paths: { agent: "/addressgroups", controller: `${controlplane}/addressgroups`, remote: `${controlplane}/addressgroups` },
    flags: [],
    sortBy: ".metadata.name",
    columns: [
      metadataName,
      column("POD-IPS", (item) =>
        list(item.groupMembers)
          .filter((member) => member.pod !== undefined)
          .flatMap((member) => (Array.isArray(member.ips) ? member.ips.map(address) : [])),
      ),
      column("NODE-IPS", (item) =>
        list(item.groupMembers)
          .filter((member) => member.node !== undefined)
          .flatMap((member) => (Array.isArray(member.ips) ? member.ips.map(address) : [])),
      ),
    ],
  },
  {
    name: "fqdncache",
    aliases: ["fqdncaches"],
    description: "addresses of the names that rules have, as DNS told them",
    paths: { agent: "/fqdncache" },
    flags: [{ flag: "-d, --domain <name>", parameter: "domain", description: "only this name; * stands for any characters" }],
    columns: [
      field("FQDN", "fqdnName"),
      field("ADDRESS", "ipAddress"),
      field("EXPIRATION TIME", "expirationTime"),
      column("LEARNED FROM", (item) => text(item.pod) ?? "the agent's own question"),
    ],
  },
  {
    name: "agentinfo",
    aliases: ["agentinfos", "ai"],
    description: "this agent: version, node, switch, counts",
    paths: { agent: "/agentinfo" },
    flags: [],
    columns: [
      column("POD", (item) => `${text(object(item.podRef).namespace) ?? ""}/${text(object(item.podRef).name) ?? ""}`),
      column("NODE", (item) => text(object(item.nodeRef).name)),
      column("STATUS", (item) => statusOf(item.agentConditions, "AgentHealthy")),
      column("NODE-SUBNET", (item) => (Array.isArray(item.nodeSubnets) ? item.nodeSubnets.map(String) : undefined)),
      column("NETWORK-POLICIES", (item) => text(object(item.networkPolicyControllerInfo).networkPolicyNum) ?? "0"),
      column("ADDRESS-GROUPS", (item) => text(object(item.networkPolicyControllerInfo).addressGroupNum) ?? "0"),
      column("APPLIED-TO-GROUPS", (item) => text(object(item.networkPolicyControllerInfo).appliedToGroupNum) ?? "0"),
      column("LOCAL-PODS", (item) => text(item.localPodNum) ?? "0"),
    ],
    errors: "all",
  },
  {
    name: "controllerinfo",
    aliases: ["controllerinfos", "ci"],
    description: "the controller: version, counts, connected agents",
    paths: { controller: controllerInfos, remote: controllerInfos },
    flags: [],
    columns: [
      column("POD", (item) => `${text(object(item.podRef).namespace) ?? ""}/${text(object(item.podRef).name) ?? ""}`),
      column("NODE", (item) => text(object(item.nodeRef).name)),
      column("STATUS", (item) => statusOf(item.controllerConditions, "ControllerHealthy")),
      column("NETWORK-POLICIES", (item) => text(object(item.networkPolicyControllerInfo).networkPolicyNum) ?? "0"),
      column("ADDRESS-GROUPS", (item) => text(object(item.networkPolicyControllerInfo).addressGroupNum) ?? "0"),
      column("APPLIED-TO-GROUPS", (item) => text(object(item.networkPolicyControllerInfo).appliedToGroupNum) ?? "0"),
      column("CONNECTED-AGENTS", (item) => text(item.connectedAgentNum) ?? "0"),
    ],
  },
];
