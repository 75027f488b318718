import assert from "node:assert/strict";
import { test } from "node:test";
import type { AntreaRule } from "#core/api/antrea/policy.ts";
import { generatedName } from "./rule-name.ts";

// The hashes were made by Go's own types and JSON writer from the same rules.
for (const [name, direction, rule] of [
  [
    "ingress-drop-5e0f41d",
    "ingress",
    {
      from: [
        {
          podSelector: { matchLabels: { tier: "a&b<c>", app: "web" } },
          namespaceSelector: { matchExpressions: [{ operator: "In", values: ["x", "y"], key: "env" }] },
        },
      ],
      action: "Drop",
    },
  ],
  [
    "egress-allow-b2d6247",
    "egress",
    {
      action: "Allow",
      enableLogging: true,
      logLabel: "front",
      appliedTo: [{ group: "g" }, { nodeSelector: {} }, { serviceAccount: { namespace: "n", name: "s" } }],
      ports: [
        { port: 80, protocol: "TCP" },
        { endPort: 90, port: 85 },
        { port: "http", sourcePort: 0, sourceEndPort: 5 },
      ],
      to: [
        { fqdn: "*.example.org" },
        { ipBlock: { except: ["10.0.0.0/24"], cidr: "10.0.0.0/8" } },
        { namespaces: { match: "Self" } },
        { scope: "Cluster", podSelector: {} },
      ],
    },
  ],
  [
    "ingress-reject-a76a106",
    "ingress",
    {
      action: "Reject",
      protocols: [{ icmp: {} }, { icmp: { icmpType: 8, icmpCode: 0 } }, { igmp: { groupAddress: "224.0.0.1", igmpType: 17 } }],
      from: [],
      l7Protocols: [{ http: { path: "/a", method: "GET", host: "h" } }, { tls: {} }],
      toServices: [{ scope: "Cluster", namespace: "n", name: "s" }],
    },
  ],
  ["egress-pass-87f5a3a", "egress", { action: "Pass" }],
  ["egress-pass-87f5a3a", "egress", { enableLogging: false, name: "", action: "Pass", to: [] }],
] as const satisfies readonly (readonly [string, "ingress" | "egress", AntreaRule])[])
  test(`a rule without a name is called ${name}, as by the Go implementation`, () => assert.equal(generatedName(direction, rule), name));
