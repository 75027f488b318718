import assert from "node:assert/strict";
import { connect } from "node:tls";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";

let server: TestServer;
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

before(async () => {
  server = await startTestServer({ customResources: true });
});
after(() => server.stop());

/** Sends bytes as they are; what comes back until the connection ends. */
async function raw(bytes: Buffer | string): Promise<string> {
  const socket = connect({
    host: "127.0.0.1",
    port: server.port,
    ca: server.authority.certificate,
    cert: server.admin.certificate,
    key: server.admin.key,
  });
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    received += text;
    // not before: an end is taken for a client that has gone
    socket.end();
  });
  // a connection that is cut is an answer too
  socket.on("error", () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return received;
}

const post = (path: string, body: Buffer | string, headers: readonly string[] = ["content-type: application/json"]): Buffer => {
  const head = [`POST ${path} HTTP/1.1`, "host: x", "connection: close", `content-length: ${Buffer.byteLength(body)}`, ...headers, "", ""];
  return Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), Buffer.from(body)]);
};

test("a body that is wide in one way is answered in time that grows with it, and with no more findings than people read", async () => {
  // with anything that compares each with each other, these would take minutes
  const wide = <Value>(make: (index: number) => Value): Value[] => Array.from({ length: 5_000 }, (_, index) => make(index));
  const named = (make: (index: number) => unknown): object => Object.fromEntries(wide((index) => [`k ${index}`, make(index)]));
  const unknown = await call(server, { method: "POST", path: gadgets, body: { metadata: { name: "wide" }, ...named(() => 1) } });
  const told = String(unknown.headers.warning);
  assert.deepEqual([unknown.code, told.length < 5_000, told.startsWith('299 - "unknown field \\"k 0\\""')], [201, true, true], told);
  const strict = await call(server, { method: "POST", path: `${gadgets}?fieldValidation=Strict`, body: named(() => 1) });
  assert.deepEqual([strict.code, String(strict.body.message).split(", ").length], [400, 100]);
  const wrong = await call(server, { method: "POST", path: gadgets, body: { metadata: { name: "wrong", labels: named(() => "v") } } });
  assert.deepEqual([wrong.code, (wrong.body.details?.causes as unknown as object[] | undefined)?.length], [422, 1_000]);
  assert.match(String(wrong.body.message), /, and 4000 more\]$/);
  const mistyped = await call(server, {
    method: "POST",
    path: gadgets,
    body: { metadata: { name: "mistyped" }, spec: { tags: named(() => 1) } },
  });
  assert.deepEqual([mistyped.code, String(mistyped.body.message).split("expected").length], [400, 101]);
  const owner = (index: number): object => ({
    manager: `m${index}`,
    operation: "Update",
    apiVersion: "v1",
    fieldsV1: { [`f:${index}`]: {} },
  });
  const tags = Object.fromEntries(wide((index) => [`k${index}`, "v"]));
  const body = { metadata: { name: "wide", managedFields: wide(owner) }, spec: { tags } };
  const owned = await call(server, { method: "PUT", path: `${gadgets}/wide`, body });
  assert.deepEqual([owned.code, (owned.body.metadata?.managedFields as unknown as object[] | undefined)?.length], [200, 10]);
});

