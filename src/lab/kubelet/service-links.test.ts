import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, type Service } from "#lib/kube/index.ts";
import { createTable } from "#lib/table/table.ts";
import { serviceLinks } from "./service-links.ts";

const services = createTable<Service>({ name: "services", key: keyOf });
const service = (namespace: string, name: string, spec: NonNullable<Service["spec"]>): boolean =>
  services.upsert({ metadata: { name, namespace }, spec });
service("default", "kubernetes", { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443 }] });
service("shop", "web-ui", {
  clusterIP: "fd00::80",
  ports: [
    { name: "http", port: 80 },
    { port: 53, protocol: "UDP" },
  ],
});
service("shop", "headless", { clusterIP: "None", ports: [{ port: 80 }] });
service("shop", "away", { type: "ExternalName", externalName: "example.test" });
service("other", "db", { clusterIP: "10.96.0.9", ports: [{ port: 1 }] });

const pod = (spec: { readonly enableServiceLinks?: boolean } = {}) => ({
  metadata: { name: "client", namespace: "shop", uid: "u" },
  spec: { containers: [], ...spec },
});

test("a pod is told of the API server and of its namespace's Services that have an address", () => {
  const links = Object.fromEntries(serviceLinks(pod(), services));
  assert.equal(links.KUBERNETES_SERVICE_HOST, "10.96.0.1");
  assert.equal(links.KUBERNETES_SERVICE_PORT_HTTPS, "443");
  const own = Object.entries(links).filter(([name]) => !name.startsWith("KUBERNETES_"));
  assert.deepEqual(own, [
    ["WEB_UI_SERVICE_HOST", "fd00::80"],
    ["WEB_UI_SERVICE_PORT", "80"],
    ["WEB_UI_SERVICE_PORT_HTTP", "80"],
    ["WEB_UI_PORT", "tcp://[fd00::80]:80"],
    ["WEB_UI_PORT_80_TCP", "tcp://[fd00::80]:80"],
    ["WEB_UI_PORT_80_TCP_PROTO", "tcp"],
    ["WEB_UI_PORT_80_TCP_PORT", "80"],
    ["WEB_UI_PORT_80_TCP_ADDR", "fd00::80"],
    ["WEB_UI_PORT_53_UDP", "udp://[fd00::80]:53"],
    ["WEB_UI_PORT_53_UDP_PROTO", "udp"],
    ["WEB_UI_PORT_53_UDP_PORT", "53"],
    ["WEB_UI_PORT_53_UDP_ADDR", "fd00::80"],
  ]);
});

test("one that wants no links is told of the API server alone", () => {
  const names = [...serviceLinks(pod({ enableServiceLinks: false }), services).keys()];
  assert.ok(names.length > 0 && names.every((name) => name.startsWith("KUBERNETES_")), names.join());
});
