import assert from "node:assert/strict";
import { it } from "node:test";
import { bootstrapObjects, ensureObjects } from "#lib/apiserver/auth/bootstrap.ts";
import { openObjects } from "#lib/apiserver/objects.ts";
import { parseAddress } from "#lib/ip/address.ts";
import { parsePrefix } from "#lib/ip/prefix.ts";
import type { EndpointSlice, Service } from "#lib/kube/kinds.ts";
import { silentLogger } from "#lib/runtime/logger.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { apiServerService } from "./bootstrap.ts";
import type { Endpoints } from "./kinds/endpoints.ts";
import { kubernetesKinds } from "./kinds/index.ts";

it("gives the API server the first service address and its endpoints of that family, once", async () => {
  const serviceCidrs = [parsePrefix("10.96.0.0/16"), parsePrefix("fd00:10:96::/112")];
  const objects = openObjects({ runtime: { ...systemRuntime(), logger: silentLogger }, resources: kubernetesKinds({ serviceCidrs }) });
  const own = apiServerService({ serviceCidrs, addresses: ["172.30.0.1", "fd00:172:30::1"].map(parseAddress), port: 6443 });
  for (let start = 0; start < 2; start++) await ensureObjects(objects, [...bootstrapObjects, ...own]);
  const key = { namespace: "default", name: "kubernetes" };
  const service = objects.get({ group: "", resource: "services" }, key) as Service | undefined;
  assert.deepEqual(service?.spec?.clusterIPs, ["10.96.0.1"]);
  const slice = objects.get({ group: "discovery.k8s.io", resource: "endpointslices" }, key) as EndpointSlice | undefined;
  assert.deepEqual(
    slice?.endpoints?.map(({ addresses }) => addresses),
    [["172.30.0.1"]],
  );
  assert.deepEqual(slice?.ports, [{ name: "https", port: 6443, protocol: "TCP" }]);
  const endpoints = objects.get({ group: "", resource: "endpoints" }, key) as Endpoints | undefined;
  assert.deepEqual(endpoints?.subsets, [{ addresses: [{ ip: "172.30.0.1" }], ports: [{ name: "https", port: 6443, protocol: "TCP" }] }]);
});
