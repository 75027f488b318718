import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createKubeClient } from "./client.ts";
import { namespaces } from "./kinds.ts";
import { parseKubeconfig } from "./kubeconfig.ts";

test("a Unix socket takes the place of host and port", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kube-transport-"));
  const socketPath = join(folder, "api.sock");
  const server = createServer((request, response) => response.end(JSON.stringify({ path: request.url })));
  server.listen(socketPath);
  await once(server, "listening");
  const client = createKubeClient({ config: { server: "http://192.0.2.1:6443/prefix", socketPath } });
  try {
    assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/prefix/version" });
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    await assert.rejects(client.json({ method: "GET", path: "/version" }), { code: "KUBE_UNREACHABLE" });
  } finally {
    client.close();
    await rm(folder, { recursive: true });
  }
});

test("a certificate that is renewed on disk is shown from the next request on, and nothing under way is broken off", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kube-transport-"));
  const runtime = systemRuntime({ level: "error" });
  const authority = createAuthority(runtime, { commonName: "cluster" });
  const pem = (commonName: string): string => {
    const { certificate, key } = issueCertificate(runtime, authority, { commonName, usages: ["client"] });
    return `${certificate}${key}`;
  };
  const { certificate: cert, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });
  const server = createSecureServer({ cert, key, ca: authority.certificate, requestCert: true, rejectUnauthorized: true });
  let finish = (): void => {};
  server.on("request", (request, response) => {
    const user = (request.socket as TLSSocket).getPeerCertificate().subject.CN;
    if (request.url === "/slow") finish = () => response.end(JSON.stringify({ user }));
    else response.end(JSON.stringify({ user }));
    if (request.url === "/slow") server.emit("asked");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const file = join(folder, "me.pem");
  await writeFile(file, pem("first"));
  const kubeconfig = {
    clusters: [
      {
        name: "c",
        cluster: {
          server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          "certificate-authority-data": Buffer.from(authority.certificate).toString("base64"),
        },
      },
    ],
    users: [{ name: "u", user: { "client-certificate": "me.pem", "client-key": "me.pem" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  const client = createKubeClient({ config: parseKubeconfig(JSON.stringify(kubeconfig), { file: join(folder, "kubeconfig") }) });
  const who = async (path = "/"): Promise<unknown> => ((await client.json({ method: "GET", path })) as { user: string }).user;
  try {
    assert.equal(await who(), "first");
    const asked = once(server, "asked");
    const slow = who("/slow");
    await asked;
    await writeFile(file, "half a fi");
    assert.equal(await who(), "first", "a file that is no certificate yet");
    await writeFile(file, pem("second"));
    assert.equal(await who(), "second");
    finish();
    assert.equal(await slow, "first");
    assert.equal(await who(), "second");
  } finally {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("however many kinds are watched, other requests get through", { timeout: 60_000 }, async () => {
  const many = 80;
  const server = createServer((request, response) => {
    if (!request.url?.includes("watch=true")) return void response.end(JSON.stringify({ items: [] }));
    response.write(`${JSON.stringify({ type: "BOOKMARK", object: { metadata: { resourceVersion: "1" } } })}\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createKubeClient({ config: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } });
  const stop = new AbortController();
  try {
    const watches = Array.from({ length: many }, () => client.watch(namespaces, { signal: stop.signal })[Symbol.asyncIterator]());
    const heard = await Promise.all(watches.map((watch) => watch.next()));
    assert.equal(heard.filter(({ done }) => done !== true).length, many);
    assert.deepEqual((await client.list(namespaces)).items, []);
    stop.abort();
    await Promise.all(watches.map((watch) => watch.next()));
  } finally {
    stop.abort();
    client.close();
    server.closeAllConnections();
    server.close();
  }
});
