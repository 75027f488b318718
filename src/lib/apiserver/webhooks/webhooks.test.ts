import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Answer, type Call, call } from "../testing/http.ts";
import { kubeletSubresources } from "../proxy/kubelet.ts";
import { proxySubresources } from "../proxy/proxy-subresource.ts";
import { type DraftObject, withSubresources } from "../resource.ts";
import type { SubresourceHandler } from "../subresource.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { gadget, namespace, note, plainPods } from "../testing/tiny-kinds.ts";
import { startWebhookServer, type WebhookServer } from "../testing/webhook-server.ts";
import { widgetDefinition } from "../testing/widget-definition.ts";

let server: TestServer;
let webhook: WebhookServer;
const ask = (wanted: Call): Promise<Answer> => call(server, wanted);
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";
const configurations = "/apis/admissionregistration.k8s.io/v1";
const create = (name: string, spec: object = {}, query = ""): Promise<Answer> =>
  ask({ method: "POST", path: `${gadgets}${query}`, body: { metadata: { name }, spec } });
const patchOf = (...operations: readonly object[]): object => ({
  allowed: true,
  patchType: "JSONPatch",
  patch: Buffer.from(JSON.stringify(operations)).toString("base64"),
});

before(async () => {
  const access = { address: () => ({ host: "127.0.0.1", port: 9 }), ca: "", certificate: "", key: "" };
  const binding: SubresourceHandler = {
    kind: "Binding",
    verbs: ["create"],
    async create({ objects, key, ...context }, body) {
      const bind = (draft: DraftObject): void => {
        draft.boundTo = (body as { readonly target?: unknown }).target;
      };
      return objects.update(plainPods, key, bind, { ...context, subresource: "binding" });
    },
  };
  const connected = withSubresources(plainPods, { ...kubeletSubresources(access), proxy: proxySubresources().pods, binding });
  server = await startTestServer({ customResources: true, resources: [namespace, gadget, note, connected] });
  webhook = await startWebhookServer(({ path, request }) => {
    switch (path) {
      case "/label":
        return patchOf({
          op: "add",
          path: "/metadata/labels",
          value: { seen: String(request.operation).toLowerCase(), size: String(request.object?.spec?.size) },
        });
      case "/grow":
        return {
          ...patchOf({ op: "replace", path: "/spec/size", value: Number(request.object?.spec?.size) + 1 }),
          warnings: ["it has grown"],
        };
      case "/large":
        return Number(request.object?.spec?.size) > 1
          ? patchOf({ op: "add", path: "/metadata/labels", value: { large: "yes" } })
          : { allowed: true };
      case "/elsewhere":
        return patchOf({ op: "add", path: "/container", value: "elsewhere" });
      case "/twelve":
        return patchOf({ op: "replace", path: "/spec/replicas", value: 12 });
      case "/deny":
        return { allowed: false, status: { message: "not here", code: 403, reason: "Forbidden" } };
      case "/half":
        return { allowed: true, patchType: "JSONPatch" };
      case "/silent":
        return undefined;
      case "/convert":
        return converted(request as unknown as Parameters<typeof converted>[0]);
      default:
        return { allowed: true };
    }
  });
});
after(async () => {
  await webhook.close();
  await server.stop();
});
beforeEach(async () => {
  for (const resource of ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"])
    await ask({ method: "DELETE", path: `${configurations}/${resource}` });
});

/** Installs one webhook of that kind at a path of the test's server; `before` begins the name of its configuration. */
async function install(kind: "Mutating" | "Validating", path: string, more: object = {}, before = ""): Promise<Answer> {
  const one = {
    name: `${path.slice(1)}.test.antrea.io`,
    clientConfig: { url: webhook.url(path), caBundle: webhook.caBundle },
    rules: [{ operations: ["*"], apiGroups: ["test.antrea.io"], apiVersions: ["v1"], resources: ["gadgets"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    ...more,
  };
  const body = { metadata: { name: `${before}${path.slice(1)}-${Math.random().toString(36).slice(2)}` }, webhooks: [one] };
  const answer = await ask({ method: "POST", path: `${configurations}/${kind.toLowerCase()}webhookconfigurations`, body });
  return answer;
}

test("mutating webhooks change objects in turn, after defaults and before every check; warnings reach the client", async () => {
  await install("Mutating", "/grow");
  await install("Mutating", "/label");
  const made = await create("mutated");
  assert.equal(made.code, 201);
  assert.deepEqual([made.body.spec?.size, made.body.metadata?.labels], [2, { seen: "create", size: "2" }]);
  assert.match(String(made.headers.warning), /it has grown/);
  const request = webhook.asked.at(-1)?.request ?? {};
  assert.deepEqual(
    [request.operation, request.namespace, request.name, request.kind?.kind, request.resource?.resource, request.oldObject, request.dryRun],
    ["CREATE", "default", "mutated", "Gadget", "gadgets", null, false],
  );
  assert.equal(request.userInfo?.username, "admin");
  const bad = await create("too-dark", { color: "black" });
  assert.equal(bad.code, 422);
});

test("validating webhooks see the object as it will be, and deny creates, updates and deletions", async () => {
  await create("watched", { size: 3 });
  await install("Validating", "/deny");
  const denied = await create("denied");
  assert.deepEqual(
    [denied.code, denied.body.reason, denied.body.message],
    [403, "Forbidden", 'admission webhook "deny.test.antrea.io" denied the request: not here'],
  );
  assert.match(String(webhook.asked.at(-1)?.request.object?.metadata?.uid), /^[0-9a-f-]{36}$/);
  const update = {
    method: "PATCH",
    path: `${gadgets}/watched`,
    body: { spec: { size: 4 } },
    headers: { "content-type": "application/merge-patch+json" },
  };
  assert.equal((await ask(update)).code, 403);
  const request = webhook.asked.at(-1)?.request ?? {};
  assert.deepEqual([request.operation, request.object?.spec?.size, request.oldObject?.spec?.size], ["UPDATE", 4, 3]);
  assert.equal((await ask({ method: "DELETE", path: `${gadgets}/watched` })).code, 403);
  assert.deepEqual([webhook.asked.at(-1)?.request.operation, webhook.asked.at(-1)?.request.object], ["DELETE", null]);
  assert.equal((await ask({ path: `${gadgets}/watched` })).body.spec?.size, 3);
});

test("rules, selectors and conditions say what a webhook is asked about", async () => {
  const asked = async (more: object, write: () => Promise<Answer>): Promise<boolean> => {
    for (const resource of ["validatingwebhookconfigurations"]) await ask({ method: "DELETE", path: `${configurations}/${resource}` });
    assert.equal((await install("Validating", "/deny", more)).code, 201);
    return (await write()).code === 403;
  };
  const rule = (change: object): object => ({
    rules: [{ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], ...change }],
  });
  let number = 0;
  const make = (): Promise<Answer> => create(`asked-${number++}`, { size: 7 });
  assert.equal(await asked(rule({}), make), true);
  assert.equal(await asked(rule({ operations: ["UPDATE"] }), make), false);
  assert.equal(await asked(rule({ resources: ["gadgets/status"] }), make), false);
  assert.equal(await asked(rule({ resources: ["*/*"] }), make), true);
  assert.equal(await asked(rule({ scope: "Cluster" }), make), false);
  assert.equal(await asked(rule({ apiGroups: [""] }), make), false);
  assert.equal(await asked({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "default" } } }, make), true);
  assert.equal(await asked({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "other" } } }, make), false);
  assert.equal(await asked({ objectSelector: { matchLabels: { a: "b" } } }, make), false);
  assert.equal(
    await asked({ matchConditions: [{ name: "large", expression: "object.spec.size > 6 && request.operation == 'CREATE'" }] }, make),
    true,
  );
  assert.equal(await asked({ matchConditions: [{ name: "small", expression: "object.spec.size < 6" }] }, make), false);
  const status = {
    method: "PATCH",
    path: `${gadgets}/asked-1/status`,
    body: { status: { ready: true } },
    headers: { "content-type": "application/merge-patch+json" },
  };
  assert.equal(await asked(rule({ resources: ["gadgets/status"] }), () => ask(status)), true);
});

