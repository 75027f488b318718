import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import type { Condition, KubeObject } from "#lib/kube/types.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { asServer } from "../auth/bootstrap.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import { allVerbs, defineResource, type ResourceDefinition } from "../resource.ts";
import { call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { gadget, namespace } from "../testing/tiny-kinds.ts";
import { type ApiServices, createApiServices } from "./api-services.ts";
import type { Resolution } from "./service-address.ts";

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "backend-ca" });
const proxyAuthority = createAuthority(runtime, { commonName: "front-proxy-ca" });
const hosts = ["views.kube-system.svc"];
const backendPair = issueCertificate(runtime, authority, { commonName: "views", hosts, usages: ["server"] });
const proxy = issueCertificate(runtime, proxyAuthority, { commonName: "front-proxy-client", usages: ["client"] });

const apiService: ResourceDefinition = defineResource({
  group: "apiregistration.k8s.io",
  version: "v1",
  resource: "apiservices",
  singular: "apiservice",
  kind: "APIService",
  listKind: "APIServiceList",
  namespaced: false,
  verbs: allVerbs,
  subresources: { status: true },
  store: "durable",
});

let backend: Server;
let server: TestServer;
let services: ApiServices;
let resolution: Resolution = { reason: "MissingEndpoints", message: "none yet" };

before(async () => {
  backend = createServer(
    { cert: backendPair.certificate, key: backendPair.key, ca: proxyAuthority.certificate, requestCert: true },
    (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader("content-type", "application/json");
      const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
      if (request.url === "/apis/views.antrea.io/v1") {
        const resources = [{ name: "sights", singularName: "sight", namespaced: true, kind: "Sight", verbs: ["list"] }];
        response.end(JSON.stringify({ kind: "APIResourceList", groupVersion: "views.antrea.io/v1", resources }));
      } else if (request.url?.startsWith("/openapi")) response.writeHead(404).end();
      else {
        const { "x-remote-user": user, "x-remote-group": groups, authorization } = request.headers;
        response.writeHead(request.method === "POST" ? 201 : 200);
        response.end(JSON.stringify({ proxy: CN, user, groups, authorization, url: request.url, method: request.method }));
      }
    },
  );
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  server = await startTestServer({
    resources: [namespace, gadget, apiService],
    aggregator: (objects) => {
      services = createApiServices({ runtime, objects, proxy, resolve: () => resolution });
      return services;
    },
  });
  await services.start();
});
after(async () => {
  await server.stop();
  backend.closeAllConnections();
  backend.close();
});

const condition = async (name: string): Promise<Condition | undefined> => {
  const { body } = await call(server, { path: `/apis/apiregistration.k8s.io/v1/apiservices/${name}` });
  return (body.status?.conditions as unknown as readonly Condition[] | undefined)?.[0];
};
const until = async (name: string, wanted: (found: Condition | undefined) => boolean): Promise<Condition | undefined> => {
  for (;;) {
    const found = await condition(name);
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test("the server's own groups are registered as local", async () => {
  assert.equal((await condition("v1.test.antrea.io"))?.reason, "Local");
  assert.equal((await condition("v1."))?.reason, "Local");
});

test("an APIService becomes available when its server answers; until then its requests are refused as unavailable", async () => {
  const spec = {
    group: "views.antrea.io",
    version: "v1",
    service: { namespace: "kube-system", name: "views" },
    caBundle: Buffer.from(authority.certificate).toString("base64"),
    groupPriorityMinimum: 100,
    versionPriority: 100,
  };
  await server.objects.create(apiService, { metadata: { name: "v1.views.antrea.io" }, spec } as KubeObject, asServer());
  const missing = await until("v1.views.antrea.io", (found) => found !== undefined);
  assert.deepEqual([missing?.status, missing?.reason, missing?.message], ["False", "MissingEndpoints", "none yet"]);
  const refused = await call(server, { path: "/apis/views.antrea.io/v1/sights" });
  assert.deepEqual([refused.code, refused.body.reason], [503, "ServiceUnavailable"]);

  resolution = { addresses: [{ host: "127.0.0.1", port: (backend.address() as AddressInfo).port }] };
  const available = await until("v1.views.antrea.io", (found) => found?.status === "True");
  assert.equal(available?.reason, "Passed");
});

test("requests reach it with the user's name in place of the user's credentials, whatever headers the user sends", async () => {
  const path = "/apis/views.antrea.io/v1/namespaces/default/sights?watch=1";
  const { body } = await call(server, { path, headers: { "x-remote-user": "root", "x-remote-group": "system:masters" } });
  assert.deepEqual(body as unknown, {
    proxy: "front-proxy-client",
    user: "admin",
    groups: "system:masters, system:authenticated",
    url: path,
    method: "GET",
  });
  const posted = await call(server, { method: "POST", path: "/apis/views.antrea.io/v1/sights", body: { a: 1 } });
  assert.deepEqual([posted.code, posted.body.method], [201, "POST"]);
});

test("its group is part of discovery, in both forms", async () => {
  const { body } = await call(server, { path: "/apis" });
  assert.ok((body.groups as unknown as { name: string }[]).some(({ name }) => name === "views.antrea.io"));
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const { body: all } = await call(server, { path: "/apis", headers: { accept } });
  const groups = all.items as unknown as {
    metadata: { name: string };
    versions: { freshness: string; resources: { resource: string }[] }[];
  }[];
  const [version] = groups.find(({ metadata }) => metadata.name === "views.antrea.io")?.versions ?? [];
  assert.deepEqual([version?.freshness, version?.resources.map(({ resource }) => resource)], ["Current", ["sights"]]);
  const { body: list } = await call(server, { path: "/apis/views.antrea.io/v1" });
  assert.equal(list.kind, "APIResourceList");
});

test("a server with a certificate for another name is not believed", async () => {
  const object = await call(server, { path: "/apis/apiregistration.k8s.io/v1/apiservices/v1.views.antrea.io" });
  const service = { namespace: "kube-system", name: "impostor" };
  const body = { ...object.body, spec: { ...object.body.spec, service } };
  await call(server, { method: "PUT", path: "/apis/apiregistration.k8s.io/v1/apiservices/v1.views.antrea.io", body });
  const failed = await until("v1.views.antrea.io", (found) => found?.status === "False");
  assert.equal(failed?.reason, "FailedDiscoveryCheck");
  assert.match(failed?.message ?? "", /altnames/);
});

test("without its APIService the group is gone", async () => {
  await call(server, { method: "DELETE", path: "/apis/apiregistration.k8s.io/v1/apiservices/v1.views.antrea.io" });
  assert.equal((await call(server, { path: "/apis/views.antrea.io/v1/sights" })).code, 404);
});
