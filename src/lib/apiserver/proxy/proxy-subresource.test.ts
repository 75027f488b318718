import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { KubeObject } from "#lib/kube/types.ts";
import { asServer } from "../auth/bootstrap.ts";
import { allVerbs, defineResource, type ResourceDefinition, withSubresources } from "../resource.ts";
import { call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { namespace } from "../testing/tiny-kinds.ts";
import { proxySubresources } from "./proxy-subresource.ts";

const kindOf = (resource: string, kind: string, group = ""): ResourceDefinition =>
  defineResource({
    ...{ group, version: "v1", resource, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
    ...{ namespaced: true, verbs: allVerbs, store: "durable" as const },
  });
const [pods, services] = [kindOf("pods", "Pod"), kindOf("services", "Service")];
const slices = kindOf("endpointslices", "EndpointSlice", "discovery.k8s.io");

let pod: Server;
let server: TestServer;

before(async () => {
  pod = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.once("end", () => {
      const { authorization = "none", "x-asked": asked = "none" } = request.headers;
      response.writeHead(202).end(`${request.method} ${request.url} ${body} ${asked} ${authorization}`);
    });
  });
  pod.listen(0, "127.0.0.1");
  await once(pod, "listening");
  const { port } = pod.address() as AddressInfo;
  const proxies = proxySubresources((host) => host === "127.0.0.1");
  const resources = [
    namespace,
    withSubresources(pods, { proxy: proxies.pods }),
    withSubresources(services, { proxy: proxies.services }),
    slices,
  ];
  server = await startTestServer({ resources });
  const make = (definition: ResourceDefinition, name: string, fields: object): unknown =>
    server.objects.create(definition, { metadata: { name, namespace: "default" }, ...fields } as KubeObject, asServer());
  const spec = { containers: [{ ports: [{ name: "web", containerPort: port }] }] };
  await make(pods, "web", { spec, status: { podIP: "127.0.0.1" } });
  await make(pods, "odd", { spec, status: { podIP: "127.0.0.2" } });
  await make(pods, "new", { spec });
  await make(services, "shop", { spec: { ports: [{ name: "http", port: 80 }] } });
  await make(services, "empty", { spec: { ports: [{ port: 80 }] } });
  const metadata = { name: "shop-1", namespace: "default", labels: { "kubernetes.io/service-name": "shop" } };
  await make(slices, "shop-1", { metadata, endpoints: [{ addresses: ["127.0.0.1"] }], ports: [{ name: "http", port }] });
});
after(async () => {
  await server.stop();
  pod.close();
});

const ask = (path: string, method = "GET", body?: object) =>
  call(server, { path: `/api/v1/namespaces/default/${path}`, method, ...(body === undefined ? {} : { body }) });

test("a pod is asked under its first port, or the one that is named, with the path as it was", async () => {
  assert.deepEqual(
    [(await ask("pods/web/proxy/a%2Fb/?q=1")).code, (await ask("pods/web/proxy/a%2Fb/?q=1")).text],
    [202, "GET /a%2Fb/?q=1  none none"],
  );
  assert.match((await ask("pods/http:web:web/proxy")).text, /^GET \/ /);
  assert.match((await ask("pods/web/proxy/x", "POST", { a: 1 })).text, /^POST \/x \{"a":1\} none none$/);
});

test("a Service is asked at one of its ready endpoints", async () => {
  for (const name of ["shop", "shop:http", "shop:80", "http:shop:80"])
    assert.match((await ask(`services/${name}/proxy/y`)).text, /^GET \/y /, name);
});

test("what can't be asked is told in a Status", async () => {
  for (const [path, code, message] of [
    ["pods/gone/proxy", 404, /not found/],
    ["pods/new/proxy", 503, /no address yet/],
    ["pods/odd/proxy", 400, /is not a pod's/],
    ["pods/web:0/proxy", 400, /not from 1 to 65535/],
    ["pods/web:1/proxy", 503, /error trying to reach/],
    ["pods/a:b:c:d/proxy", 400, /invalid proxy target/],
    ["services/empty/proxy", 503, /no endpoints available/],
    ["services/shop:9/proxy", 503, /no port/],
  ] as const) {
    const { code: answered, body } = await ask(path);
    assert.deepEqual([answered, body.kind], [code, "Status"], path);
    assert.match(String(body.message), message);
  }
});