test("a webhook that cannot be asked stops the write or lets it pass, as its failurePolicy says", async () => {
  await install("Validating", "/silent", { timeoutSeconds: 1 });
  const stopped = await create("unanswered");
  const late = `Post "${webhook.url("/silent")}?timeout=1s": context deadline exceeded`;
  const failed = `Internal error occurred: failed calling webhook "silent.test.antrea.io": failed to call webhook: ${late}`;
  assert.deepEqual([stopped.code, stopped.body.message, webhook.asked.at(-1)?.timeout], [500, failed, "1s"]);
  await ask({ method: "DELETE", path: `${configurations}/validatingwebhookconfigurations` });
  await install("Validating", "/silent", { timeoutSeconds: 1, failurePolicy: "Ignore" });
  assert.equal((await create("passed")).code, 201);
  await ask({ method: "DELETE", path: `${configurations}/validatingwebhookconfigurations` });
  const stranger = Buffer.from(server.authority.certificate).toString("base64");
  await install("Validating", "/allow", { clientConfig: { url: webhook.url("/allow"), caBundle: stranger } });
  assert.match(String((await create("untrusted")).body.message), /failed calling webhook "allow\.test\.antrea\.io"/);
});

test("a configuration that cannot work is refused", async () => {
  const cases: readonly [object, RegExp][] = [
    [{ name: "short" }, /at least three segments/],
    [{ sideEffects: "Some" }, /sideEffects: Unsupported value/],
    [{ clientConfig: {} }, /exactly one of url or service/],
    [{ clientConfig: { url: "http://x" } }, /'https' is the only allowed URL scheme/],
    [{ admissionReviewVersions: ["v1beta1"] }, /at least one of v1/],
    [{ matchConditions: [{ name: "x", expression: "object." }] }, /compilation failed/],
    [{ timeoutSeconds: 60 }, /timeoutSeconds/],
    [{ failurePolicy: "Maybe" }, /failurePolicy: Unsupported value/],
    [{ matchPolicy: "Similar" }, /matchPolicy: Unsupported value/],
    [{ rules: [{ operations: ["READ"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] }] }, /operations\[0\]: Unsupported value/],
  ];
  for (const [more, expected] of cases) {
    const { code, body } = await install("Validating", "/allow", more);
    assert.deepEqual([code, expected.test(String(body.message))], [422, true], `${expected}: ${body.message}`);
  }
});

