import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { KubeObject } from "#lib/kube/types.ts";
import { minutes } from "#lib/runtime/duration.ts";
import { seededRandom } from "#lib/runtime/random.ts";
import { virtualClock } from "#lib/runtime/clock.ts";
import { allVerbs, defineResource, type ResourceDefinition, withSubresources } from "../resource.ts";
import { call } from "../testing/http.ts";
import { startTestServer, testClient, type TestServer } from "../testing/test-server.ts";
import { gadget, namespace, note } from "../testing/tiny-kinds.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Authorizer } from "./authorizer.ts";
import { asServer, bootstrapObjects, ensureObjects } from "./bootstrap.ts";
import { createTokenSigner } from "./json-web-token.ts";
import { openIdConfigurationPath, openIdDocuments } from "./openid-documents.ts";
import { rbacAuthorizer } from "./rbac.ts";
import { reviewResources } from "./reviews.ts";
import { serviceAccountTokens } from "./service-account-tokens.ts";
import { refuseUnknownTokens, staticTokenAuthenticator } from "./static-tokens.ts";

const kind = (group: string, name: string, namespaced: boolean): ResourceDefinition =>
  defineResource({
    group,
    version: "v1",
    resource: `${name.toLowerCase()}s`,
    singular: name.toLowerCase(),
    kind: name,
    listKind: `${name}List`,
    namespaced,
    verbs: allVerbs,
    nameRule: "path-segment",
    store: "durable",
  });
const rbacGroup = "rbac.authorization.k8s.io";
const rbacKinds = [
  kind(rbacGroup, "Role", true),
  kind(rbacGroup, "RoleBinding", true),
  kind(rbacGroup, "ClusterRole", false),
  kind(rbacGroup, "ClusterRoleBinding", false),
];
const accounts = kind("", "ServiceAccount", true);
const pods = kind("", "Pod", true);

const clock = virtualClock({ epoch: Date.now() });
const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const tokens = serviceAccountTokens({ key, issuer: "https://issuer", clock, random: seededRandom(1) });
const authenticators: Authenticator[] = [];
let authorizer: Authorizer;
let server: TestServer;
const jane = testClient("jane", ["devs"]);

before(async () => {
  const reviews = reviewResources({ authenticators: () => authenticators, authorizer: () => authorizer });
  const withTokens = withSubresources(accounts, { token: tokens.subresource });
  server = await startTestServer({
    paths: openIdDocuments({ ...tokens, server: "https://issuer.test:6443" }),
    resources: [namespace, gadget, note, ...rbacKinds, withTokens, pods, ...reviews],
    authorizer: (objects) => {
      authorizer = rbacAuthorizer(objects);
      return authorizer;
    },
    authenticators: (objects) => {
      const fixed = staticTokenAuthenticator(new Map([["s3cret", { username: "robot", groups: ["robots"] }]]));
      authenticators.push(fixed, tokens.authenticator(objects), refuseUnknownTokens);
      return authenticators;
    },
  });
  await ensureObjects(server.objects, bootstrapObjects);
});
after(() => server.stop());

const make = (resource: string, object: object): Promise<KubeObject> =>
  server.objects.create({ group: resource.includes("role") ? rbacGroup : "", resource }, object as KubeObject, asServer());
const as = async (pair: typeof jane, wanted: Parameters<typeof call>[1]): Promise<number> =>
  (await call({ ...server, admin: pair }, wanted)).code;
const withToken = (token: string, path: string) => call(server, { path, unknown: true, headers: { authorization: `Bearer ${token}` } });
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

