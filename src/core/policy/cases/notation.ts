import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "#lib/kube/index.ts";
import type { Change, Row } from "./case.ts";

type Spec = NonNullable<NetworkPolicy["spec"]>;

/** The label that every namespace carries with its own name. */
export const nameLabel = "kubernetes.io/metadata.name";

export interface PolicyRules {
  /** Default: after the subject. Policies of one name replace each other. */
  readonly name?: string;
  readonly ingress?: Spec["ingress"];
  readonly egress?: Spec["egress"];
  /** Default: the directions given. `"absent"`: the field is left to the API's defaulting. */
  readonly types?: readonly ("Ingress" | "Egress")[] | "absent";
}

/** A policy in the sheet's notation: `x[a]` selects pod=a in x, `x[a,b]` either, `x[*]` every pod, `x[k=v]` by another label. */
export function policy(subject: string, { name, ingress, egress, types }: PolicyRules): NetworkPolicy {
  const match = /^([^[]+)\[([^\]]+)\]$/.exec(subject);
  if (match === null) throw new SyntaxError(`${JSON.stringify(subject)} is no subject such as x[a]`);
  const [, namespace = "", who = ""] = match;
  const given = [...(ingress === undefined ? [] : ["Ingress"]), ...(egress === undefined ? [] : ["Egress"])];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace, name: name ?? `of-${who === "*" ? "all" : who.replace(/[^a-z0-9]/g, "-")}` },
    spec: {
      podSelector: selectorOf(who),
      ...(types === "absent" ? {} : { policyTypes: types ?? given }),
      ...(ingress === undefined ? {} : { ingress }),
      ...(egress === undefined ? {} : { egress }),
    },
  };
}

function selectorOf(who: string): LabelSelector {
  if (who === "*") return {};
  if (who.includes("=")) {
    const [key = "", value = ""] = who.split("=");
    return { matchLabels: { [key]: value } };
  }
  const names = who.split(",");
  return names.length > 1 ? { matchExpressions: [{ key: "pod", operator: "In", values: names }] } : { matchLabels: { pod: who } };
}

export const apply = (subject: string, rules: PolicyRules): Change => ({ type: "apply", policy: policy(subject, rules) });
export const remove = (name: string): Change => ({ type: "remove", policy: name });

/** A Service as an end of a row, and as the target of a block. */
export const svc = (name: string): string => `svc(${name})`;
export const isService = (end: string): boolean => end.startsWith("svc(");

/** Pods of the policy's own namespace: `pod()` all, `pod("b")` labelled pod=b. */
export const pod = (name?: string): NetworkPolicyPeer => ({ podSelector: name === undefined ? {} : { matchLabels: { pod: name } } });
export const podWith = (labels: Readonly<Record<string, string>>): NetworkPolicyPeer => ({ podSelector: { matchLabels: labels } });
/** All pods of namespaces: `ns()` every one, `ns("y")` those labelled ns=y. */
export const ns = (name?: string): NetworkPolicyPeer => ({ namespaceSelector: name === undefined ? {} : { matchLabels: { ns: name } } });
export const nsWith = (labels: Readonly<Record<string, string>>): NetworkPolicyPeer => ({ namespaceSelector: { matchLabels: labels } });
/** One requirement on the labels of pods, or of namespaces. */
export const podsThat = (key: string, operator: Operator, ...values: string[]): NetworkPolicyPeer => ({
  podSelector: expression(key, operator, values),
});
export const namespacesThat = (key: string, operator: Operator, ...values: string[]): NetworkPolicyPeer => ({
  namespaceSelector: expression(key, operator, values),
});
/** One peer with both selectors: the pods in the namespaces. */
export const inBoth = (namespaces: NetworkPolicyPeer, pods: NetworkPolicyPeer): NetworkPolicyPeer => ({ ...namespaces, ...pods });

type Operator = "In" | "NotIn" | "Exists" | "DoesNotExist";
const expression = (key: string, operator: Operator, values: readonly string[]): LabelSelector => ({
  matchExpressions: [{ key, operator, ...(values.length === 0 ? {} : { values }) }],
});

/**
 * Peers by address: one block per family around a pod's address, all of it but the `except` pods. The addresses are known when the case is
 * placed; until then they stand as `x/b@4` and `x/b@6`.
 */
export function block(
  target: string,
  {
    bits,
    except = [],
    families = [4, 6],
  }: { readonly bits?: number; readonly except?: readonly string[]; readonly families?: readonly (4 | 6)[] } = {},
): NetworkPolicyPeer[] {
  return families.map((family) => ({
    ipBlock: {
      cidr: `${target}@${family}/${bits ?? hostBits(family)}`,
      ...(except.length === 0 ? {} : { except: except.map((name) => `${name}@${family}/${hostBits(family)}`) }),
    },
  }));
}
export const cidr = (text: string, ...except: string[]): NetworkPolicyPeer => ({
  ipBlock: { cidr: text, ...(except.length === 0 ? {} : { except }) },
});
const hostBits = (family: 4 | 6): number => (family === 4 ? 32 : 128);

export const tcp = (port?: number | string, endPort?: number): NetworkPolicyPort => entry("TCP", port, endPort);
export const udp = (port?: number | string, endPort?: number): NetworkPolicyPort => entry("UDP", port, endPort);
export const sctp = (port?: number | string, endPort?: number): NetworkPolicyPort => entry("SCTP", port, endPort);
const entry = (protocol: string, port: number | string | undefined, endPort: number | undefined): NetworkPolicyPort => ({
  protocol,
  ...(port === undefined ? {} : { port }),
  ...(endPort === undefined ? {} : { endPort }),
});

/** `x,y -> x/a` becomes a row per pair of what is named on either side. */
export function drop(ways: string, ...services: string[]): Row[] {
  return rows(ways, services, "drop");
}
export function ok(ways: string, ...services: string[]): Row[] {
  return rows(ways, services, "ok");
}
export function refused(ways: string, ...services: string[]): Row[] {
  return rows(ways, services, "refused");
}
export function some(ways: string, ...services: string[]): Row[] {
  return rows(ways, services, "some");
}
function rows(ways: string, services: readonly string[], verdict: Row[3]): Row[] {
  const [from = [], to = []] = ways.split("->").map((side) => side.split(",").map((name) => name.trim()));
  return (services.length === 0 ? ["80/tcp"] : services).flatMap((service) =>
    from.flatMap((source) => to.map((destination): Row => [source, destination, service, verdict])),
  );
}
