import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { negotiateForm, parseAccept } from "./negotiation.ts";
import { parseTarget } from "./target.ts";

test("paths say group, version, kind, namespace, name and subresource; methods say the verb", () => {
  const cases: readonly [string, string, string][] = [
    ["GET", "/api/v1/pods", "list |v1|||pods||"],
    ["GET", "/api/v1/pods?watch=true", "watch |v1|||pods||"],
    ["GET", "/api/v1/namespaces/shop/pods/web", "get |v1|shop||pods|web|"],
    ["POST", "/api/v1/namespaces/shop/pods/web/exec?command=ls", "create |v1|shop||pods|web|exec"],
    ["GET", "/api/v1/namespaces/shop/pods/web/proxy/a/b", "get |v1|shop|a/b|pods|web|proxy"],
    ["GET", "/api/v1/namespaces/shop", "get |v1|shop||namespaces|shop|"],
    ["PUT", "/api/v1/namespaces/shop/finalize", "update |v1|shop||namespaces|shop|finalize"],
    ["PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", "patch apps|v1|shop||deployments|web|scale"],
    ["DELETE", "/apis/apps/v1/namespaces/shop/deployments", "deletecollection apps|v1|shop||deployments||"],
    [
      "DELETE",
      "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
      "delete rbac.authorization.k8s.io|v1|||clusterroles|system:node|",
    ],
  ];
  for (const [method, url, expected] of cases) {
    const target = parseTarget(method, url);
    assert.ok(target?.kind === "resource", url);
    const { verb, group, version, namespace, rest, resource, name, subresource } = target;
    assert.equal(`${verb} ${[group, version, namespace, rest, resource, name, subresource].join("|")}`, expected);
  }
  for (const path of ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v2"])
    assert.equal(parseTarget("GET", path)?.kind, "path", path);
});

test("any URL and any Accept header is read or refused, never worse", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (url, accept) => {
      parseTarget("GET", `/${url}`);
      parseAccept(accept);
    }),
  );
});

test("the first form that is served wins, by quality", () => {
  assert.equal(negotiateForm(undefined), "object");
  assert.equal(negotiateForm("application/vnd.kubernetes.protobuf,application/json"), "object");
  assert.equal(negotiateForm("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), "table");
  assert.equal(negotiateForm("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"), "object");
  assert.equal(negotiateForm("application/json;q=0.5,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"), "partial");
  assert.throws(() => negotiateForm("application/vnd.kubernetes.protobuf"), { code: "NotAcceptable" });
});