test("roles give what they name and nothing else", async () => {
  assert.equal(await as(jane, { path: gadgets }), 403);
  assert.equal(await as(jane, { path: "/apis" }), 200);
  await make("roles", {
    metadata: { name: "reader", namespace: "default" },
    rules: [
      { verbs: ["get", "list"], apiGroups: ["test.antrea.io"], resources: ["gadgets", "gadgets/status"] },
      { verbs: ["update", "list"], apiGroups: [""], resources: ["notes"], resourceNames: ["mine"] },
    ],
  });
  await make("rolebindings", {
    metadata: { name: "devs", namespace: "default" },
    roleRef: { kind: "Role", name: "reader" },
    subjects: [{ kind: "Group", name: "devs" }],
  });
  const cases: readonly [string, string, number][] = [
    ["GET", gadgets, 200],
    ["GET", `${gadgets}/x`, 404],
    ["GET", `${gadgets}/x/status`, 404],
    ["GET", `${gadgets}/x/scale`, 403],
    ["GET", `${gadgets}?watch=1`, 403],
    ["DELETE", `${gadgets}/x`, 403],
    ["DELETE", gadgets, 403],
    ["GET", "/apis/test.antrea.io/v1/gadgets", 403],
    ["GET", "/api/v1/namespaces/default/notes", 403],
    ["GET", "/api/v1/namespaces/default/notes?fieldSelector=metadata.name%3Dmine", 200],
    ["GET", "/metrics", 403],
  ];
  for (const [method, path, code] of cases) assert.equal(await as(jane, { method, path }), code, `${method} ${path}`);
  const refused = await call({ ...server, admin: jane }, { method: "DELETE", path: `${gadgets}/x` });
  assert.equal(
    refused.body.message,
    'gadgets.test.antrea.io "x" is forbidden: User "jane" cannot delete resource "gadgets" in API group "test.antrea.io" in the namespace "default"',
  );
});

test("who shows nothing writes nothing, whatever the path", async () => {
  const object = { apiVersion: "test.antrea.io/v1", kind: "Gadget", metadata: { name: "x" } };
  const reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const before = server.objects.store.revision;
  for (const path of [
    gadgets,
    `${gadgets}/x`,
    `${gadgets}/x/status`,
    `${gadgets}/x/scale`,
    "/api/v1/namespaces",
    reviews,
    "/healthz",
    "/version",
    "/",
  ])
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const headers = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
      const { code } = await call(server, { method, path, unknown: true, body: object, headers });
      assert.ok([401, 403, 405].includes(code), `${method} ${path}: ${code}`);
    }
  assert.equal(server.objects.store.revision, before);
});

test("cluster roles gather the rules of the roles they aggregate", async () => {
  await make("clusterroles", {
    metadata: { name: "gathered" },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { gather: "yes" } }] },
    rules: [],
  });
  await make("clusterrolebindings", {
    metadata: { name: "gathered" },
    roleRef: { kind: "ClusterRole", name: "gathered" },
    subjects: [{ kind: "User", name: "mary" }],
  });
  const mary = testClient("mary");
  assert.equal(await as(mary, { path: gadgets }), 403);
  await make("clusterroles", {
    metadata: { name: "part", labels: { gather: "yes" } },
    rules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["gadgets"] }],
  });
  assert.equal(await as(mary, { path: gadgets }), 200);
});