test("what is larger than one piece of work is refused in every form of body", async () => {
  const many = (count: number, one: (index: number) => string): string => Array.from({ length: count }, (_, index) => one(index)).join(",");
  const typed = (type: string): Record<string, string> => ({ "content-type": type });
  const fields = `{"spec":{"tags":{${many(80_001, (index) => `"${index}":""`)}}}}`;
  const message = (number: number, content: Buffer): Buffer => {
    const length = [(content.length & 0x7f) | 0x80, ((content.length >> 7) & 0x7f) | 0x80, content.length >> 14];
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
  };
  const type = Buffer.from("\x0a\x02v1\x12\x09Namespace");
  // 80 001 finalizers of no bytes each
  const empty = Buffer.concat([
    Buffer.from("k8s\0"),
    Buffer.from([0x0a, type.length]),
    type,
    message(2, message(2, Buffer.alloc(160_002, "\x0a\0"))),
  ]);
  await call(server, { method: "POST", path: gadgets, body: { metadata: { name: "piece" } } });
  const piece = `${gadgets}/piece`;
  const laughs = `apiVersion: test.antrea.io/v1\nkind: Gadget\nspec:\n  a: &a [${many(5_000, () => "1")}]\n  b: [${many(25, () => "*a")}]\n`;
  const yaml = `apiVersion: test.antrea.io/v1\nkind: Gadget\nspec:\n  color: red # ${"x".repeat(64 * 1024)}\n`;
  const long = JSON.stringify({ spec: { node: "x".repeat(1_600_000) } });
  const operations = `[${many(10_001, () => '{"op":"test","path":"","value":0}')}]`;
  const cases: readonly [string, string, string | Buffer, Record<string, string>, RegExp][] = [
    ["POST", gadgets, fields, typed("application/json"), /more than 80000 fields/],
    ["PUT", piece, fields, typed("application/json"), /more than 80000 fields/],
    ["PATCH", piece, fields, typed("application/merge-patch+json"), /more than 80000 fields/],
    ["DELETE", piece, fields, typed("application/json"), /more than 80000 fields/],
    ["PATCH", `${piece}?fieldManager=m`, fields, typed("application/apply-patch+yaml"), /more than 80000 fields/],
    ["PATCH", `${piece}?fieldManager=m`, yaml, typed("application/apply-patch+yaml"), /larger than 16384 bytes of YAML/],
    ["PATCH", `${piece}?fieldManager=m`, laughs, typed("application/apply-patch+yaml"), /more than 80000 fields/],
    ["POST", "/api/v1/namespaces", empty, typed("application/vnd.kubernetes.protobuf"), /more than 80000 fields/],
    ["PATCH", piece, long, typed("application/merge-patch+json"), /object is larger than 1572864 bytes/],
    ["PATCH", piece, operations, typed("application/json-patch+json"), /10000 operations/],
  ];
  for (const [method, path, body, headers, expected] of cases) {
    const head = [`${method} ${path} HTTP/1.1`, "host: x", "connection: close", `content-length: ${Buffer.byteLength(body)}`];
    const lines = [...head, ...Object.entries(headers).map((pair) => pair.join(": ")), "", ""].join("\r\n");
    const answer = await raw(Buffer.concat([Buffer.from(lines), Buffer.from(body)]));
    assert.match(answer, /^HTTP\/1\.1 413 /, `${method} ${headers["content-type"]}: ${answer.slice(0, 300)}`);
    assert.match(answer, expected);
  }
  const { body, code } = await call(server, { path: piece });
  assert.deepEqual([code, body.metadata?.name, body.spec?.tags], [200, "piece", undefined]);
});

test("long patches and wide YAML are carried out in time that grows with them", async () => {
  await call(server, { method: "POST", path: gadgets, body: { metadata: { name: "long" }, spec: { tags: { a: "b" } } } });
  const patch = Array.from({ length: 10_000 }, (_, index) => ({ op: "add", path: `/spec/tags/k${index}`, value: "v" }));
  const headers = { "content-type": "application/json-patch+json" };
  const patched = await call(server, { method: "PATCH", path: `${gadgets}/long`, body: patch, headers });
  assert.deepEqual([patched.code, Object.keys((patched.body.spec?.tags ?? {}) as object).length], [200, 10_001]);
  const tags = Array.from({ length: 1_000 }, (_, index) => `    k${index}: w`).join("\n");
  const yaml = `apiVersion: test.antrea.io/v1\nkind: Gadget\nmetadata: {name: yaml}\nspec:\n  tags:\n${tags}\n    k7: again\n`;
  const apply = { "content-type": "application/apply-patch+yaml" };
  const applied = await call(server, { method: "PATCH", path: `${gadgets}/yaml?fieldManager=m`, body: yaml, headers: apply });
  assert.equal(applied.code, 201);
  assert.match(String(applied.headers.warning), /line 1006: key \\"k7\\" already set in map/);
});

