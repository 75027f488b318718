import { encodeGroup, encodeNetworkPolicy, type Group, type NetworkPolicy } from "#core/api/controlplane/index.ts";
import { controlplaneApiVersion } from "#core/api/controlplane/names.ts";
import { changeVerbosity } from "#lib/daemon/verbosity.ts";
import { type ProfilePath, ProfileRefused } from "#lib/profiling/index.ts";
import { agentInfo } from "./agent-info.ts";
import { ovsFlows, policyTypeKeys } from "./ovs-flows.ts";
import { Refusal, type Route } from "./server.ts";
import { type AgentView, addressTexts } from "./view.ts";

/** The paths that answer from the first moment, before the agent has anything to tell. */
export function probeRoutes(options: {
  /** What is not in sync, in words. */
  readonly ready: () => readonly string[];
  /** What a restart of the agent might mend. */
  readonly alive: () => readonly string[];
}): Readonly<Record<string, Route>> {
  const probe = (what: string, problems: () => readonly string[]): Route => ({
    public: true,
    answer: () => {
      const found = problems();
      if (found.length > 0) throw new Refusal(503, `not ${what}: ${found.join(", ")}`);
      return { text: "ok\n" };
    },
  });
  const alive = probe("alive", options.alive);
  return { "/livez": alive, "/healthz": alive, "/readyz": probe("ready", options.ready) };
}

/** What Prometheus reads; for those whose role allows get on the path. */
export function metricsRoute(metrics: { readonly contentType: string; render(): Promise<string> }): Readonly<Record<string, Route>> {
  return { "/metrics": { answer: async () => ({ text: await metrics.render(), contentType: metrics.contentType }) } };
}

/** What its developers ask: where its processor time and its memory go. */
export function profileRoutes(paths: Readonly<Record<string, ProfilePath>>): Readonly<Record<string, Route>> {
  const route = (path: ProfilePath): Route => ({
    async answer(query, signal) {
      try {
        return await path(query, signal);
      } catch (error) {
        throw error instanceof ProfileRefused ? new Refusal(error.status, error.message) : error;
      }
    },
  });
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, route(path)]));
}

/** What the agent tells of itself. The texts of refusals are those that antctl users know. */
export function viewRoutes(view: AgentView): Readonly<Record<string, Route>> {
  const off = (text: string): Route => ({
    answer: () => {
      throw new Refusal(503, text);
    },
  });
  return {
    "/agentinfo": { answer: async () => ({ json: await agentInfo(view) }) },
    "/errors": { answer: () => ({ json: view.unrealized() }) },
    "/version": { answer: () => ({ json: { gitVersion: view.version, platform: `linux/${process.arch}` } }) },
    "/podinterfaces": { answer: (query) => ({ json: podInterfaces(view, query) }) },
    "/networkpolicies": { answer: (query) => ({ json: networkPolicies(view, query) }) },
    "/addressgroups": { answer: (query) => ({ json: groups("addressgroups", view.policies.addressGroups(), query) }) },
    "/appliedtogroups": { answer: (query) => ({ json: groups("appliedtogroups", view.policies.appliedToGroups(), query) }) },
    "/ovsflows": { answer: async (query) => ({ json: await ovsFlows(view, query) }) },
    "/fqdncache": { answer: (query) => ({ json: fqdnCache(view, query) }) },
    "/policyencoding": { answer: () => ({ json: view.policyEncoding() }) },
    "/featuregates": {
      answer: () => ({
        json: view.gates.map(({ name, enabled, stage }) => ({
          component: "agent",
          name,
          status: enabled ? "Enabled" : "Disabled",
          version: stage.toUpperCase(),
        })),
      }),
    },
    "/loglevel": { answer: (query) => ({ json: logLevel(view, query.get("level")) }) },
    "/memberlist": off("memberlist is not enabled"),
    "/podmulticaststats": off("Multicast is not enabled"),
    "/serviceexternalip": off("ServiceExternalIP is not enabled"),
    "/bgppolicy": off("bgp is not enabled"),
    "/bgppeers": off("bgp is not enabled"),
    "/bgproutes": off("bgp is not enabled"),
    "/ovstracing": off("tracing is not there yet; use ovs-appctl ofproto/trace"),
  };
}