test("nobody grants what they do not hold, unless they may escalate or bind", async () => {
  const lead = testClient("lead");
  const rbacPath = `/apis/${rbacGroup}/v1/namespaces/default`;
  await make("clusterroles", {
    metadata: { name: "team-lead" },
    rules: [
      { verbs: ["get", "list"], apiGroups: ["test.antrea.io"], resources: ["gadgets"] },
      { verbs: ["*"], apiGroups: [rbacGroup], resources: ["roles", "rolebindings"], resourceNames: ["free"] },
      { verbs: ["create", "update", "get"], apiGroups: [rbacGroup], resources: ["roles", "rolebindings"] },
    ],
  });
  const subjects = [{ kind: "User", name: "lead" }];
  await make("rolebindings", {
    metadata: { name: "team-lead", namespace: "default" },
    subjects,
    roleRef: { kind: "ClusterRole", name: "team-lead" },
  });
  const role = (name: string, rules: readonly object[]) =>
    as(lead, { method: "POST", path: `${rbacPath}/roles`, body: { metadata: { name }, rules } });
  const bind = (name: string, roleRef: object) =>
    as(lead, { method: "POST", path: `${rbacPath}/rolebindings`, body: { metadata: { name }, roleRef, subjects } });
  const held = { verbs: ["get"], apiGroups: ["test.antrea.io"], resources: ["gadgets"] };
  assert.equal(await role("held", [held]), 201);
  assert.equal(await role("wider", [{ ...held, verbs: ["get", "delete"] }]), 403);
  assert.equal(await role("wildcard", [{ ...held, resources: ["*"] }]), 403);
  assert.equal(await role("named", [{ ...held, resourceNames: ["one"] }]), 201);
  // each of its lists times the others: 10^15 permissions
  const names = Array.from({ length: 30_000 }, (_, index) => `n${index}`);
  assert.equal(
    await role("endless", [{ verbs: names.slice(0, 15_000), apiGroups: names.slice(15_000), resources: names.slice(0, 10_000) }]),
    403,
  );
  assert.equal(await role("free", [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }]), 201);
  assert.equal(await bind("held", { kind: "Role", name: "held" }), 201);
  assert.equal(await bind("all", { kind: "ClusterRole", name: "cluster-admin" }), 403);
  assert.equal(await bind("nothing", { kind: "Role", name: "not-there-yet" }), 404);
  assert.equal(await bind("free", { kind: "Role", name: "free" }), 201);
});

test("static tokens name users; a wrong token is refused, not anonymous", async () => {
  assert.equal((await withToken("s3cret", gadgets)).body.reason, "Forbidden");
  assert.equal((await withToken("wrong", "/healthz")).body.reason, "Unauthorized");
});

test("a service account's token works until it expires, and no longer than its account and pod", async () => {
  await make("serviceaccounts", { metadata: { name: "bot", namespace: "default" } });
  const pod = await make("pods", { metadata: { name: "p", namespace: "default" } });
  const issue = async (spec: object) => {
    const path = "/api/v1/namespaces/default/serviceaccounts/bot/token";
    const { body } = await call(server, { method: "POST", path, body: { spec } });
    return String(body.status?.token);
  };
  const who = async (token: string, audiences?: readonly string[]): Promise<unknown> => {
    const body = { spec: { token, ...(audiences === undefined ? {} : { audiences }) } };
    const answer = await call(server, { method: "POST", path: "/apis/authentication.k8s.io/v1/tokenreviews", body });
    return answer.body.status;
  };
  const own = await issue({ expirationSeconds: 600 });
  const bound = await issue({ boundObjectRef: { kind: "Pod", name: "p", uid: pod.metadata.uid } });
  const other = await issue({ audiences: ["elsewhere"] });
  const { user } = (await who(own)) as { user: { username: string; groups: string[] } };
  assert.deepEqual(
    [user.username, user.groups],
    ["system:serviceaccount:default:bot", ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]],
  );
  type Reviewed = {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user: { readonly extra?: Record<string, string[]> };
  };
  const elsewhere = (await who(other, ["nowhere", "elsewhere"])) as Reviewed;
  assert.deepEqual([elsewhere.authenticated, elsewhere.audiences], [true, ["elsewhere"]]);
  for (const [token, audiences] of [
    [own, ["elsewhere"]],
    [other, undefined],
    [other, ["nowhere"]],
    ["s3cret", ["elsewhere"]],
  ] as const)
    assert.notEqual(((await who(token, audiences)) as Reviewed).authenticated, true, "a token for somebody else");
  const { extra = {} } = ((await who(bound)) as Reviewed).user;
  assert.match(extra["authentication.kubernetes.io/credential-id"]?.[0] ?? "", /^JTI=[0-9a-f-]{36}$/);
  assert.deepEqual(extra["authentication.kubernetes.io/pod-name"], ["p"]);
  assert.equal((await withToken(own, gadgets)).code, 403);
  assert.equal((await withToken(bound, gadgets)).code, 403);
  assert.equal((await withToken(other, gadgets)).code, 401);
  await call(server, { method: "DELETE", path: "/api/v1/namespaces/default/pods/p" });
  assert.equal((await withToken(bound, gadgets)).code, 401);
  clock.advance(minutes(11));
  assert.equal((await withToken(own, gadgets)).code, 401);
  const fresh = await issue({});
  await call(server, { method: "DELETE", path: "/api/v1/namespaces/default/serviceaccounts/bot" });
  assert.equal((await withToken(fresh, gadgets)).code, 401);
});

