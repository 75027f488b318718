import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
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
  const userOf = (peer: X509Certificate | undefined) =>
    authenticator.authenticate({
      socket: { getPeerX509Certificate: () => peer },
      headersDistinct: { "x-remote-user": ["alice"], "x-remote-group": ["a", "b"], "x-remote-extra-scopes": ["s"] },
    } as unknown as IncomingMessage);
  assert.deepEqual(await userOf(certificate(proxies, "front-proxy")), { username: "alice", groups: ["a", "b"], extra: { scopes: ["s"] } });
  assert.equal(await userOf(certificate(proxies, "other")), undefined);
  assert.deepEqual(await userOf(certificate(users, "bob")), { username: "bob", groups: ["ops"] });
  assert.equal(await userOf(undefined), undefined);
});

test("unreadable authorities are trusted by nobody", () => {
  assert.deepEqual(readClusterAuthorities({ "requestheader-client-ca-file": "x", "requestheader-username-headers": "{" }), {
    clientCa: "",
  });
});
