import type { PolicyType } from "#core/api/controlplane/index.ts";
import { subfieldOf } from "#core/pipeline/flow-builder.ts";
import { Refusal } from "./server.ts";
import type { AgentView, FlowText } from "./view.ts";

/** Short names of policy kinds, in lower case: they are matched in any case. */
export const policyTypeKeys: Readonly<Record<string, PolicyType>> = {
  k8snp: "K8sNetworkPolicy",
  acnp: "AntreaClusterNetworkPolicy",
  annp: "AntreaNetworkPolicy",
  anp: "AdminNetworkPolicy",
  banp: "BaselineAdminNetworkPolicy",
  k8scnp: "K8sClusterNetworkPolicy",
};

const known = ["pod", "service", "networkpolicy", "namespace", "type", "table", "table-names-only", "groups"];

/** `/ovsflows`: all flows, those of a table, of a pod, of a policy or of a Service; or groups. */
export async function ovsFlows(view: AgentView, query: URLSearchParams): Promise<readonly { readonly flow: string }[]> {
  const asked = known.filter((name) => query.has(name));
  const only = (...names: string[]): boolean => asked.every((name) => names.includes(name));
  if (asked.length === 0) return printed(await view.switch.dump());
  if (query.has("table-names-only") && only("table-names-only")) return Array.from(view.switch.tableNames.values(), (flow) => ({ flow }));
  if (query.has("table") && only("table")) {
    const tables = (query.get("table") ?? "").split(",").map((name) => tableNumber(view, name));
    const flows = await Promise.all(tables.map((table) => view.switch.dump(table)));
    return printed(flows.flat());
  }
  if (query.has("pod") && only("pod", "namespace")) return printed(await podFlows(view, query.get("namespace"), query.get("pod") ?? ""));
  if (query.has("networkpolicy") && only("networkpolicy", "namespace", "type")) return printed(await policyFlows(view, query));
  if (query.has("service") && only("service", "namespace")) return printed(await serviceFlows(view, query));
  if (query.has("groups") && only("groups"))
    return (await view.switch.groups(groupIds(query.get("groups") ?? ""))).map((flow) => ({ flow }));
  throw new Refusal(400, "unsupported parameter combination");
}

const printed = (flows: readonly FlowText[]): { readonly flow: string }[] => flows.map(({ text }) => ({ flow: text }));

function tableNumber(view: AgentView, name: string): number {
  const number = /^\d+$/.test(name)
    ? Number(name)
    : [...view.switch.tableNames].find(([, known]) => known.toLowerCase() === name.toLowerCase())?.[0];
  if (number === undefined || number > 254) throw new Refusal(400, `invalid table name or number: ${name}; table-names-only lists them`);
  return number;
}

/** The register in which the pipeline keeps the port that a packet leaves by. */
const outputPort = subfieldOf("outputPort").field;

/** Flows that name the pod's port, MAC or addresses. */
async function podFlows(view: AgentView, namespace: string | null, name: string): Promise<readonly FlowText[]> {
  if (!namespace) throw new Refusal(400, "namespace must be provided");
  const ports = view.podInterfaces.by("pod", `${namespace}/${name}`);
  if (ports.length === 0) throw new Refusal(404, `pod ${namespace}/${name} is not on this Node`);
  const words = ports.flatMap(({ ofport, mac, addresses }) => [
    `in_port=${ofport}`,
    `output:${ofport}`,
    `${outputPort}=0x${ofport.toString(16)}`,
    `0x${ofport.toString(16)}->${outputPort}`,
    mac.toString(),
    ...addresses.map(String),
  ]);
  const named = words.map((word) => new RegExp(`(?<![0-9a-f.:])${word.replace(/[.+*?]/g, "\\$&")}(?![0-9a-f.:/])`, "i"));
  return (await view.switch.dump()).filter(({ text }) => named.some((word) => word.test(text)));
}

async function serviceFlows(view: AgentView, query: URLSearchParams): Promise<readonly FlowText[]> {
  const name = query.get("service") ?? "";
  const namespace = query.get("namespace");
  if (!namespace) throw new Refusal(400, "namespace must be provided");
  if (![...view.switch.tableNames.values()].includes("ServiceLB")) throw new Refusal(503, "AntreaProxy is not enabled");
  const flows = await view.switch.ofService(`${namespace}/${name}`);
  if (flows === undefined) throw new Refusal(404, `Service ${namespace}/${name} is not served on this Node`);
  return flows;
}

/** Comma-separated ids; undefined for all. */
function groupIds(text: string): readonly number[] | undefined {
  if (text === "" || text === "all") return undefined;
  return text.split(",").map((id) => {
    if (!/^\d{1,10}$/.test(id)) throw new Refusal(400, `invalid group ID: ${id}`);
    return Number(id);
  });
}

async function policyFlows(view: AgentView, query: URLSearchParams): Promise<readonly FlowText[]> {
  const name = query.get("networkpolicy") ?? "";
  const namespace = query.get("namespace") ?? "";
  const type = query.get("type");
  const wanted = type === null ? undefined : policyTypeKeys[type.toLowerCase()];
  if (type !== null && wanted === undefined)
    throw new Refusal(400, `unknown policy type ${type}; there is K8sNP, ACNP, ANNP, ANP, BANP, K8sCNP`);
  const found = view.policies
    .networkPolicies()
    .filter(
      ({ sourceRef }) =>
        sourceRef.name === name && (sourceRef.namespace ?? "") === namespace && (wanted ?? sourceRef.type) === sourceRef.type,
    );
  if (found.length > 1) throw new Refusal(400, "query is ambiguous and matches more than one policy");
  const [policy] = found;
  if (policy === undefined) throw new Refusal(404, `no policy ${namespace === "" ? name : `${namespace}/${name}`} applies to this Node`);
  return view.switch.ofPolicy(policy.uid);
}
