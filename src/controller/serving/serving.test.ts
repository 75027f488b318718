import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttp1Server, type IncomingMessage, request as httpRequest } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { systemClock, systemRandom } from "#lib/runtime/index.ts";
import { clientCertificates } from "./client-certificates.ts";
import { readClusterAuthorities } from "./cluster-authorities.ts";
import { providedCertificate } from "./serving-certificate.ts";

const sources = { clock: systemClock, random: systemRandom };

test("a provided certificate that is missing is told by folder and way out", async () => {
  await assert.rejects(providedCertificate("/none"), /^UnusableCertificate: \/none: .*Secret antrea-controller-tls/);
});

test("headers of a front proxy count only with its certificate and an allowed name", async () => {
  const users = createAuthority(sources, { commonName: "users" });
  const proxies = createAuthority(sources, { commonName: "proxies" });
  const certificate = (authority: typeof users, commonName: string) =>
    new X509Certificate(issueCertificate(sources, authority, { commonName, organizations: ["ops"], usages: ["client"] }).certificate);
  const authenticator = clientCertificates({
    clock: systemClock,
    authorities: () =>
      readClusterAuthorities({
        "client-ca-file": users.certificate,
        "requestheader-client-ca-file": proxies.certificate,
        "requestheader-allowed-names": '["front-proxy"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
      }),
  });
  const headers = { "x-remote-user": "alice", "x-remote-group": ["a", "b"], "x-remote-extra-scopes": "s" };
  // Requests as the servers of both versions of HTTP make them: that of Kubernetes' aggregation comes by HTTP/2.
  for (const receive of [byHttp1, byHttp2]) {
    const request = await receive(headers);
    const userOf = (peer: X509Certificate | undefined) =>
      authenticator.authenticate(Object.create(request, { socket: { value: { getPeerX509Certificate: () => peer } } }) as IncomingMessage);
    const asked = { username: "alice", groups: ["a", "b"], extra: { scopes: ["s"] } };
    assert.deepEqual(await userOf(certificate(proxies, "front-proxy")), asked);
    assert.equal(await userOf(certificate(proxies, "other")), undefined);
    assert.deepEqual(await userOf(certificate(users, "bob")), { username: "bob", groups: ["ops"] });
    assert.equal(await userOf(undefined), undefined);
  }
});

test("unreadable authorities are trusted by nobody", () => {
  assert.deepEqual(readClusterAuthorities({ "requestheader-client-ca-file": "x", "requestheader-username-headers": "{" }), {
    clientCa: "",
  });
});

type Headers = Readonly<Record<string, string | string[]>>;

async function byHttp1(headers: Headers): Promise<IncomingMessage> {
  const server = createHttp1Server().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const asking = httpRequest({ port, host: "127.0.0.1", headers }).on("error", () => {});
  asking.end();
  const [request] = (await once(server, "request")) as [IncomingMessage];
  server.close();
  server.closeAllConnections();
  return request;
}

async function byHttp2(headers: Headers): Promise<IncomingMessage> {
  const server = createHttp2Server().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.request(headers).on("error", () => {});
  const [request] = (await once(server, "request")) as [unknown];
  session.destroy();
  server.close();
  return request as IncomingMessage;
}
