import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:http2";
import { createServer, request as httpsRequest, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import type { KubeObject } from "#lib/kube/types.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { asServer } from "../auth/bootstrap.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import { defineResource, withSubresources } from "../resource.ts";
import { call } from "../testing/http.ts";
import { type HeardStream, serveSpdy } from "../testing/spdy-kubelet.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { namespace, plainPods } from "../testing/tiny-kinds.ts";
import { kubeletProxy, kubeletSubresources } from "./kubelet.ts";

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "kubelet-ca" });
const kubeletPair = issueCertificate(runtime, authority, { commonName: "kubelet", hosts: ["127.0.0.1"], usages: ["server"] });
const clientPair = issueCertificate(runtime, authority, { commonName: "kube-apiserver-kubelet-client", usages: ["client"] });

/** What the kubelet was asked for: its user and the path. */
const asked: string[] = [];
let kubelet: Server;
let server: TestServer;

before(async () => {
  kubelet = createServer(
    { cert: kubeletPair.certificate, key: kubeletPair.key, ca: authority.certificate, requestCert: true },
    (request: IncomingMessage, response: ServerResponse) => {
      note(request);
      if (request.url?.includes("follow")) {
        response.write("first\n");
        const more = setInterval(() => response.write("more\n"), 5);
        response.once("close", () => clearInterval(more));
      } else if (request.url?.includes("previous")) response.writeHead(400, { "content-type": "text/plain" }).end("no previous run\n");
      else response.end("hello\n");
    },
  );
  kubelet.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    note(request);
    socket.on("error", () => {});
    const speaksSpdy = request.url?.includes("command=speak");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\nX-Stream-Protocol-Version: v4\r\n\r\n`,
    );
    if (speaksSpdy) speak(socket);
    else socket.on("data", (bytes: Buffer) => socket.write(Buffer.from(bytes).reverse()));
    socket.on("end", () => socket.end());
  });
  kubelet.listen(0, "127.0.0.1");
  await once(kubelet, "listening");
  const { port } = kubelet.address() as AddressInfo;
  const access = { address: () => ({ host: "127.0.0.1", port }), ca: authority.certificate, ...clientPair };
  const node = defineResource({ ...plainPods, resource: "nodes", singular: "node", kind: "Node", listKind: "NodeList", namespaced: false });
  server = await startTestServer({
    resources: [
      namespace,
      withSubresources(plainPods, kubeletSubresources(access)),
      withSubresources(node, { proxy: kubeletProxy(access) }),
    ],
  });
  await server.objects.create(node, { metadata: { name: "n1" } }, asServer());
  const pod = (name: string, spec: object): KubeObject => ({ metadata: { name, namespace: "default" }, spec }) as KubeObject;
  await server.objects.create(plainPods, pod("web", { nodeName: "n1", containers: [{ name: "main" }] }), asServer());
  await server.objects.create(plainPods, pod("two", { nodeName: "n1", containers: [{ name: "a" }, { name: "b" }] }), asServer());
  await server.objects.create(plainPods, pod("waiting", { containers: [{ name: "a" }] }), asServer());
});
after(async () => {
  await server.stop();
  kubelet.closeAllConnections();
  kubelet.close();
});

/** A command that says everything backwards, and ends with its input. */
function speak(socket: Duplex): void {
  const streams = new Map<string, HeardStream>();
  const spdy = serveSpdy(socket, (stream, bytes, ended) => {
    const type = stream.headers.streamtype ?? "";
    streams.set(type, stream);
    if (type === "stdin" && bytes !== undefined) streams.get("stdout")?.send(Buffer.from(bytes).reverse());
    if (type === "resize" && bytes !== undefined) streams.get("stdout")?.send(bytes);
    if (type !== "stdin" || !ended) return;
    spdy.ping(2);
    streams.get("stdout")?.send(Buffer.from("over"), { last: true });
    streams.get("error")?.send(Buffer.from(JSON.stringify({ status: "Failure", details: { causes: [{ message: "7" }] } })), { last: true });
  });
}

const note = (request: IncomingMessage): void => {
  const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
  asked.push(`${CN} ${request.method} ${request.url}`);
};
const podPath = (name: string, rest: string): string => `/api/v1/namespaces/default/pods/${name}/${rest}`;

test("logs come from the kubelet of the pod's node, asked with the server's own certificate", async () => {
  const { code, text } = await call(server, { path: podPath("web", "log?tailLines=5&container=main&pretty=1") });
  assert.deepEqual([code, text], [200, "hello\n"]);
  assert.equal(asked.at(-1), "kube-apiserver-kubelet-client GET /containerLogs/default/web/main?tailLines=5");
});

test("a node's proxy is its kubelet, asked with the server's own certificate", async () => {
  const { code, text } = await call(server, { path: "/api/v1/nodes/n1/proxy/metrics/a%2Fb/?x=%20y" });
  assert.deepEqual([code, text], [200, "hello\n"]);
  assert.equal(asked.at(-1), "kube-apiserver-kubelet-client GET /metrics/a%2Fb/?x=%20y");
  const withPort = await call(server, { path: `/api/v1/nodes/n1:${(kubelet.address() as AddressInfo).port}/proxy/metrics` });
  assert.deepEqual([withPort.code, asked.at(-1)], [200, "kube-apiserver-kubelet-client GET /metrics"]);
  const count = asked.length;
  const other = await call(server, { path: "/api/v1/nodes/n1:22/proxy/metrics" });
  assert.deepEqual([other.code, /port 22 of node n1 is not its kubelet's/.test(String(other.body.message))], [400, true]);
  const gone = await call(server, { path: "/api/v1/nodes/n2/proxy/metrics" });
  assert.deepEqual([gone.code, gone.body.message], [404, 'nodes "n2" not found']);
  assert.equal(asked.length, count);
});

test("what cannot be asked, and what the kubelet refuses, is told in a Status", async () => {
  const cases: readonly [string, string, number, RegExp][] = [
    ["gone", "log", 404, /"gone" not found/],
    ["waiting", "log", 400, /does not have a host assigned/],
    ["two", "log", 400, /choose one of: \[a b\]/],
    ["web", "log?container=x", 400, /container x is not valid for pod web/],
    ["web", "log?previous=true", 400, /no previous run/],
    ["web", "nothing", 404, /could not find/],
  ];
  for (const [pod, rest, code, message] of cases) {
    const { body, ...answer } = await call(server, { path: podPath(pod, rest) });
    assert.deepEqual([answer.code, body.kind], [code, "Status"], `${pod}/${rest}`);
    assert.match(String(body.message), message);
  }
});

test("a followed log arrives while it is written, and the kubelet hears when the reader goes", async () => {
  const { request, answer } = await open("GET", podPath("web", "log?follow=true"));
  const [first] = (await once(answer, "data")) as [Buffer];
  assert.equal(first.toString(), "first\n");
  const connections = (): Promise<number> => new Promise((resolve) => kubelet.getConnections((_, count) => resolve(count)));
  request.destroy();
  while ((await connections()) > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("with HTTP/2, a followed log is a stream beside others, and the kubelet hears when the reader closes it", async () => {
  const session = connect(server.url, { ca: server.authority.certificate, cert: server.admin.certificate, key: server.admin.key });
  const following = session.request({ ":path": podPath("web", "log?follow=true") });
  following.setEncoding("utf8");
  assert.deepEqual((await once(following, "data"))[0], "first\n");
  const other = session.request({ ":path": podPath("web", "log?previous=true") });
  const [headers] = (await once(other, "response")) as [{ readonly ":status"?: number }];
  assert.equal(headers[":status"], 400);
  other.resume();
  const connections = (): Promise<number> => new Promise((resolve) => kubelet.getConnections((_, count) => resolve(count)));
  following.close();
  while ((await connections()) > 0) await new Promise((resolve) => setImmediate(resolve));
  session.close();
});

test("an upgraded exec is bytes in both directions, in whatever protocol the two ends speak", async () => {
  const path = podPath("web", "exec?command=sh&command=-c&command=ls%20/&stdin=true&stdout=true&tty=false");
  const request = httpsRequest({ ...connection(), method: "POST", path, headers: { connection: "Upgrade", upgrade: "SPDY/3.1" } });
  request.end();
  const [answer, socket] = (await once(request, "upgrade")) as [IncomingMessage, Duplex];
  assert.deepEqual([answer.statusCode, answer.headers["x-stream-protocol-version"]], [101, "v4"]);
  assert.equal(
    asked.at(-1),
    "kube-apiserver-kubelet-client POST /exec/default/web/main?command=sh&command=-c&command=ls+%2F&input=1&output=1",
  );
  socket.write(Buffer.from([1, 2, 3]));
  const [echo] = (await once(socket, "data")) as [Buffer];
  assert.deepEqual([...echo], [3, 2, 1]);
  socket.end();
  await once(socket, "close");
});

/** A WebSocket client of a pod's streams, and what it heard, message by message: `1 text` for a text on channel 1. */
async function dial(path: string, protocol: string) {
  const { ca, cert, key } = connection();
  const socket = new WebSocket(`${server.url.replace("https", "wss")}${path}`, [protocol], { ca, cert, key });
  const heard: string[] = [];
  socket.on("message", (message: Buffer) => void heard.push(`${message[0]} ${message.toString("utf8", 1)}`));
  const closed = once(socket, "close");
  await once(socket, "open");
  return { socket, heard, closed };
}

test("exec by v5.channel.k8s.io is SPDY to the kubelet: input ends alone, the status comes last", async () => {
  const { socket, heard, closed } = await dial(
    podPath("web", "exec?command=speak&stdin=true&stdout=true&stderr=true"),
    "v5.channel.k8s.io",
  );
  assert.equal(socket.protocol, "v5.channel.k8s.io");
  assert.match(asked.at(-1) ?? "", /POST \/exec\/default\/web\/main\?command=speak&input=1&output=1&error=1$/);
  socket.send(Buffer.from("\0abc"));
  socket.send(Buffer.from([255, 0]));
  const [code] = (await closed) as [number];
  assert.equal(code, 1_000);
  assert.deepEqual(heard, ["1 ", "1 cba", "1 over", '3 {"status":"Failure","details":{"causes":[{"message":"7"}]}}']);
});

test("a terminal has a size and one output; a client that leaves takes the kubelet's connection with it", async () => {
  const { socket, heard, closed } = await dial(podPath("web", "exec?command=speak&stdin=true&stdout=true&tty=true"), "v5.channel.k8s.io");
  socket.send(Buffer.from('\x04{"Width":80}'));
  while (heard.length < 2) await once(socket, "message");
  assert.deepEqual(heard, ["1 ", '1 {"Width":80}']);
  const connections = (): Promise<number> => new Promise((resolve) => kubelet.getConnections((_, count) => resolve(count)));
  socket.terminate();
  await closed;
  while ((await connections()) > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("port-forward within WebSocket messages: the bytes in them are the kubelet's", async () => {
  // By hand, as the name of this sub-protocol is none that the library may ask for.
  const protocol = "SPDY/3.1+portforward.k8s.io";
  const handshake = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": btoa("0123456789abcdef"),
  };
  const request = httpsRequest({
    ...connection(),
    path: podPath("web", "portforward"),
    headers: { ...handshake, "sec-websocket-protocol": protocol },
  });
  request.end();
  const [answer, socket] = (await once(request, "upgrade")) as [IncomingMessage, Duplex];
  assert.equal(answer.headers["sec-websocket-protocol"], protocol);
  assert.match(asked.at(-1) ?? "", /POST \/portForward\/default\/web$/);
  const masked = (opcode: number, ...bytes: number[]): Buffer => Buffer.from([0x80 | opcode, 0x80 | bytes.length, 0, 0, 0, 0, ...bytes]);
  socket.write(masked(2, 1, 2, 3));
  const [message] = (await once(socket, "data")) as [Buffer];
  assert.deepEqual([...message], [0x82, 3, 3, 2, 1]);
  socket.write(masked(8, 3, 232));
  socket.resume();
  socket.end();
  await once(socket, "close");
});

test("what the kubelet refuses before it switches is told in a Status; older sub-protocols of WebSocket are the runtime's own", async () => {
  const ask = async (pod: string, protocol: string): Promise<number | undefined> => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-protocol": protocol };
    const request = httpsRequest({ ...connection(), path: podPath(pod, "exec?command=ls&stdout=true"), headers });
    request.end();
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    request.once("upgrade", (answer: IncomingMessage, socket: Duplex) => {
      socket.destroy();
      resolve(answer.statusCode);
    });
    request.once("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.once("error", reject);
    return promise;
  };
  assert.equal(await ask("waiting", "v5.channel.k8s.io"), 400);
  assert.equal(await ask("web", "v4.channel.k8s.io"), 101);
});

test("a log by WebSocket: messages of bytes or of base64, followed as long as the reader stays", async () => {
  const { ca, cert, key } = connection();
  const dialLog = (rest: string, protocols: readonly string[]): WebSocket =>
    new WebSocket(`${server.url.replace("https", "wss")}${podPath("web", rest)}`, [...protocols], { ca, cert, key });
  const whole = async (protocols: readonly string[]) => {
    const socket = dialLog("log", protocols);
    const heard: string[] = [];
    socket.on("message", (message: Buffer, isBinary: boolean) => void heard.push(`${isBinary ? "bytes" : "text"} ${message.toString()}`));
    const [code] = (await once(socket, "close")) as [number];
    return { protocol: socket.protocol, heard, code };
  };
  assert.deepEqual(await whole(["binary.k8s.io"]), { protocol: "binary.k8s.io", heard: ["bytes hello\n"], code: 1_000 });
  assert.equal(asked.at(-1), "kube-apiserver-kubelet-client GET /containerLogs/default/web/main");
  const base64 = { protocol: "base64.binary.k8s.io", heard: [`text ${btoa("hello\n")}`], code: 1_000 };
  assert.deepEqual(await whole(["chat", "base64.binary.k8s.io", "binary.k8s.io"]), base64);
  assert.deepEqual(await whole([]), { protocol: "", heard: ["bytes hello\n"], code: 1_000 });
  const refused = async (rest: string, protocols: readonly string[]): Promise<number | undefined> => {
    const socket = dialLog(rest, protocols);
    socket.on("error", () => {});
    const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    answer.resume();
    return answer.statusCode;
  };
  assert.equal(await refused("log", ["chat"]), 400);
  assert.equal(await refused("log?previous=true", ["binary.k8s.io"]), 400);
  const following = dialLog("log?follow=true", ["binary.k8s.io"]);
  assert.equal(((await once(following, "message")) as [Buffer])[0].toString(), "first\n");
  const connections = (): Promise<number> => new Promise((resolve) => kubelet.getConnections((_, count) => resolve(count)));
  following.close();
  while ((await connections()) > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("port-forward names the pod alone", async () => {
  const request = httpsRequest({
    ...connection(),
    method: "POST",
    path: podPath("two", "portforward"),
    headers: { connection: "Upgrade", upgrade: "SPDY/3.1", "x-stream-protocol-version": "portforward.k8s.io" },
  });
  request.end();
  const [, socket] = (await once(request, "upgrade")) as [IncomingMessage, Duplex];
  assert.equal(asked.at(-1), "kube-apiserver-kubelet-client POST /portForward/default/two");
  socket.destroy();
});

const connection = () => ({
  host: "127.0.0.1",
  port: server.port,
  agent: false as const,
  ca: server.authority.certificate,
  cert: server.admin.certificate,
  key: server.admin.key,
});

async function open(method: string, path: string) {
  const request = httpsRequest({ ...connection(), method, path });
  request.on("error", () => {});
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.on("error", () => {});
  return { request, answer };
}