function podInterfaces({ podInterfaces }: AgentView, query: URLSearchParams): unknown {
  const [name, namespace] = [query.get("name"), query.get("namespace")];
  const found = [...podInterfaces.rows()].filter(
    (row) => (name === null || row.podName === name) && (namespace === null || row.podNamespace === namespace),
  );
  if (name !== null && found.length === 0)
    throw new Refusal(404, `pod ${namespace === null ? name : `${namespace}/${name}`} is not on this Node`);
  return found.map((row) => ({
    name: row.podName,
    podNamespace: row.podNamespace,
    interfaceName: row.interfaceName,
    ips: addressTexts(row.addresses),
    mac: row.mac.toString(),
    portUUID: row.portUuid,
    ofPort: row.ofport,
    containerID: row.containerId,
  }));
}

/** One entry per name and address, in the order of the names; the first three fields as antrea (Go) has them. */
function fqdnCache({ fqdn }: AgentView, query: URLSearchParams): unknown {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
  return fqdn.rows(query.get("domain") || undefined).flatMap(({ name, addresses }) =>
    addresses.map(({ address, expires, learned }) => ({
      fqdnName: name,
      ipAddress: String(address),
      expirationTime: time(expires),
      learnedTime: time(learned.at),
      ttlSeconds: learned.ttl,
      ...(learned.by === "pod" ? { pod: learned.pod, server: learned.server } : {}),
    })),
  );
}

function networkPolicies(view: AgentView, query: URLSearchParams): unknown {
  const [name, source, namespace, pod, type] = ["name", "source", "namespace", "pod", "type"].map((key) => query.get(key));
  if (name && (source || namespace || pod || type)) throw new Refusal(400, "with a name, none of the other filters can be used");
  if (pod && namespace) throw new Refusal(400, "pod names its namespace itself: <namespace>/<name>, without -n");
  if (pod && !/^[^/]+\/[^/]+$/.test(pod)) throw new Refusal(400, "pod must be <namespace>/<name>");
  const wantedType = type ? policyTypeKeys[type.toLowerCase()] : undefined;
  if (type && wantedType === undefined)
    throw new Refusal(400, `unknown policy type ${type}; there is K8sNP, ACNP, ANNP, ANP, BANP, K8sCNP`);
  const groupsOfPod = pod ? appliedToGroupsOf(view.policies.appliedToGroups(), pod) : undefined;
  const chosen = (policy: NetworkPolicy): boolean =>
    (!name || policy.name === name) &&
    (!source || policy.sourceRef.name === source) &&
    (!namespace || policy.sourceRef.namespace === namespace) &&
    (wantedType === undefined || policy.sourceRef.type === wantedType) &&
    (groupsOfPod === undefined || appliedTo(policy).some((group) => groupsOfPod.has(group)));
  const items = view.policies.networkPolicies().filter(chosen);
  if (name && items.length === 0) throw new Refusal(404, `no policy ${name} applies to this Node`);
  return { kind: "NetworkPolicyList", apiVersion: controlplaneApiVersion, metadata: {}, items: items.map(encodeNetworkPolicy) };
}

const appliedTo = ({ appliedToGroups, rules }: NetworkPolicy): readonly string[] => [
  ...appliedToGroups,
  ...rules.flatMap((rule) => rule.appliedToGroups),
];

function appliedToGroupsOf(all: readonly Group[], pod: string): ReadonlySet<string> {
  const holds = ({ members }: Group): boolean => members.some((member) => `${member.pod?.namespace}/${member.pod?.name}` === pod);
  return new Set(all.filter(holds).map(({ name }) => name));
}

function groups(resource: "addressgroups" | "appliedtogroups", all: readonly Group[], query: URLSearchParams): unknown {
  const name = query.get("name");
  const items = all.filter((group) => !name || group.name === name).map((group) => encodeGroup(resource, group));
  const kind = resource === "addressgroups" ? "AddressGroup" : "AppliedToGroup";
  if (name && items.length === 0) throw new Refusal(404, `no ${kind} ${name} on this Node`);
  return { kind: `${kind}List`, apiVersion: controlplaneApiVersion, metadata: {}, items };
}

function logLevel({ logger }: AgentView, level: string | null): number {
  const changed = changeVerbosity(logger, level);
  if (!changed.ok) throw new Refusal(400, changed.problem);
  return changed.verbosity;
}