test("a webhook with reinvocationPolicy IfNeeded is asked once more when a later one has changed the object", async () => {
  const paths = async (name: string): Promise<readonly string[]> => {
    const before = webhook.asked.length;
    assert.equal((await create(name)).code, 201);
    return webhook.asked.slice(before).map(({ path }) => path);
  };
  await install("Mutating", "/large", { reinvocationPolicy: "IfNeeded" });
  assert.deepEqual(await paths("unchanged"), ["/large"]);
  // by name, not by age
  await install("Mutating", "/grow", { name: "a.test.antrea.io" }, "zz");
  assert.deepEqual(await paths("grown"), ["/large", "/grow", "/large"]);
  assert.deepEqual((await ask({ path: `${gadgets}/grown` })).body.metadata?.labels, { large: "yes" });
  await install("Mutating", "/grow", { name: "b.test.antrea.io", reinvocationPolicy: "IfNeeded" }, "a");
  assert.deepEqual(await paths("thrice"), ["/grow", "/large", "/grow", "/grow", "/large"]);
  await ask({ method: "DELETE", path: `${configurations}/mutatingwebhookconfigurations` });
  await install("Mutating", "/large");
  await install("Mutating", "/grow", {}, "zz");
  assert.deepEqual(await paths("never"), ["/large", "/grow"]);
});

