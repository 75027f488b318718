import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EndpointSlice, Service, SliceEndpoint } from "#lib/kube/index.ts";
import { endpointKey, endpointLimit, frontendKey, resolveService, type ServiceChoice } from "./index.ts";

const service = (spec: NonNullable<Service["spec"]>, labels: Readonly<Record<string, string>> = {}): Service => ({
  metadata: { namespace: "shop", name: "web", labels },
  spec: { clusterIPs: ["10.96.0.1", "fd00:96::1"], ports: [{ name: "http", port: 80 }], ...spec },
});

type Entry = SliceEndpoint;
const slice = (endpoints: readonly Entry[], parts: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { namespace: "shop", name: "web-1" },
  addressType: "IPv4",
  ports: [{ name: "http", port: 8_080 }],
  endpoints,
  ...parts,
});
const at = (address: string, conditions?: Entry["conditions"], nodeName = "n1"): Entry => ({
  addresses: [address],
  nodeName,
  ...(conditions === undefined ? {} : { conditions }),
});

const resolved = (given: Service, slices: readonly EndpointSlice[]): Record<string, string[]> =>
  Object.fromEntries(
    resolveService(given, slices, { node: "n1" }).frontends.map((frontend) => [frontendKey(frontend), frontend.endpoints.map(endpointKey)]),
  );

