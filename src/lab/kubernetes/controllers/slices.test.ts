import assert from "node:assert/strict";
import { it } from "node:test";
import { parsePrefix } from "#lib/ip/prefix.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import type { FullService } from "../kinds/service/types.ts";
import { slicesFor } from "./endpoint-slice.ts";
import { freeBlock } from "./node-cidrs.ts";

const pod = (
  index: number,
  options: { readonly ready?: boolean; readonly deleted?: boolean; readonly phase?: string; readonly http?: number } = {},
): FullPod => ({
  metadata: {
    name: `web-${String(index).padStart(3, "0")}`,
    namespace: "shop",
    uid: `uid-${index}`,
    labels: { app: "web" },
    ...(options.deleted ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
  },
  spec: { nodeName: "node-1", containers: [{ name: "main", ports: [{ name: "http", containerPort: options.http ?? 8080 }] }] },
  status: {
    phase: options.phase ?? "Running",
    podIPs: [{ ip: `10.10.0.${index}` }, { ip: `fd00::${index}` }],
    conditions: [{ type: "Ready", status: options.ready === false ? "False" : "True" }],
  },
});

const service = (spec: FullService["spec"] = {}): FullService => ({
  metadata: { name: "web", namespace: "shop", uid: "uid" },
  spec: { ipFamilies: ["IPv4"], selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }], ...spec },
});

it("says of each pod whether it takes traffic", () => {
  const [slice] = slicesFor(service(), [pod(1), pod(2, { ready: false }), pod(3, { deleted: true }), pod(4, { phase: "Failed" })]);
  assert.deepEqual(
    slice?.endpoints?.map(({ addresses, conditions }) => [addresses[0], conditions?.ready, conditions?.serving, conditions?.terminating]),
    [
      ["10.10.0.1", true, true, false],
      ["10.10.0.2", false, false, false],
      ["10.10.0.3", false, true, true],
    ],
  );
  const [published] = slicesFor(service({ publishNotReadyAddresses: true }), [pod(2, { ready: false }), pod(3, { deleted: true })]);
  assert.deepEqual(
    published?.endpoints?.map(({ conditions }) => conditions?.ready),
    [true, true],
  );
});

it("gives a pod the host name that it asks for, below the Service of its subdomain alone", () => {
  const named = (subdomain: string): FullPod => ({ ...pod(1), spec: { ...pod(1).spec, hostname: "first", subdomain } });
  const [slice] = slicesFor(service(), [named("web"), { ...named("other"), metadata: { ...pod(2).metadata } }]);
  assert.deepEqual(
    slice?.endpoints?.map(({ hostname }) => hostname),
    ["first", undefined],
  );
});

it("splits by family, by what named ports resolve to, and by size", () => {
  const both = slicesFor(service({ ipFamilies: ["IPv4", "IPv6"] }), [pod(1), pod(2, { http: 9090 })]);
  assert.deepEqual(
    both.map(({ addressType, ports, endpoints }) => [addressType, ports?.[0]?.port, endpoints?.[0]?.addresses[0]]),
    [
      ["IPv4", 8080, "10.10.0.1"],
      ["IPv4", 9090, "10.10.0.2"],
      ["IPv6", 8080, "fd00::1"],
      ["IPv6", 9090, "fd00::2"],
    ],
  );
  const many = slicesFor(
    service(),
    Array.from({ length: 150 }, (_, index) => pod(index + 1)),
  );
  assert.deepEqual(
    many.map(({ endpoints }) => endpoints?.length),
    [100, 50],
  );
  assert.equal(new Set([...both, ...many].map(({ metadata }) => metadata.name)).size, 5);
});

it("leaves services without a selector to others", () => {
  assert.deepEqual(slicesFor(service({ selector: {} }), [pod(1)]), []);
  assert.deepEqual(slicesFor(service({ type: "ExternalName" }), [pod(1)]), []);
  assert.deepEqual(
    slicesFor(service(), []).map(({ endpoints }) => endpoints),
    [[]],
  );
});

it("gives nodes the first free block, until none is left", () => {
  const cidr = parsePrefix("10.10.0.0/23");
  assert.equal(freeBlock(cidr, new Set()).toString(), "10.10.0.0/24");
  assert.equal(freeBlock(cidr, new Set(["10.10.0.0/24", "fd00::/64"])).toString(), "10.10.1.0/24");
  assert.throws(() => freeBlock(cidr, new Set(["10.10.0.0/24", "10.10.1.0/24"])), { code: "POD_CIDRS_EXHAUSTED" });
});