test("later webhooks are chosen by the object as earlier ones have made it, and a condition that does not hold outweighs one that fails", async () => {
  await install("Mutating", "/label");
  await install("Validating", "/deny", { objectSelector: { matchLabels: { seen: "create" } } });
  await install("Mutating", "/grow", { objectSelector: { matchLabels: { seen: "create" } } }, "zz");
  const before = webhook.asked.length;
  assert.equal((await create("selected")).code, 403);
  assert.deepEqual(
    webhook.asked.slice(before).map(({ path }) => path),
    ["/label", "/grow", "/deny"],
  );
  await ask({ method: "DELETE", path: `${configurations}/mutatingwebhookconfigurations` });
  await ask({ method: "DELETE", path: `${configurations}/validatingwebhookconfigurations` });
  const fails = { name: "fails", expression: "object.spec.nothing == 1" };
  await install("Validating", "/deny", { matchConditions: [fails, { name: "never", expression: "false" }] });
  assert.equal((await create("passed-by")).code, 201);
  await install("Validating", "/allow", { matchConditions: [fails] });
  assert.match(String((await create("unjudged")).body.message), /"allow\.test\.antrea\.io": a match condition failed/);
});

test("webhooks hear of dry runs, of what the client says besides, and of updates that change nothing; half an answer is none", async () => {
  await create("present", { size: 3 });
  await install("Validating", "/allow");
  const put = { method: "PUT", path: `${gadgets}/present`, body: { metadata: { name: "present" }, spec: { size: 3 } } };
  await ask({ ...put, path: `${put.path}?dryRun=All&fieldManager=me&fieldValidation=Strict` });
  const { dryRun, operation, options } = webhook.asked.at(-1)?.request ?? {};
  const said = { kind: "UpdateOptions", apiVersion: "meta.k8s.io/v1", fieldManager: "me", fieldValidation: "Strict", dryRun: ["All"] };
  assert.deepEqual([dryRun, operation, options], [true, "UPDATE", said]);
  await ask({ method: "DELETE", path: `${gadgets}/present`, body: { propagationPolicy: "Orphan" } });
  assert.equal(webhook.asked.at(-1)?.request.options?.propagationPolicy, "Orphan");
  await install("Mutating", "/half");
  assert.match(String((await create("half")).body.message), /webhook returned response\.patchType but not response\.patch/);
});

