import { int32, list, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { intOrString, labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type NetworkPolicy, networkPolicies } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";
import { checkNetworkPolicy } from "./network-policy-rules.ts";
import { selectorText } from "./selector-text.ts";

const networking = "io.k8s.api.networking.v1";

const port = part(`${networking}.NetworkPolicyPort`, "A destination port. All fields absent: every TCP port.", {
  protocol: string("TCP, UDP or SCTP.", { default: "TCP" }),
  port: use(intOrString, "Number, or name of a port of the destination pod. Absent: every port."),
  endPort: int32("Last port of a range that starts at port."),
});

const ipBlock = part(
  `${networking}.IPBlock`,
  "A block of addresses.",
  { cidr: string("The block: 10.0.0.0/8 or fd00::/64."), except: list(string("A block."), "Blocks within cidr that are left out.") },
  ["cidr"],
);

const peer = part(
  `${networking}.NetworkPolicyPeer`,
  "Pods or addresses at the other end. Absent selectors and empty ones differ: {} selects all.",
  {
    podSelector: use(labelSelector, "Pods, of the policy's namespace or of the namespaces selected beside it."),
    namespaceSelector: use(labelSelector, "Namespaces whose pods are meant."),
    ipBlock: use(ipBlock, "Addresses. Not together with selectors."),
  },
);

const ports = list(port, "Ports; absent or empty: every port of every protocol.");

export const networkPolicyDefinition = kind<NetworkPolicy>({
  resource: networkPolicies,
  package: networking,
  description: "What traffic pods may have. A pod that a policy selects is isolated: only what some policy allows passes.",
  fields: {
    spec: part(`${networking}.NetworkPolicySpec`, "The policy.", {
      podSelector: use(labelSelector, "Pods of the namespace that the policy is for; empty: all of them.", { default: {} }),
      policyTypes: list(string("Ingress or Egress."), "Directions that the policy isolates."),
      ingress: list(
        part(`${networking}.NetworkPolicyIngressRule`, "Allows what matches both from and ports.", {
          from: list(peer, "Sources; absent or empty: any."),
          ports,
        }),
        "What may come in.",
      ),
      egress: list(
        part(`${networking}.NetworkPolicyEgressRule`, "Allows what matches both to and ports.", {
          to: list(peer, "Destinations; absent or empty: any."),
          ports,
        }),
        "What may go out.",
      ),
    }),
  },
  shortNames: ["netpol"],
  generation: true,
  columns: [
    nameColumn,
    {
      name: "Pod-Selector",
      type: "string",
      description: "Pods that the policy is for.",
      value: ({ spec }) => selectorText(spec?.podSelector ?? {}),
    },
    ageColumn,
  ],
  defaults(policy) {
    policy.spec ??= {};
    const { spec } = policy;
    spec.podSelector ??= {};
    if ((spec.policyTypes ?? []).length === 0) spec.policyTypes = (spec.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const one of rule.ports ?? []) one.protocol ??= "TCP";
  },
  validate: checkNetworkPolicy,
});
