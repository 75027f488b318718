// What the definitions of kubernetes-sigs/network-policy-api take and refuse.

/** A spec that a definition takes, or refuses and says why. */
export interface Judged {
  readonly what: string;
  readonly spec: object;
  /** Absent: it must be taken. */
  readonly refused?: RegExp;
}

const subject = { namespaces: {} };
const policy = (rest: object): object => ({ tier: "Admin", priority: 10, subject, ...rest });
const egress = (rule: object): object => policy({ egress: [{ action: "Accept", ...rule }] });
const anp = (rest: object): object => ({ priority: 10, subject, ...rest });

/** By the file that the definition is published in. */
export const judgedNetworkPolicies: Readonly<
  Record<string, { readonly path: string; readonly kind: string; readonly cases: readonly Judged[] }>
> = {
  "clusternetworkpolicies.experimental.yaml": {
    path: "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
    kind: "ClusterNetworkPolicy",
    cases: [
      { what: "no rules", spec: policy({}) },
      { what: "blocks of both families", spec: egress({ to: [{ networks: ["10.0.0.0/8", "fd00::/8"] }] }) },
      {
        what: "a range",
        spec: egress({
          to: [{ pods: { podSelector: {}, namespaceSelector: {} } }],
          protocols: [{ tcp: { destinationPort: { range: { start: 1, end: 9 } } } }],
        }),
      },
      {
        what: "another tier",
        spec: policy({ tier: "Middle" }),
        refused: /spec\.tier: Unsupported value: "Middle": supported values: "Admin", "Baseline"/,
      },
      { what: "a priority too high", spec: policy({ priority: 1_001 }), refused: /spec\.priority/ },
      {
        what: "text that is no block",
        spec: egress({ to: [{ networks: ["10.0.0.0"] }] }),
        refused: /networks\[0\]: Invalid value: "string": Invalid CIDR format provided/,
      },
      {
        what: "a block twice",
        spec: egress({ to: [{ networks: ["10.0.0.0/8", "10.0.0.0/8"] }] }),
        refused: /networks\[1\]: Duplicate value/,
      },
      {
        what: "two kinds of peer",
        spec: egress({ to: [{ networks: ["10.0.0.0/8"], domainNames: ["example.org"] }] }),
        refused: /spec\.egress\[0\]\.to\[0\]/,
      },
      {
        what: "a range backwards",
        spec: egress({ to: [{ networks: ["10.0.0.0/8"] }], protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 1 } } } }] }),
        refused: /range: Invalid value: "object": Start port must be less than End port/,
      },
      {
        what: "a named port of a block",
        spec: egress({ to: [{ networks: ["10.0.0.0/8"] }], protocols: [{ destinationNamedPort: "web" }] }),
        refused: /spec\.egress\[0\]: Invalid value: "object": networks\/nodes\/domainNames peer cannot be set with namedPorts/,
      },
      { what: "an action too many", spec: egress({ action: "Maybe" }), refused: /action: Unsupported value/ },
      { what: "no peers", spec: egress({ to: [] }), refused: /spec\.egress\[0\]\.to/ },
    ],
  },
  "adminnetworkpolicies.experimental.yaml": {
    path: "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies",
    kind: "AdminNetworkPolicy",
    cases: [
      { what: "no rules", spec: anp({}) },
      {
        what: "a named port of pods",
        spec: anp({ egress: [{ action: "Allow", to: [{ namespaces: {} }], ports: [{ namedPort: "web" }] }] }),
      },
      {
        what: "a named port of nodes",
        spec: anp({ egress: [{ action: "Allow", to: [{ nodes: {} }], ports: [{ namedPort: "web" }] }] }),
        refused: /cannot be set with namedPorts/,
      },
      { what: "no subject", spec: { priority: 1 }, refused: /spec\.subject: Required value/ },
    ],
  },
  "baselineadminnetworkpolicies.experimental.yaml": {
    path: "/apis/policy.networking.k8s.io/v1alpha1/baselineadminnetworkpolicies",
    kind: "BaselineAdminNetworkPolicy",
    cases: [
      {
        what: "any name but default",
        spec: { subject },
        refused: /Only one baseline admin network policy with metadata\.name="default" can be created/,
      },
    ],
  },
  "clusternetworkpolicies.standard.yaml": {
    path: "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
    kind: "ClusterNetworkPolicy",
    cases: [
      {
        what: "what only the experimental channel knows",
        spec: egress({ to: [{ domainNames: ["example.org"] }] }),
        refused: /spec\.egress\[0\]\.to\[0\]/,
      },
    ],
  },
};