test("connections are told to webhooks with their options, which mutating ones may change; logs are not", async () => {
  const home = "/api/v1/namespaces/default/pods";
  const spec = { nodeName: "n1", containers: [{ name: "main" }] };
  assert.equal((await ask({ method: "POST", path: home, body: { metadata: { name: "web" }, spec } })).code, 201);
  const everything = { rules: [{ operations: ["CONNECT"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods/*"] }] };
  await install("Validating", "/deny", everything);
  const upgrade = { connection: "Upgrade", upgrade: "SPDY/3.1" };
  const cases: readonly [string, object, Call["headers"]?][] = [
    [
      "exec?command=ls&command=-l&stdin=false&stdout=true&container=main",
      { kind: "PodExecOptions", stdout: true, container: "main", command: ["ls", "-l"] },
    ],
    ["exec?command=ls&tty=1", { kind: "PodExecOptions", tty: true, command: ["ls"] }, upgrade],
    ["attach?stdin=true", { kind: "PodAttachOptions", stdin: true }, upgrade],
    ["portforward?ports=80&ports=8080", { kind: "PodPortForwardOptions", ports: [80, 8080] }, upgrade],
    ["proxy/a/%20b/?c=d", { kind: "PodProxyOptions", path: "/a/ b/" }],
    ["proxy/", { kind: "PodProxyOptions", path: "/" }],
    ["proxy", { kind: "PodProxyOptions" }],
  ];
  for (const [rest, options, headers = {}] of cases) {
    const { code, body } = await ask({ path: `${home}/web/${rest}`, headers });
    assert.deepEqual([code, body.message], [403, 'admission webhook "deny.test.antrea.io" denied the request: not here'], rest);
    const {
      object,
      oldObject,
      operation,
      subResource,
      resource,
      kind,
      name,
      namespace,
      options: none,
    } = webhook.asked.at(-1)?.request ?? {};
    assert.deepEqual(object, { apiVersion: "v1", ...options });
    assert.deepEqual(
      [oldObject, operation, subResource, resource?.resource, kind?.kind, name, namespace, none],
      [null, "CONNECT", rest.split(/[/?]/)[0], "pods", object?.kind, "web", "default", null],
    );
  }
  const before = webhook.asked.length;
  assert.equal((await ask({ path: `${home}/web/log` })).code, 503);
  assert.equal(webhook.asked.length, before);
  await ask({ method: "DELETE", path: `${configurations}/validatingwebhookconfigurations` });
  // nobody asks the object's labels of options that have none
  await install("Validating", "/deny", { ...everything, objectSelector: { matchExpressions: [{ key: "a", operator: "DoesNotExist" }] } });
  await install("Mutating", "/elsewhere", everything);
  assert.match(String((await ask({ path: `${home}/web/exec?command=ls` })).body.message), /container elsewhere is not valid for pod web/);
  assert.match(String((await ask({ path: `${home}/web/proxy` })).body.message), /attempted to modify PodProxyOptions/);
});

test("what a subresource makes is told as what it is, and what comes of it is not told again", async () => {
  const home = "/api/v1/namespaces/default/pods";
  assert.equal((await ask({ method: "POST", path: home, body: { metadata: { name: "free" } } })).code, 201);
  await install("Validating", "/allow", { rules: [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods/*"] }] });
  const before = webhook.asked.length;
  const bound = await ask({ method: "POST", path: `${home}/free/binding`, body: { metadata: { name: "free" }, target: "n1" } });
  assert.deepEqual([bound.code, bound.body.boundTo], [201, "n1"]);
  assert.deepEqual(
    webhook.asked
      .slice(before)
      .map(({ request: { operation, kind, object, subResource } }) => [operation, kind?.kind, object?.target, subResource]),
    [["CREATE", "Binding", "n1", "binding"]],
  );
});

test("scale is told to webhooks as a Scale", async () => {
  await create("scaled", { size: 2 });
  await install("Mutating", "/twelve", {
    rules: [{ operations: ["UPDATE"], apiGroups: ["*"], apiVersions: ["*"], resources: ["gadgets/scale"] }],
  });
  const headers = { "content-type": "application/merge-patch+json" };
  const scaled = await ask({ method: "PATCH", path: `${gadgets}/scaled/scale`, body: { spec: { replicas: 9 } }, headers });
  assert.deepEqual([scaled.code, scaled.body.spec?.replicas], [200, 12]);
  const { kind, object, oldObject, resource } = webhook.asked.at(-1)?.request ?? {};
  assert.deepEqual(
    [kind, object?.spec?.replicas, oldObject?.spec?.replicas, resource?.resource],
    [{ group: "autoscaling", version: "v1", kind: "Scale" }, 9, 2, "gadgets"],
  );
  assert.equal((await ask({ path: `${gadgets}/scaled` })).body.spec?.size, 12);
});

/** Version v1beta1 of a widget has its size as text. */
function converted({
  desiredAPIVersion,
  objects,
}: {
  desiredAPIVersion: string;
  objects: readonly { spec: { size: unknown; limit?: unknown } }[];
}): object {
  const text = desiredAPIVersion.endsWith("v1beta1");
  const convertedObjects = objects.map((object) => ({
    ...object,
    apiVersion: desiredAPIVersion,
    spec: { ...object.spec, size: text ? String(object.spec.size) : Number(object.spec.size) },
  }));
  return { result: { status: "Success" }, convertedObjects };
}

test("a conversion webhook stands between the versions of a custom kind, for reads, lists, watches and writes", async () => {
  const { spec } = widgetDefinition;
  const conversion = {
    strategy: "Webhook",
    webhook: { clientConfig: { url: webhook.url("/convert"), caBundle: webhook.caBundle }, conversionReviewVersions: ["v1"] },
  };
  const definition = { ...widgetDefinition, spec: { ...spec, conversion } };
  assert.equal(
    (await ask({ method: "POST", path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body: definition })).code,
    201,
  );
  const old = "/apis/shop.antrea.io/v1beta1/namespaces/default/widgets";
  const now = "/apis/shop.antrea.io/v1/namespaces/default/widgets";
  assert.equal((await ask({ method: "POST", path: now, body: { metadata: { name: "new" }, spec: { size: 4 } } })).code, 201);
  assert.deepEqual((await ask({ path: `${old}/new` })).body.spec?.size, "4");
  const made = await ask({ method: "POST", path: old, body: { metadata: { name: "old" }, spec: { size: "9" } } });
  assert.deepEqual([made.code, made.body.apiVersion, made.body.spec?.size], [201, "shop.antrea.io/v1beta1", "9"]);
  assert.deepEqual((await ask({ path: `${now}/old` })).body.spec?.size, 9);
  const list = (await ask({ path: old })).body.items as unknown as readonly { spec: { size: unknown } }[];
  assert.deepEqual(
    list.map(({ spec: { size } }) => size),
    ["4", "9"],
  );
  const watched = await ask({ path: `${old}?watch=1&timeoutSeconds=1` });
  assert.deepEqual(
    watched.text
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { object: { spec: { size: unknown } } }).object.spec.size),
    ["4", "9"],
  );
  const patched = await ask({
    method: "PATCH",
    path: `${old}/old`,
    body: { spec: { size: "12" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.equal(patched.body.spec?.size, "12");
  assert.equal((await ask({ path: `${now}/old` })).body.spec?.size, 12);
});

test("matchPolicy: a webhook hears of every version of a kind in the one that its rules name, or of that one alone", async () => {
  const old = "/apis/shop.antrea.io/v1beta1/namespaces/default/widgets";
  const asText = { rules: [{ operations: ["*"], apiGroups: ["shop.antrea.io"], apiVersions: ["v1"], resources: ["widgets"] }] };
  await install("Mutating", "/grow", asText);
  const made = await ask({ method: "POST", path: old, body: { metadata: { name: "grown" }, spec: { size: "7" } } });
  assert.deepEqual([made.code, made.body.apiVersion, made.body.spec?.size], [201, "shop.antrea.io/v1beta1", "8"]);
  const { request } = webhook.asked.findLast(({ path }) => path === "/grow") ?? {};
  assert.deepEqual(
    [request?.object?.spec?.size, request?.object?.apiVersion, request?.kind?.version, request?.resource?.version],
    [7, "shop.antrea.io/v1", "v1", "v1"],
  );
  assert.deepEqual(
    [request?.requestKind?.version, request?.requestResource],
    ["v1beta1", { group: "shop.antrea.io", version: "v1beta1", resource: "widgets" }],
  );
  await ask({ method: "DELETE", path: `${configurations}/mutatingwebhookconfigurations` });
  await install("Mutating", "/grow", { ...asText, matchPolicy: "Exact" });
  const exact = await ask({ method: "POST", path: old, body: { metadata: { name: "exact" }, spec: { size: "7" } } });
  assert.equal(exact.body.spec?.size, "7");
});