test("tokens that anybody else made are nobody's", () => {
  const signer = createTokenSigner(key);
  const good = signer.sign({ a: 1 });
  const [head = "", claims = "", signature = ""] = good.split(".");
  assert.deepEqual(signer.verify(good), { a: 1 });
  const foreign = createTokenSigner(
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  const unsigned = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  for (const bad of [
    foreign.sign({ a: 1 }),
    `${head}.${claims}.`,
    `${head}.${claims}x.${signature}`,
    `${unsigned}.${claims}.`,
    `${good}.x`,
    "",
  ])
    assert.equal(signer.verify(bad), undefined, bad);
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => signer.verify(text) === undefined));
});

test("whoever holds the right to learns how to check the tokens, and that is enough to check one", async () => {
  await make("serviceaccounts", { metadata: { name: "checked", namespace: "default" } });
  const issued = await call(server, {
    method: "POST",
    path: "/api/v1/namespaces/default/serviceaccounts/checked/token",
    body: { spec: {} },
  });
  const token = String(issued.body.status?.token);
  assert.equal(await as(jane, { path: openIdConfigurationPath }), 403);
  assert.equal((await call(server, { path: openIdConfigurationPath, unknown: true })).code, 401);
  assert.equal((await call(server, { method: "POST", path: openIdConfigurationPath, body: {} })).code, 405);
  const { body: configuration } = await withToken(token, openIdConfigurationPath);
  const [head = "", claims = "", signature = ""] = token.split(".");
  const read = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, "base64url").toString());
  assert.equal(configuration.issuer, read(claims).iss);
  const keys = await withToken(token, new URL(String(configuration.jwks_uri)).pathname);
  assert.equal(keys.headers["content-type"], "application/jwk-set+json");
  const found = (JSON.parse(keys.text) as { readonly keys: readonly { readonly kid: string }[] }).keys.filter(
    ({ kid }) => kid === read(head).kid,
  );
  assert.equal(found.length, 1);
  assert.ok((configuration.id_token_signing_alg_values_supported as unknown as readonly unknown[]).includes(read(head).alg));
  const publicKey = createPublicKey({ key: found[0] as never, format: "jwk" });
  const good = verify(
    "sha256",
    Buffer.from(`${head}.${claims}`),
    { key: publicKey, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  assert.ok(good, "the token's signature is by the published key");
});

test("reviews answer what a request would be told; acting for others needs the right to", async () => {
  const review = (body: object, pair = jane) =>
    call({ ...server, admin: pair }, { method: "POST", path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body });
  const attributes = (verb: string) => ({
    spec: { resourceAttributes: { verb, group: "test.antrea.io", resource: "gadgets", namespace: "default" } },
  });
  assert.equal((await review(attributes("list"))).body.status?.allowed as unknown, true);
  assert.equal((await review(attributes("delete"))).body.status?.allowed as unknown, false);
  const { body: rules } = await call(
    { ...server, admin: jane },
    { method: "POST", path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body: { spec: { namespace: "default" } } },
  );
  const granted = (rules.status?.resourceRules ?? []) as unknown as readonly { readonly resources: readonly string[] }[];
  assert.ok(granted.some(({ resources }) => resources.includes("gadgets")));
  const acting = { "impersonate-user": "jane", "impersonate-group": "devs" };
  assert.equal((await call(server, { path: gadgets, headers: acting })).code, 200);
  assert.equal((await call(server, { path: "/apis/test.antrea.io/v1/gadgets", headers: acting })).code, 403);
  assert.equal((await call({ ...server, admin: jane }, { path: gadgets, headers: { "impersonate-user": "admin" } })).code, 403);
});