test("bodies that are no object of anybody are refused with a Status", async () => {
  const cases: readonly [string, Buffer | string, number][] = [
    ["10 000 levels of lists", `${"[".repeat(10_000)}${"]".repeat(10_000)}`, 400],
    ["10 000 levels of objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, 400],
    ["text that is not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
    [
      "names that every object inherits",
      '{"metadata":{"name":"proto"},"__proto__":{"polluted":true},"constructor":1,"spec":{"tags":{"__proto__":"x"}}}',
      201,
    ],
    ["a list of a million zeros", `[${"0,".repeat(1_000_000)}0]`, 413],
    ["metadata that is no object", '{"metadata":"x"}', 400],
  ];
  for (const [what, body, code] of cases) {
    const answer = await raw(post(gadgets, body));
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${code} `), `${what}: ${answer.slice(0, 300)}`);
    assert.match(answer, code === 201 ? /"kind":"Gadget"/ : /"kind":"Status".*"status":"Failure"/, what);
  }
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

/** The rest of what was sent is not read: the answer may be lost with the connection. */
const cutOr431 = /^(HTTP\/1\.1 431 |$)/;

test("headers and paths that nobody would send are refused, and nobody else notices", async () => {
  const cases: readonly [string, RegExp][] = [
    [`GET /${"a/".repeat(3_000)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, /^HTTP\/1\.1 404 /],
    [`GET ${gadgets}/..%2f..%2fsecrets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, /^HTTP\/1\.1 404 /],
    ["GET /api/v1/namespaces/../../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", /^HTTP\/1\.1 404 /],
    ["GET //api//v1//namespaces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", /^HTTP\/1\.1 (200|404) /],
    [`GET /api HTTP/1.1\r\nhost: x\r\n${Array.from({ length: 3_000 }, (_, index) => `x-${index}: y\r\n`).join("")}\r\n`, cutOr431],
    [`GET /api?${"a=b&".repeat(50_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, cutOr431],
    ["GET / HTTP/9.9\r\n\r\n", /^HTTP\/1\.1 (400|505) /],
    ["nonsense\r\n\r\n", /^HTTP\/1\.1 400 /],
    [`POST ${gadgets} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
  ];
  for (const [request, expected] of cases) assert.match((await raw(request)).slice(0, 200), expected, request.slice(0, 80));
  assert.equal((await call(server, { path: "/readyz" })).code, 200);
});

const methods = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS");
const segment = fc.constantFrom(
  "api",
  "apis",
  "v1",
  "namespaces",
  "default",
  "gadgets",
  "test.antrea.io",
  "status",
  "scale",
  "x",
  "..",
  "%2e%2e",
  "%00",
  "%zz",
  "é",
  "",
  "openapi",
  "v3",
  "customresourcedefinitions",
  "apiextensions.k8s.io",
);
const query = fc.constantFrom(
  "",
  "limit=1",
  "limit=-1",
  "continue=e30",
  "resourceVersion=0",
  "resourceVersion=x",
  "labelSelector=a%3Db,!c",
  "labelSelector=%28",
  "fieldSelector=metadata.name%3Dx",
  "dryRun=All",
  "dryRun=x",
  "fieldManager=m&force=true",
  "fieldValidation=Strict",
  "timeoutSeconds=0",
  "pretty=true",
);
const media = fc.constantFrom(
  "application/json",
  "application/apply-patch+yaml",
  "application/merge-patch+json",
  "application/json-patch+json",
  "application/strategic-merge-patch+json",
  "application/vnd.kubernetes.protobuf",
  "text/plain",
  "",
);
const accept = fc.constantFrom(
  "*/*",
  "application/json",
  "application/json;as=Table;v=v1;g=meta.k8s.io",
  "application/vnd.kubernetes.protobuf",
  "text/html;q=x,,;",
);
const body = fc.oneof(
  fc.constantFrom(
    "",
    "{}",
    "[]",
    "null",
    "{",
    '{"metadata":{"name":"x"}}',
    '[{"op":"remove","path":"/spec"}]',
    "apiVersion: test.antrea.io/v1\nkind: Gadget\n",
    "k8s\0\x01\x02",
    '{"spec":{"$patch":"delete"}}',
  ),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);

test("whatever is asked is answered: a result or a Status, never an error of the server's own", { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      methods,
      fc.array(segment, { maxLength: 8 }),
      query,
      media,
      accept,
      body,
      async (method, segments, parameters, type, accepted, text) => {
        const path = `/${segments.map((one) => (one.includes("%") ? one : encodeURIComponent(one))).join("/")}?${parameters}`;
        const { code, body: answer } = await call(server, {
          method,
          path,
          ...(text === "" || method === "GET" || method === "HEAD" ? {} : { body: text }),
          headers: { accept: accepted, ...(type === "" ? {} : { "content-type": type }) },
        });
        assert.ok(code >= 200 && code < 500, `${method} ${path} ${type} ${text}: ${code} ${JSON.stringify(answer).slice(0, 300)}`);
        if (code >= 400 && method !== "HEAD") assert.equal(answer.kind, "Status");
      },
    ),
    { numRuns: 300, endOnFailure: true },
  );
});
