import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { networkPolicies } from "#lib/kube/kinds.ts";
import { create, refused } from "../testing/objects.ts";

describe("network policies", () => {
  it("store their directions, whatever was left out (A.2)", async () => {
    const cases: readonly [fields: object, types: readonly string[]][] = [
      [{}, ["Ingress"]],
      [{ egress: [] }, ["Ingress"]],
      [{ egress: [{}] }, ["Ingress", "Egress"]],
      [{ policyTypes: ["Egress"] }, ["Egress"]],
    ];
    for (const [index, [fields, types]] of cases.entries()) {
      const { spec } = await create(networkPolicies, `types-${index}`, { spec: { podSelector: null, ...fields } });
      assert.deepEqual(spec?.policyTypes, types);
      assert.deepEqual(spec?.podSelector, {});
    }
  });

  it("default protocols to TCP and keep absent and empty selectors apart (A.3, A.4)", async () => {
    const ingress = [{ from: [{ podSelector: {} }, { namespaceSelector: {} }], ports: [{}, { port: "http" }] }];
    const { spec } = await create(networkPolicies, "kept", { spec: { podSelector: {}, ingress } });
    assert.deepEqual(spec?.ingress, [
      { from: [{ podSelector: {} }, { namespaceSelector: {} }], ports: [{ protocol: "TCP" }, { protocol: "TCP", port: "http" }] },
    ]);
  });

  it("are refused with the path of every wrong field (A.4, A.5)", async () => {
    const spec = {
      podSelector: { matchExpressions: [{ key: "a", operator: "In" }] },
      policyTypes: ["Both"],
      ingress: [
        {
          from: [
            {},
            { podSelector: {}, ipBlock: { cidr: "10.0.0.0/8" } },
            { ipBlock: { cidr: "10.0.0.0/33" } },
            { ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/8", "fd00::/8"] } },
          ],
          ports: [
            { port: 0 },
            { port: "UPPER" },
            { port: 90, endPort: 80 },
            { endPort: 80 },
            { port: "http", endPort: 80 },
            { protocol: "ICMP" },
          ],
        },
      ],
    };
    assert.deepEqual(await refused(create(networkPolicies, "bad", { spec })), [
      "spec.podSelector.matchExpressions[0].values: Required value",
      "spec.ingress[0].ports[0].port: Invalid value",
      "spec.ingress[0].ports[1].port: Invalid value",
      "spec.ingress[0].ports[2].endPort: Invalid value",
      "spec.ingress[0].ports[3].endPort: Invalid value",
      "spec.ingress[0].ports[4].endPort: Invalid value",
      "spec.ingress[0].ports[5].protocol: Unsupported value",
      "spec.ingress[0].from[0]: Required value",
      "spec.ingress[0].from[1]: Forbidden",
      "spec.ingress[0].from[2].ipBlock.cidr: Invalid value",
      "spec.ingress[0].from[3].ipBlock.except[0]: Invalid value",
      "spec.ingress[0].from[3].ipBlock.except[1]: Invalid value",
      "spec.policyTypes[0]: Unsupported value",
    ]);
  });
});
