import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointKey, frontendKey } from "#core/services/index.ts";
import { type EndpointSlice, keyOf, type Service } from "#lib/kube/index.ts";
import { silentLogger, systemClock } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { followServices, sliceIndexes } from "./follow.ts";
import { staleConnections } from "./stale-connections.ts";

const service = (name: string, protocol = "TCP"): Service => ({
  metadata: { namespace: "shop", name },
  spec: { clusterIPs: ["10.96.0.1"], ports: [{ port: 80, protocol }] },
});
const slice = (name: string, of: string, addresses: readonly string[], protocol = "TCP"): EndpointSlice => ({
  metadata: { namespace: "shop", name, labels: { "kubernetes.io/service-name": of } },
  addressType: "IPv4",
  ports: [{ port: 8_080, protocol }],
  endpoints: addresses.map((address) => ({ addresses: [address] })),
});

function sources() {
  const services = createTable<Service>({ name: "services", key: keyOf });
  const slices = createTable<EndpointSlice>({ name: "slices", key: keyOf, indexes: sliceIndexes });
  const known = [services.initializer("test"), slices.initializer("test")];
  const served = followServices({ runtime: { clock: systemClock, logger: silentLogger }, services, slices, node: "n1" });
  const endpoints = (name: string): readonly string[] | undefined => served.get(`shop/${name}`)?.frontends[0]?.endpoints.map(endpointKey);
  const complete = (): void => {
    for (const done of known) done();
  };
  return { services, slices, served, endpoints, complete };
}
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("nothing is served before both sources have spoken, so that no client is refused for want of slices", async () => {
  const { services, slices, served, endpoints, complete } = sources();
  services.upsert(service("web"));
  await nextTurn();
  assert.deepEqual([served.size, served.synced], [0, false]);
  slices.upsert(slice("web-1", "web", ["10.0.0.1"]));
  complete();
  await served.whenSynced();
  assert.deepEqual(endpoints("web"), ["10.0.0.1:8080"]);
});

test("services and slices come, change and go in any order; a burst is one change", async () => {
  const { services, slices, served, endpoints, complete } = sources();
  complete();
  await served.whenSynced();
  let changes = 0;
  served.subscribe(() => changes++);
  slices.upsert(slice("web-1", "web", ["10.0.0.1"]));
  slices.upsert(slice("web-2", "web", ["10.0.0.2"]));
  services.upsert(service("web"));
  await nextTurn();
  assert.deepEqual([endpoints("web"), changes], [["10.0.0.1:8080", "10.0.0.2:8080"], 1]);
  slices.upsert(slice("web-2", "web", ["10.0.0.2"]));
  await nextTurn();
  assert.equal(changes, 1);
  // A slice may change hands.
  services.upsert(service("other"));
  slices.upsert(slice("web-2", "other", ["10.0.0.2"]));
  await nextTurn();
  assert.deepEqual([endpoints("web"), endpoints("other")], [["10.0.0.1:8080"], ["10.0.0.2:8080"]]);
  slices.delete("shop/web-1");
  await nextTurn();
  assert.deepEqual(endpoints("web"), []);
  services.delete("shop/web");
  await nextTurn();
  assert.equal(served.get("shop/web"), undefined);
});

test("UDP connections are stale when their endpoint has gone, or were made before there was a Service", async () => {
  const { services, slices, served, complete } = sources();
  complete();
  await served.whenSynced();
  const stale: string[] = [];
  served.subscribe(({ before, after }) => {
    for (const { frontend, responder } of staleConnections(before?.frontends ?? [], after?.frontends ?? []))
      stale.push(`${frontendKey({ ...frontend, protocol: "UDP" })} by ${endpointKey(responder)}`);
  });
  services.upsert(service("dns", "UDP"));
  slices.upsert(slice("dns-1", "dns", ["10.0.0.1", "10.0.0.2"], "UDP"));
  services.upsert(service("web"));
  slices.upsert(slice("web-1", "web", ["10.0.0.9"]));
  await nextTurn();
  assert.deepEqual(stale.splice(0), ["UDP 10.96.0.1:80 by 10.96.0.1:80"]);
  slices.upsert(slice("dns-1", "dns", ["10.0.0.2", "10.0.0.3"], "UDP"));
  slices.delete("shop/web-1");
  await nextTurn();
  assert.deepEqual(stale.splice(0), ["UDP 10.96.0.1:80 by 10.0.0.1:8080"]);
  services.delete("shop/dns");
  await nextTurn();
  assert.deepEqual(stale, ["UDP 10.96.0.1:80 by 10.0.0.2:8080", "UDP 10.96.0.1:80 by 10.0.0.3:8080"]);
});
