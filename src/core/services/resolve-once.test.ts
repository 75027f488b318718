import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import { endpointKey, resolveOnce } from "./index.ts";

const service = (spec: Partial<NonNullable<Service["spec"]>> = {}): Service => ({
  metadata: { namespace: "shop", name: "web" },
  spec: { clusterIPs: ["10.96.0.1"], ports: [{ port: 80 }], ...spec },
});
const slice = (...endpoints: readonly (readonly [address: string, nodeName: string])[]): EndpointSlice => ({
  metadata: { namespace: "shop", name: "web-1" },
  addressType: "IPv4",
  ports: [{ port: 8_080 }],
  endpoints: endpoints.map(([address, nodeName]) => ({ addresses: [address], nodeName })),
});

test("whoever is told the same objects gets the same list; another slice, or another node where nodes matter, makes another", () => {
  const web = service();
  const both = slice(["10.0.0.1", "n1"], ["10.0.0.2", "n2"]);
  const first = resolveOnce(web, [both], { node: "n1" });
  assert.equal(resolveOnce(web, [both], { node: "n2" }).frontends, first.frontends);
  assert.ok(Object.isFrozen(first.frontends));
  const one = resolveOnce(web, [slice(["10.0.0.1", "n1"])], { node: "n1" });
  assert.deepEqual(one.frontends[0]?.endpoints.map(endpointKey), ["10.0.0.1:8080"]);
  assert.deepEqual(resolveOnce(web, [both], { node: "n1", skip: ["shop/web"] }).frontends, []);

  const local = service({ internalTrafficPolicy: "Local" });
  const at = (node: string) => resolveOnce(local, [both], { node }).frontends[0]?.endpoints.map(endpointKey);
  assert.deepEqual([at("n1"), at("n2"), at("n1")], [["10.0.0.1:8080"], ["10.0.0.2:8080"], ["10.0.0.1:8080"]]);
});
