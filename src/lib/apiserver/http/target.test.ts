import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { negotiate, parseAccept, prefersProtobuf } from "./negotiation.ts";
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
  const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const partial = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const protobuf = "application/vnd.kubernetes.protobuf";
  const cases: readonly [string | undefined, string, string][] = [
    // accepted, as a kind that is known in protobuf, as another
    [undefined, "json object", "json object"],
    [`${protobuf},application/json`, "protobuf object", "json object"],
    [`${protobuf}, */*`, "protobuf object", "json object"],
    [`${protobuf};stream=watch,application/json;stream=watch`, "protobuf object", "json object"],
    [`application/json,${protobuf}`, "json object", "json object"],
    [`application/json;q=0.9,${protobuf}`, "protobuf object", "json object"],
    [`${table},application/json`, "json table", "json table"],
    ["application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "json object", "json object"],
    [`application/json;q=0.5,application/json;${partial}`, "json partial", "json partial"],
    [`${protobuf};${partial},application/json;${partial}`, "protobuf partial", "protobuf partial"],
    [`${protobuf};as=Table;v=v1;g=meta.k8s.io,${table}`, "json table", "json table"],
    [protobuf, "protobuf object", "NotAcceptable"],
    ["text/html", "NotAcceptable", "NotAcceptable"],
  ];
  const tried = (accept: string | undefined, known: boolean): string => {
    try {
      const { form, encoding } = negotiate(accept, { protobuf: known });
      return `${encoding} ${form}`;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.deepEqual(
    cases.map(([accept]) => [accept, tried(accept, true), tried(accept, false)]),
    cases,
  );
  assert.throws(() => negotiate(table, { protobuf: true, table: false }), { code: "NotAcceptable" }, "a kind without rows");
});

test("answers that are one object come as protobuf only to those who want it first", () => {
  assert.equal(prefersProtobuf("application/vnd.kubernetes.protobuf, */*"), true);
  assert.equal(prefersProtobuf("application/json,application/vnd.kubernetes.protobuf"), false);
  assert.equal(prefersProtobuf("text/html,application/vnd.kubernetes.protobuf"), true);
  assert.equal(prefersProtobuf(undefined), false);
});