test("every address and port of a Service gets the endpoints of its family under the port's name and protocol", () => {
  const spec = {
    ports: [
      { name: "http", port: 80 },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  };
  const slices = [
    slice([at("10.0.0.2"), at("10.0.0.1")], {
      ports: [
        { name: "http", port: 8_080 },
        { name: "dns", port: 5_353, protocol: "UDP" },
      ],
    }),
    // The same name with another protocol is another port.
    slice([at("10.0.0.9")], { ports: [{ name: "http", port: 8_080, protocol: "UDP" }] }),
    slice([at("fd00::1")], { addressType: "IPv6" }),
    slice([at("web.example")], { addressType: "FQDN" }),
  ];
  assert.deepEqual(resolved(service(spec), slices), {
    "TCP 10.96.0.1:80": ["10.0.0.1:8080", "10.0.0.2:8080"],
    "UDP 10.96.0.1:53": ["10.0.0.1:5353", "10.0.0.2:5353"],
    "TCP [fd00:96::1]:80": ["[fd00::1]:8080"],
    "UDP [fd00:96::1]:53": [],
  });
});

test("ready endpoints serve; without any, those that serve while they end", () => {
  const given = service({ clusterIPs: ["10.96.0.1"] });
  const ending = { ready: false, serving: true, terminating: true };
  const chosen = (...endpoints: readonly Entry[]): string[] | undefined => resolved(given, [slice(endpoints)])["TCP 10.96.0.1:80"];
  assert.deepEqual(chosen(at("10.0.0.1", {}), at("10.0.0.2", ending), at("10.0.0.3", { ready: false })), ["10.0.0.1:8080"]);
  assert.deepEqual(chosen(at("10.0.0.2", ending), at("10.0.0.3", { ready: false, serving: false, terminating: true })), ["10.0.0.2:8080"]);
  assert.deepEqual(chosen(at("10.0.0.3", { ready: false })), []);
  const moving = [slice([at("10.0.0.1", { ready: false })]), slice([at("10.0.0.1", { ready: true })])];
  assert.deepEqual(resolved(given, moving), { "TCP 10.96.0.1:80": ["10.0.0.1:8080"] });
});

test("traffic that stays on the node has the node's endpoints, and no answer when others have some", () => {
  const given = service({ clusterIPs: ["10.96.0.1"], internalTrafficPolicy: "Local" });
  const local = (slices: readonly EndpointSlice[]) => resolveService(given, slices, { node: "n1" }).frontends[0];
  assert.deepEqual(local([slice([at("10.0.0.1", {}, "n1"), at("10.0.0.2", {}, "n2")])])?.endpoints.map(endpointKey), ["10.0.0.1:8080"]);
  assert.equal(local([slice([at("10.0.0.2", {}, "n2")])])?.whenEmpty, "drop");
  assert.equal(local([slice([])])?.whenEmpty, "reject");
});

test("affinity lasts as long as the Service says", () => {
  const seconds = (spec: NonNullable<Service["spec"]>) => resolveService(service(spec), [], { node: "n1" }).frontends[0]?.affinitySeconds;
  assert.equal(seconds({ sessionAffinity: "None" }), undefined);
  assert.equal(seconds({ sessionAffinity: "ClientIP" }), 10_800);
  assert.equal(seconds({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }), 60);
});

test("Services without an address of their own, and those of another proxy, have no frontend", () => {
  for (const given of [
    service({ clusterIPs: ["None"] }),
    service({ type: "ExternalName" }),
    service({}, { "service.kubernetes.io/service-proxy-name": "other" }),
    { metadata: { namespace: "shop", name: "web" } },
  ])
    assert.deepEqual(resolveService(given, [slice([at("10.0.0.1")])], { node: "n1" }).frontends, []);
});

test("the configuration chooses Services by proxy name and leaves others alone", () => {
  const served = (given: Service, choice: Partial<ServiceChoice>) =>
    resolveService(given, [], { node: "n1", ...choice }).frontends.length > 0;
  const named = service({}, { "service.kubernetes.io/service-proxy-name": "antrea" });
  assert.deepEqual([served(named, { proxyName: "antrea" }), served(named, { proxyName: "other" })], [true, false]);
  assert.deepEqual([served(service({}), { proxyName: "antrea" }), served(service({}), { proxyName: "" })], [false, true]);
  for (const skipped of ["shop/web", "10.96.0.1", "fd00:96::1"]) assert.equal(served(service({}), { skip: [skipped] }), false);
  assert.equal(served(service({}), { skip: ["shop/other"] }), true);
});

test("what is not served as it asks is told", () => {
  const many = Array.from({ length: endpointLimit + 1 }, (_, index) => at(`10.0.${index >> 8}.${index & 255}`));
  const { frontends, problems } = resolveService(service({ type: "NodePort", clusterIPs: ["10.96.0.1"] }), [slice(many)], { node: "n1" });
  assert.equal(frontends[0]?.endpoints.length, endpointLimit);
  assert.deepEqual(problems, ["type NodePort: only its ClusterIPs are served", "port http has 801 endpoints; the first 800 are used"]);
});

test("whatever an object holds, each frontend has distinct endpoints of its own family", () => {
  const address = fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1", "", "nonsense");
  const port = fc.record({
    name: fc.constantFrom("http", "", "x"),
    port: fc.constantFrom(0, 80, 8_080, 65_536, 1.5, -1),
    protocol: fc.constantFrom("TCP", "UDP", "SCTP", "ICMP"),
  });
  const entry = fc.record({ addresses: fc.array(address, { maxLength: 2 }), conditions: fc.record({ ready: fc.boolean() }) });
  const slices = fc.array(
    fc.record({
      metadata: fc.constant({ name: "s" }),
      addressType: fc.constantFrom("IPv4" as const, "IPv6" as const, "FQDN" as const),
      endpoints: fc.array(entry, { maxLength: 4 }),
      ports: fc.array(port, { maxLength: 3 }),
    }),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(fc.array(address, { maxLength: 3 }), fc.array(port, { maxLength: 3 }), slices, (clusterIPs, ports, given) => {
      for (const frontend of resolveService(service({ clusterIPs, ports }), given, { node: "n1" }).frontends) {
        const keys = frontend.endpoints.map(endpointKey);
        assert.equal(new Set(keys).size, keys.length);
        for (const endpoint of frontend.endpoints) {
          assert.equal(endpoint.address.family, frontend.address.family);
          assert.ok(Number.isInteger(endpoint.port) && endpoint.port > 0 && endpoint.port < 65_536);
        }
      }
    }),
  );
});
